"""The trace that a call belongs to, as the headers of gRPC tell it."""

from voice_gateway.domain.trace_context import TraceContext, trace_context
from voice_gateway.transports.grpc_wire.wire import RawContext


def told_trace(context: RawContext) -> TraceContext:
    """What the metadata `traceparent` and `tracestate` tell; several `tracestate` are one list (RFC 9110, 5.3)."""
    told: dict[str, list[str]] = {"traceparent": [], "tracestate": []}
    for key, value in context.invocation_metadata() or ():
        if key in told and isinstance(value, str):
            told[key].append(value)
    return trace_context(",".join(told["traceparent"]), ",".join(told["tracestate"]))
