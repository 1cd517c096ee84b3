"""Where spans go and what becomes of them, without the SDK that sends them: what is off costs nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """How spans travel, by the names of OTEL_EXPORTER_OTLP_PROTOCOL."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


class SpanFate(StrEnum):
    """What became of a span that was to be sent."""

    SENT = "sent"
    FAILED = "failed"
    """The collector did not take it."""
    DROPPED = "dropped"
    """QUEUED_SPANS waited already."""


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Where spans go, which of them, and what is in them."""

    endpoint: str
    """URL of the collector; with HTTP its path is that of traces."""
    protocol: Protocol = Protocol.GRPC
    timeout_ms: int = 10_000
    """A batch that has not been taken by then has failed."""
    sampler: str = "parentbased_always_on"
    """A name of OTEL_TRACES_SAMPLER, one of SAMPLERS."""
    sampled_ratio: float = 1.0
    """0 to 1, for the samplers that take a share."""
    trusts_clients: bool = False
    has_text: bool = False


SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
"""Names of OTEL_TRACES_SAMPLER (Environment Variable Specification) that are built into every SDK."""

CountSpans = Callable[[SpanFate, int], None]
"""Told of each fate, and how many spans met it; called by any thread."""
