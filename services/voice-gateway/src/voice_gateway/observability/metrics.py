"""Counts what happens: the session's `Telemetry` and the backends' `BackendWatch` as Prometheus metrics."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import AddressState, BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError, Refused
from voice_gateway.domain.events import REPLY_REQUEST, Ended, TurnRecord
from voice_gateway.observability.metric_names import (
    BACKEND_ADDRESSES,
    BACKEND_ERRORS,
    BACKEND_ODDITIES,
    FULLNESS,
    LOOP_LAG,
    METRICS,
    SESSIONS_CAPACITY,
    SESSIONS_ENDED,
    SESSIONS_IN_PROGRESS,
    SESSIONS_REFUSED,
    SESSIONS_STARTED,
    SPANS,
    TURN_SPAN,
    TURNS,
    VOICE_TO_VOICE,
    Metric,
    MetricKind,
)
from voice_gateway.observability.trace_settings import SpanFate
from voice_gateway.session.ports import Occupancy

MAX_ADDRESSES = 200
"""Series of failures that are kept. Every rollout of a backend brings new addresses, and what failed is seen only if
its series outlives it; the oldest go first."""
VANISHED = "CLIENT_VANISHED"
_MS_PER_S = 1_000


class Metrics:
    """All metrics of the process."""

    def __init__(self) -> None:
        """Declare them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type there
        self.registry = CollectorRegistry()
        self._made = {metric: _make(metric, self.registry) for metric in METRICS}
        self._counted: dict[tuple[str, str], None] = {}
        """Backend and address of each series of failures, those that failed or were listed last at the end."""
        self._listed: dict[Backend, int] = {}
        """How many addresses each backend has."""

    def watch_admission(self, occupancy: Occupancy) -> None:
        """Tell how full the process is whenever somebody asks."""
        self._made[SESSIONS_CAPACITY].set(occupancy.capacity)
        self._made[FULLNESS].set_function(lambda: occupancy.fullness)

    def session_refused(self, error: GatewayError) -> None:
        """See `AdmissionWatch`."""
        limit = error.limit if isinstance(error, Refused) else ""
        self._made[SESSIONS_REFUSED].labels(error.reason.value, limit).inc()

    def session_started(self, agreement: Agreement) -> None:
        """See `Telemetry`."""
        self._made[SESSIONS_IN_PROGRESS].inc()
        self._made[SESSIONS_STARTED].labels(agreement.transport).inc()

    def session_ended(
        self,
        agreement: Agreement,
        outcome: Ended | GatewayError | None,
        duration_ms: int,  # noqa: ARG002  of the Protocol
        turns: int,  # noqa: ARG002  of the Protocol
    ) -> None:
        """See `Telemetry`."""
        self._made[SESSIONS_IN_PROGRESS].dec()
        self._made[SESSIONS_ENDED].labels(agreement.transport, _reason(outcome)).inc()

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        self._made[TURNS].labels(record.finished.kind.value, record.finished.outcome.value).inc()
        if record.report is None:
            return
        thought_ms = sum(span.duration_ms for span in record.report.spans if span.name == REPLY_REQUEST)
        self._made[VOICE_TO_VOICE].observe((record.report.total_ms - thought_ms) / _MS_PER_S)
        for span in record.report.spans:
            if not span.is_overlapped:
                self._made[TURN_SPAN].labels(span.name).observe(span.duration_ms / _MS_PER_S)

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """See `Telemetry`. Addresses tell themselves what they do wrong, also when the session never notices."""

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        self._failures(backend, address).inc()

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """See `BackendWatch`."""
        self._made[BACKEND_ODDITIES].labels(backend.value, kind).inc()

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """See `BackendWatch`."""
        states = [each.state for each in status.addresses if not each.is_leaving]
        for state in AddressState:
            self._made[BACKEND_ADDRESSES].labels(backend.value, state.value).set(states.count(state))
        for each in status.addresses:  # a series that is there from the start can be seen to rise
            self._failures(backend, each.address)
        self._listed[backend] = len(status.addresses)
        while len(self._counted) > max(MAX_ADDRESSES, sum(self._listed.values())):
            oldest = next(iter(self._counted))
            del self._counted[oldest]
            self._made[BACKEND_ERRORS].remove(*oldest)

    def _failures(self, backend: Backend, address: str) -> Any:
        key = (backend.value, address)
        self._counted.pop(key, None)
        self._counted[key] = None
        return self._made[BACKEND_ERRORS].labels(*key)

    def spans_went(self, fate: SpanFate, spans: int) -> None:
        """Take what became of some spans; from any thread."""
        self._made[SPANS].labels(fate.value).inc(spans)

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
