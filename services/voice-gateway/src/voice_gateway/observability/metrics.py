"""Counts what happens: the session's `Telemetry` and the backends' `BackendWatch` as Prometheus metrics."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from voice_gateway.domain.errors import Backend, BackendError, GatewayError
from voice_gateway.domain.events import Ended, TurnRecord
from voice_gateway.domain.ids import SessionId
from voice_gateway.observability.metric_names import (
    BACKEND_ERRORS,
    LOOP_LAG,
    METRICS,
    SESSIONS_ENDED,
    SESSIONS_IN_PROGRESS,
    SESSIONS_STARTED,
    TURN_SPAN,
    TURNS,
    VOICE_TO_VOICE,
    Metric,
    MetricKind,
)
from voice_gateway.session.ports import SessionInfo, SessionRequest

VANISHED = "CLIENT_VANISHED"
_MS_PER_S = 1_000


class Metrics:
    """All metrics of the process."""

    def __init__(self, addresses: Mapping[Backend, tuple[str, ...]]) -> None:
        """Declare them.

        Args:
            addresses: of each backend; those of Riva count their own failures, the language model has one.
        """
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type there
        self.registry = CollectorRegistry()
        self._made = {metric: _make(metric, self.registry) for metric in METRICS}
        self._addresses = addresses
        self._transports: dict[SessionId, str] = {}
        for backend, known in addresses.items():
            for address in known:  # a series that is there from the start can be seen to rise
                self._made[BACKEND_ERRORS].labels(backend.value, address)

    def session_started(self, info: SessionInfo, request: SessionRequest) -> None:
        """See `Telemetry`."""
        self._transports[info.session_id] = request.transport
        self._made[SESSIONS_IN_PROGRESS].inc()
        self._made[SESSIONS_STARTED].labels(request.transport).inc()

    def session_ended(self, info: SessionInfo, outcome: Ended | GatewayError | None, duration_ms: int) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        transport = self._transports.pop(info.session_id)
        self._made[SESSIONS_IN_PROGRESS].dec()
        self._made[SESSIONS_ENDED].labels(transport, _reason(outcome)).inc()

    def turn_ended(self, info: SessionInfo, record: TurnRecord) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        self._made[TURNS].labels(record.finished.kind.value, record.finished.outcome.value).inc()
        if record.report is None:
            return
        self._made[VOICE_TO_VOICE].observe(record.report.total_ms / _MS_PER_S)
        for span in record.report.spans:
            if not span.is_overlapped:
                self._made[TURN_SPAN].labels(span.name).observe(span.duration_ms / _MS_PER_S)

    def trouble(self, info: SessionInfo, error: GatewayError) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`. What Riva's addresses do wrong they tell themselves, also when the session never notices."""
        if isinstance(error, BackendError) and error.backend is Backend.LLM:
            for address in self._addresses[Backend.LLM]:
                self.backend_failed(Backend.LLM, address)

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        self._made[BACKEND_ERRORS].labels(backend.value, address).inc()

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop."""
        self._made[LOOP_LAG].observe(lag_s)


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind is MetricKind.HISTOGRAM:
        return Histogram(metric.name, metric.doc, metric.labels, buckets=metric.buckets, registry=registry)
    made = Counter if metric.kind is MetricKind.COUNTER else Gauge
    return made(metric.name, metric.doc, metric.labels, registry=registry)


def _reason(outcome: Ended | GatewayError | None) -> str:
    if outcome is None:
        return VANISHED
    return outcome.cause.value if isinstance(outcome, Ended) else outcome.reason.value
