"""What is counted of sessions, turns, failures and the event loop."""

import pytest
from gateway_kit.phone_call import AGREEMENT
from prometheus_client import generate_latest
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    GatewayError,
    InternalError,
    Limit,
    Reason,
    Refused,
    Unavailable,
)
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    LatencySpan,
    ReplyFinished,
    ReplyKind,
    ReplyOutcome,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.observability.metric_names import METRICS, MetricKind
from voice_gateway.observability.metrics import MAX_ADDRESSES, Metrics
from voice_gateway.observability.telemetry import SharedTelemetry
from voice_gateway.session.ports import AdmissionWatch, BackendWatch, Telemetry


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample as Prometheus reads it."""
    return metrics.registry.get_sample_value(name, labels)


def record(report: TurnReport | None) -> TurnRecord:
    """A turn that was answered."""
    finished = ReplyFinished(ReplyId(2), TurnId(1), ReplyKind.ANSWER, ReplyOutcome.INTERRUPTED, 44_100)
    return TurnRecord(finished, report, user_chars=11, reply_chars=80, sentences=2, heard_samples=44_000)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Ended(EndCause.CLIENT_ENDED), "CLIENT_ENDED"),
        (None, "CLIENT_VANISHED"),
        (InternalError(), "INTERNAL"),
        (BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "none"), "BACKEND_UNAVAILABLE"),
    ],
)
def test_a_session_is_counted_in_and_out(outcome: Ended | GatewayError | None, reason: str) -> None:
    """What scales the pods goes up and down with the sessions, and each end has its reason."""
    metrics = Metrics()
    telemetry: Telemetry = metrics
    telemetry.session_started(AGREEMENT)
    assert value(metrics, "voicegateway_sessions_in_progress") == 1
    assert value(metrics, "voicegateway_sessions_started_total", transport="grpc_v1") == 1
    telemetry.session_ended(AGREEMENT, outcome, 5, 1)
    assert value(metrics, "voicegateway_sessions_in_progress") == 0
    assert value(metrics, "voicegateway_sessions_ended_total", transport="grpc_v1", reason=reason) == 1


class Occupied:
    """A process of which this is known."""

    sessions = 7
    capacity = 50
    fullness = 0.25


def test_what_scales_the_pods_is_told_as_it_is_when_asked() -> None:
    """A scaler reads the fullness of this moment, and the capacity that it is a share of."""
    metrics, occupied = Metrics(), Occupied()
    metrics.watch_admission(occupied)
    assert value(metrics, "voicegateway_sessions_capacity") == 50
    assert value(metrics, "voicegateway_fullness_ratio") == 0.25
    occupied.fullness = 1.0
    assert value(metrics, "voicegateway_fullness_ratio") == 1


def test_refusals_are_counted_by_reason_and_limit() -> None:
    """Full by sessions and by CPU are told apart, and so is what no limit refused."""
    metrics = Metrics()
    watch: AdmissionWatch = metrics
    for limit in (Limit.SESSIONS, Limit.SESSIONS, Limit.CPU):
        watch.session_refused(Refused(Reason.AT_CAPACITY, limit, "full", 1))
    watch.session_refused(Unavailable(Reason.DRAINING, "leaving"))
    name = "voicegateway_sessions_refused_total"
    assert value(metrics, name, reason="AT_CAPACITY", limit="sessions") == 2
    assert value(metrics, name, reason="AT_CAPACITY", limit="cpu") == 1
    assert value(metrics, name, reason="DRAINING", limit="") == 1


def test_the_time_until_a_client_asks_is_not_voice_to_voice() -> None:
    """A client that thinks for a minute before it asks for the reply raises no alert on the server's latency."""
    metrics = Metrics()
    spans = (LatencySpan("reply_request", 0, 60_000), LatencySpan("tts_first_audio", 60_000, 500))
    metrics.turn_ended(AGREEMENT, record(TurnReport(TurnId(1), ReplyId(2), 60_500, spans)))
    assert value(metrics, "voicegateway_voice_to_voice_seconds_sum") == 0.5
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="reply_request") == 60


def test_a_turn_is_timed_in_spans_that_add_up() -> None:
    """The spans sum up to voice to voice: what was done beside them is left out, and all is in seconds."""
    metrics = Metrics()
    spans = (LatencySpan("endpointing", 0, 240), LatencySpan("llm", 100, 90, "", is_overlapped=True))
    tiled = (*spans, LatencySpan("tts_first_audio", 240, 100))
    metrics.turn_ended(AGREEMENT, record(TurnReport(TurnId(1), ReplyId(2), 340, tiled)))
    metrics.turn_ended(AGREEMENT, record(None))
    assert value(metrics, "voicegateway_turns_total", kind="ANSWER", outcome="INTERRUPTED") == 2
    assert value(metrics, "voicegateway_voice_to_voice_seconds_sum") == 0.34
    assert value(metrics, "voicegateway_voice_to_voice_seconds_count") == 1
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="endpointing") == 0.24
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="tts_first_audio") == 0.1
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="llm") is None


def address(name: str, state: AddressState = AddressState.HEALTHY, *, is_leaving: bool = False) -> AddressStatus:
    """One address."""
    return AddressStatus(name, name, state, 0, is_leaving, 5_000, "", None)


def test_failures_are_counted_by_address() -> None:
    """Addresses tell of themselves, and series are there before the first failure; a session's trouble is no second."""
    metrics = Metrics()
    watch: BackendWatch = metrics
    name = "voicegateway_backend_errors_total"
    watch.backend_seen(Backend.ASR, BackendStatus((address("a:1"), address("a:2")), ()))
    assert value(metrics, name, backend="asr", address="a:2") == 0
    watch.backend_failed(Backend.ASR, "a:2")
    metrics.trouble(AGREEMENT, BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "told by its address already"))
    assert value(metrics, name, backend="asr", address="a:2") == 1
    assert value(metrics, name, backend="asr", address="a:1") == 0


def test_what_is_skipped_is_counted_by_kind() -> None:
    """The log says a kind once in the life of the process; how often it comes is seen here."""
    metrics = Metrics()
    watch: BackendWatch = metrics
    for kind in ("no_choices", "choice", "no_choices"):
        watch.backend_skipped(Backend.LLM, kind)
    name = "voicegateway_backend_oddities_total"
    assert [value(metrics, name, backend="llm", kind=kind) for kind in ("no_choices", "choice")] == [2, 1]


def test_addresses_are_counted_by_state() -> None:
    """The person on call sees how many addresses serve; those that leave serve nobody new."""
    metrics = Metrics()
    known = (address("a:1"), address("a:2", AddressState.EJECTED), address("a:3"), address("a:4", is_leaving=True))
    metrics.backend_seen(Backend.ASR, BackendStatus(known, ()))
    metrics.backend_seen(Backend.TTS, BackendStatus((), ()))

    def count(backend: str, state: str) -> float | None:
        return value(metrics, "voicegateway_backend_addresses", backend=backend, state=state)

    assert [count("asr", state) for state in ("healthy", "ejected", "new")] == [2, 1, 0]
    assert count("tts", "healthy") == 0


def test_series_of_addresses_that_are_gone_are_bounded() -> None:
    """Months of rollouts do not fill the memory, and what failed just before it went can still be seen."""
    metrics = Metrics()
    name = "voicegateway_backend_errors_total"
    for number in range(MAX_ADDRESSES + 10):
        metrics.backend_failed(Backend.ASR, f"a:{number}")
        metrics.backend_seen(Backend.ASR, BackendStatus((address("a:0"),), ()))
    assert value(metrics, name, backend="asr", address="a:0") == 1
    assert value(metrics, name, backend="asr", address="a:1") is None
    assert value(metrics, name, backend="asr", address=f"a:{MAX_ADDRESSES}") == 1


def test_what_is_listed_keeps_its_count() -> None:
    """More addresses than are remembered, over two backends together: none of those in use begins anew."""
    metrics = Metrics()
    of_asr = tuple(address(f"a:{number}") for number in range(MAX_ADDRESSES))
    metrics.backend_failed(Backend.ASR, "a:0")
    for _ in range(2):
        metrics.backend_seen(Backend.ASR, BackendStatus(of_asr, ()))
        metrics.backend_seen(Backend.LLM, BackendStatus((address("b:0"), address("b:1")), ()))
    assert value(metrics, "voicegateway_backend_errors_total", backend="asr", address="a:0") == 1


def test_everything_declared_is_served_and_nothing_else() -> None:
    """The reference page, the alerts and the port speak of the same metrics, with their help."""
    exposed = generate_latest(Metrics().registry).decode()
    served = {line.split()[2] for line in exposed.splitlines() if line.startswith("# TYPE")}
    assert served == {metric.name for metric in METRICS}
    for metric in METRICS:
        assert f"# HELP {metric.name} {metric.doc}" in exposed
        assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)


def test_telemetry_is_told_to_everybody() -> None:
    """The log and the metrics hear of the same things."""
    one, other = Metrics(), Metrics()
    shared: Telemetry = SharedTelemetry(one, other)
    shared.session_started(AGREEMENT)
    shared.turn_ended(AGREEMENT, record(None))
    shared.trouble(AGREEMENT, BackendError(Backend.LLM, Reason.LLM_FAILED, "no"))
    shared.session_ended(AGREEMENT, None, 5, 1)
    assert generate_latest(one.registry) == generate_latest(other.registry)
    assert value(other, "voicegateway_turns_total", kind="ANSWER", outcome="INTERRUPTED") == 1
    assert value(other, "voicegateway_sessions_in_progress") == 0


def test_lag_is_counted_in_seconds() -> None:
    """The event loop's lag lands in the bucket of its seconds."""
    metrics = Metrics()
    metrics.loop_lagged(0.004)
    assert value(metrics, "voicegateway_loop_lag_seconds_sum") == 0.004
    assert value(metrics, "voicegateway_loop_lag_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "voicegateway_loop_lag_seconds_bucket", le="0.005") == 1
