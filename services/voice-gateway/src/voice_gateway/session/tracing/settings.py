"""How the sessions of a process are traced, and where a session hangs in its caller's trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import Link, NoOpTracer, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.caller import Proof
from voice_gateway.domain.errors import GatewayError
from voice_gateway.session.tracing import names

_FROM_TEXT = TraceContextTextMapPropagator()


def _no_status(error: GatewayError) -> str:
    return error.reason.value


@dataclass(frozen=True, slots=True)
class Tracing:
    """How the sessions of a process are traced; by default nothing is recorded."""

    tracer: Tracer = field(default_factory=NoOpTracer)
    trusts_clients: bool = False
    """Whether the trace of any client is the parent, with its decision to sample. Otherwise it is that for callers with
    an identity; for all others it is a link, or each of them could have everything sampled."""
    has_text: bool = False
    """Whether spans hold what was said."""
    methods: Mapping[str, str] = field(default_factory=dict)
    """The method that clients call, by transport, where that is an RPC."""
    status_of: Callable[[GatewayError], str] = _no_status
    """The name of the status with which an RPC ends after this failure."""

    def place(self, agreed: Agreement) -> tuple[Context, Sequence[Link]]:
        """Below the caller's span, or beside it with a link; where nothing is traced, its trace goes nowhere."""
        if isinstance(self.tracer, NoOpTracer):
            return Context(), ()
        told = {"traceparent": agreed.trace.parent, "tracestate": agreed.trace.state}
        above = _FROM_TEXT.extract(told, Context())
        if self.trusts_clients or agreed.caller.proof is not Proof.NONE:
            return above, ()
        caller = get_current_span(above).get_span_context()
        return Context(), (Link(caller),) if caller.is_valid else ()

    def attributes(self, agreed: Agreement) -> dict[str, AttributeValue]:
        """What is known of a session when it begins."""
        told: dict[str, AttributeValue] = {
            names.SESSION_ID: agreed.session_id,
            "gen_ai.conversation.id": agreed.session_id,
            names.TRANSPORT: agreed.transport,
            names.ACCOUNT: agreed.caller.account,
            names.LANGUAGE: agreed.heard_language,
            names.VOICE: agreed.voice,
        }
        if agreed.client_label:
            told[names.CLIENT_LABEL] = agreed.client_label
        method = self.methods.get(agreed.transport)
        return told if method is None else told | {"rpc.system.name": "grpc", "rpc.method": method}
