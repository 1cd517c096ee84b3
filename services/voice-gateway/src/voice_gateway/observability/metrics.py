"""Counts what happens: the session's `Telemetry` and the backends' `BackendWatch` as Prometheus metrics."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import product
from typing import Any, ClassVar

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import AddressState, BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError, Limit, Reason, Refused
from voice_gateway.domain.events import REPLY_REQUEST, Ended, TurnRecord
from voice_gateway.domain.ids import TurnId
from voice_gateway.observability import metric_names as names
from voice_gateway.observability.address_series import AddressSeries
from voice_gateway.observability.metric_names import METRICS, Metric, MetricKind
from voice_gateway.observability.trace_settings import SpanFate
from voice_gateway.session.ports import Bound, Occupancy

VANISHED = "CLIENT_VANISHED"
INTERRUPTED = "INTERRUPTED"
_MS_PER_S = 1_000
_CLOSED: Mapping[Metric, Iterable[StrEnum]] = {
    names.TURNS: events.TurnOutcome,
    names.WORDS_DISREGARDED: events.DisregardCause,
    names.SPECULATIONS: events.SpeculationOutcome,
    names.REPLY_INTERRUPTIONS: events.InterruptCause,
    names.NOTICES: Reason,
    names.BOUNDS_REACHED: Bound,
    names.SPANS: SpanFate,
}
"""All values of the only label of these. A series that is there from the start can be seen to rise."""

_OF_ROOM = (Limit.SESSIONS, Limit.CPU, Limit.ADDED_LATENCY, Limit.UNSTARTED)
_REFUSED = (
    *((Reason.AT_CAPACITY, limit.value) for limit in _OF_ROOM),
    (Reason.BACKEND_UNAVAILABLE, ""),
    (Reason.INTERNAL, ""),
)
"""The same of refusals that are no fault of who calls."""


_LATER = (names.CERTIFICATE_EXPIRY, *names.OF_WORKERS)
"""Made where there is a certificate, or by the process that has workers."""


class Metrics:
    """All metrics of the process."""

    def __init__(self) -> None:
        """Declare them."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type there
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made = {metric: _make(metric, self.registry) for metric in METRICS if metric not in _LATER}
        for metric, values in _CLOSED.items():
            for value in values:
                self._made[metric].labels(value.value)
        for kind, end in product(events.ReplyKind, events.ReplyOutcome):
            self._made[names.REPLIES].labels(kind.value, end.value)
        for reason, limit in _REFUSED:
            self._made[names.SESSIONS_REFUSED].labels(reason.value, limit)
        for outcome in (INTERRUPTED, *events.DisregardCause):
            self._made[names.BARGE_INS].labels(outcome)
        families = (names.BACKEND_ERRORS, names.BACKEND_CALLS, names.BACKEND_FIRST_OUTPUT)
        self._addresses = AddressSeries(*(self._made[metric] for metric in families))

    # --- the process ---------------------------------------------------------------------------------------------

    def watch_admission(self, occupancy: Occupancy) -> None:
        """Tell how full the process is whenever somebody asks."""
        self._made[names.SESSIONS_CAPACITY].set(occupancy.capacity)
        self._made[names.FULLNESS].set_function(lambda: occupancy.fullness)

    def watch_certificate(self, ends_at_s: Callable[[], float]) -> None:
        """Tell when the certificate that is served ends whenever somebody asks, in seconds since 1970."""
        _make(names.CERTIFICATE_EXPIRY, self.registry).set_function(ends_at_s)

    def session_refused(self, error: GatewayError) -> None:
        """See `AdmissionWatch`."""
        limit = error.limit if isinstance(error, Refused) else ""
        self._made[names.SESSIONS_REFUSED].labels(error.reason.value, limit).inc()

    def spans_went(self, fate: SpanFate, spans: int) -> None:
        """Take what became of some spans; from any thread."""
        self._made[names.SPANS].labels(fate.value).inc(spans)

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop."""
        self._made[names.LOOP_LAG].observe(lag_s)

    def voices_judged(self, took_s: float) -> None:
        """Take how long a batch of voice detection took."""
        self._made[names.VOICE_BATCH].observe(took_s)

    def second_passed(self, late_ticks: int, leads_ms: Iterable[int], tasks: int) -> None:
        """Take how the audio clock has kept time in the last second, and how far audio is ahead and what runs now."""
        self._made[names.TASKS].set(tasks)
        self._made[names.LATE_TICKS].inc(late_ticks)
        for lead_ms in leads_ms:
            self._made[names.PLAYOUT_LEAD].observe(lead_ms / _MS_PER_S)

    # --- sessions ------------------------------------------------------------------------------------------------

    def session_started(self, agreement: Agreement) -> None:
        """See `Telemetry`."""
        self._made[names.SESSIONS_IN_PROGRESS].inc()
        self._made[names.SESSIONS_STARTED].labels(agreement.transport).inc()

    def session_ended(
        self,
        agreement: Agreement,
        outcome: Ended | GatewayError | None,
        duration_ms: int,  # noqa: ARG002  of the Protocol
        turns: int,  # noqa: ARG002  of the Protocol
    ) -> None:
        """See `Telemetry`."""
        self._made[names.SESSIONS_IN_PROGRESS].dec()
        self._made[names.SESSIONS_ENDED].labels(agreement.transport, _reason(outcome)).inc()

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        finished = record.finished
        if not finished.goes_on:
            self._made[names.REPLIES].labels(finished.kind.value, finished.outcome.value).inc()
        self._made[names.UNDERRUNS].inc(record.underruns)
        self._made[names.RETAKES].inc(record.retakes)
        if record.report is None:
            return
        exemplar = _exemplar()
        thought_ms = sum(span.duration_ms for span in record.report.spans if span.name == REPLY_REQUEST)
        self._made[names.VOICE_TO_VOICE].observe((record.report.total_ms - thought_ms) / _MS_PER_S, exemplar)
        for span in record.report.spans:
            if not span.is_overlapped:
                self._made[names.TURN_SPAN].labels(span.name).observe(span.duration_ms / _MS_PER_S, exemplar)

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: events.TurnOutcome) -> None:  # noqa: ARG002
        """See `Telemetry`."""
        self._made[names.TURNS].labels(outcome.value).inc()

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """See `Telemetry`. Addresses tell themselves what they do wrong, also when the session never notices."""

    def told(self, agreement: Agreement, event: events.Event) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        count = self._COUNT.get(type(event))
        if count is not None:
            count(self, event)

    def silenced(self, agreement: Agreement, after_ms: int) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        self._made[names.TIME_TO_SILENCE].observe(after_ms / _MS_PER_S, _exemplar())

    def disregarded(self, agreement: Agreement, cause: events.DisregardCause, words: int) -> None:  # noqa: ARG002
        """See `Telemetry`."""
        self._made[names.BARGE_INS].labels(cause.value).inc()
        self._made[names.WORDS_DISREGARDED].labels(cause.value).inc(words)

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:  # noqa: ARG002  of the Protocol
        """See `Telemetry`."""
        self._made[names.BOUNDS_REACHED].labels(bound.value).inc()

    def _on_interrupted(self, event: events.ReplyInterrupted) -> None:
        self._made[names.REPLY_INTERRUPTIONS].labels(event.cause.value).inc()
        if event.cause is events.InterruptCause.USER_SPEECH:
            self._made[names.BARGE_INS].labels(INTERRUPTED).inc()

    def _on_report(self, event: events.TurnReport) -> None:
        for each in event.speculations:
            self._made[names.SPECULATIONS].labels(each.outcome.value).inc()
            self._made[names.SPECULATION_WASTE].inc(each.wasted_tokens)

    _COUNT: ClassVar[dict[type[Any], Callable[["Metrics", Any], None]]] = {
        events.Notice: lambda self, event: self._made[names.NOTICES].labels(event.reason.value).inc(),
        events.ReplyPaused: lambda self, _: self._made[names.REPLY_PAUSES].inc(),
        events.ReplyResumed: lambda self, _: self._made[names.REPLY_RESUMPTIONS].inc(),
        events.ReplyInterrupted: _on_interrupted,
        events.TurnReport: _on_report,
    }

    # --- backends ------------------------------------------------------------------------------------------------

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        self._addresses.of(self._made[names.BACKEND_ERRORS], backend, address).inc()

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """See `BackendWatch`."""
        self._addresses.of(self._made[names.BACKEND_FIRST_OUTPUT], backend, address).observe(after_s, _exemplar())

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """See `BackendWatch`."""
        self._made[names.BACKEND_ODDITIES].labels(backend.value, kind).inc()

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """See `BackendWatch`."""
        states = [each.state for each in status.addresses if not each.is_leaving]
        for state in AddressState:
            self._made[names.BACKEND_ADDRESSES].labels(backend.value, state.value).set(states.count(state))
        for address in self._addresses.seen(backend, status):
            self._made[names.BACKEND_CALLS].remove(backend.value, address)
        for each in status.addresses:
            self._addresses.of(self._made[names.BACKEND_CALLS], backend, each.address).set(each.calls)


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind is MetricKind.HISTOGRAM:
        return Histogram(metric.name, metric.doc, metric.labels, buckets=metric.buckets, registry=registry)
    made = Counter if metric.kind is MetricKind.COUNTER else Gauge
    return made(metric.name, metric.doc, metric.labels, registry=registry)


def _reason(outcome: Ended | GatewayError | None) -> str:
    if outcome is None:
        return VANISHED
    return outcome.cause.value if isinstance(outcome, Ended) else outcome.reason.value


def _exemplar() -> dict[str, str] | None:
    """The trace of who measures; None where it is not sampled: it would lead nowhere."""
    span = get_current_span().get_span_context()
    if not span.trace_flags.sampled:
        return None
    return {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}
