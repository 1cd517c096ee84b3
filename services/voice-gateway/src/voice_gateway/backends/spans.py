"""Spans of calls to backends. Their parent is the current span of the task that asks.

Names are those of OpenTelemetry's conventions: RPC (https://opentelemetry.io/docs/specs/semconv/rpc/), HTTP and, for
language models, generative AI (https://github.com/open-telemetry/semantic-conventions-genai).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from voice_gateway.backends.addresses.book import Address

AUDIO_SAMPLES = "voicegateway.audio.samples"
"""Audio that a recognition stream was sent."""
SENTENCE_CHARS = "voicegateway.sentence.chars"
SENTENCE_TEXT = "voicegateway.sentence.text"
CAUSE = "voicegateway.attempt.cause"
"""What an address did that another one was asked after, safe to show."""
LEFT_OUT = "voicegateway.messages.left_out"
"""Messages of the conversation that were asked and are not in the span."""

_TO_TEXT = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class CallSpans:
    """Makes them; by default none is recorded."""

    tracer: Tracer = field(default_factory=NoOpTracer)
    has_text: bool = False
    """Whether they hold what was said."""

    def rpc(self, method: str, address: Address) -> "CallSpan":
        """A call of this fully qualified method at this address."""
        told = {"rpc.system.name": "grpc", "rpc.method": method, **address_attributes(address)}
        return CallSpan(self.begin(method, told), "rpc.response.status_code")

    def begin(self, name: str, attributes: Mapping[str, AttributeValue]) -> Span:
        """A span of a call that begins now."""
        return self.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)


NOT_TRACED = CallSpans()


class CallSpan:
    """One call; it ends once, as it was told first."""

    def __init__(self, span: Span, status_name: str) -> None:
        self.span = span
        self._status_name = status_name
        self._is_told = False

    def done(self, status: str) -> None:
        """The call has ended well."""
        if not self._is_told:
            self._is_told = True
            self.span.set_attribute(self._status_name, status)

    def failed(self, status: str, cause: str, kind: str = "") -> None:
        """The call has failed; `cause` is safe to show. `kind`: of failure, where the status does not say it."""
        if not self._is_told:
            self.done(status)
            fail(self.span, kind or status, cause)

    def end(self, status: str) -> None:
        """Nothing more comes of it; `status` is that of a call that was neither done nor failed, but given up."""
        self.done(status)
        self.span.end()


def fail(span: Span, kind: str, cause: str) -> None:
    """What a span stands for has failed; `kind` is of a small set."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, cause)


def address_attributes(address: Address) -> dict[str, AttributeValue]:
    """Whom a call is for: the name as it is configured, and the address that it leads to."""
    name = address.name.rpartition(":")[0] or address.host
    told: dict[str, AttributeValue] = {"server.address": name.strip("[]"), "server.port": address.port}
    return told | {"network.peer.address": address.host, "network.peer.port": address.port}


def headers_below(span: Span) -> dict[str, str]:
    """`traceparent` and `tracestate` for whoever is asked, whose spans then are below this one; none if it has no
    trace.
    """
    headers: dict[str, str] = {}
    _TO_TEXT.inject(headers, set_span_in_context(span))
    return headers
