"""What is counted of sessions, turns, failures and the event loop."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import AGREEMENT
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    GatewayError,
    InternalError,
    Limit,
    Reason,
    Refused,
    Unavailable,
)
from voice_gateway.domain.events import (
    DisregardCause,
    EndCause,
    Ended,
    InterruptCause,
    LatencySpan,
    Notice,
    ReplyFinished,
    ReplyInterrupted,
    ReplyKind,
    ReplyOutcome,
    ReplyPaused,
    ReplyResumed,
    Speculation,
    SpeculationOutcome,
    SpeculationTrigger,
    Transcript,
    TurnOutcome,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, SessionId, TurnId
from voice_gateway.observability.address_series import MAX_ADDRESSES
from voice_gateway.observability.listeners import SharedTelemetry
from voice_gateway.observability.metric_names import METRICS, OF_WORKERS, MetricKind
from voice_gateway.observability.metrics import Metrics
from voice_gateway.session.ports import AdmissionWatch, BackendWatch, Bound, Telemetry


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
    assert value(metrics, "voicegateway_replies_total", kind="ANSWER", outcome="INTERRUPTED") == 2
    assert value(metrics, "voicegateway_voice_to_voice_seconds_sum") == 0.34
    assert value(metrics, "voicegateway_voice_to_voice_seconds_count") == 1
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="endpointing") == 0.24
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="tts_first_audio") == 0.1
    assert value(metrics, "voicegateway_turn_span_seconds_sum", span="llm") is None


def test_a_turn_with_tools_is_one_reply() -> None:
    """What only called a tool is no answer: it would be a good reply beside the failed one that it belongs to."""
    metrics, called = Metrics(), record(None)
    metrics.turn_ended(AGREEMENT, replace(called, finished=replace(called.finished, goes_on=True)))
    assert value(metrics, "voicegateway_replies_total", kind="ANSWER", outcome="INTERRUPTED") == 0
    metrics.turn_ended(AGREEMENT, called)
    assert value(metrics, "voicegateway_replies_total", kind="ANSWER", outcome="INTERRUPTED") == 1


def test_a_turn_is_counted_by_what_became_of_it() -> None:
    """Turns are apart from replies: one that was taken back has a reply that was interrupted, and is no turn."""
    metrics = Metrics()
    for outcome in (TurnOutcome.ABANDONED, TurnOutcome.TAKEN_BACK, TurnOutcome.ABANDONED):
        metrics.turn_counted(AGREEMENT, TurnId(1), outcome)
    assert value(metrics, "voicegateway_turns_total", outcome="ABANDONED") == 2
    assert value(metrics, "voicegateway_turns_total", outcome="TAKEN_BACK") == 1
    assert value(metrics, "voicegateway_turns_total", outcome="ANSWERED") == 0


def test_the_first_turn_without_an_answer_is_seen_to_rise() -> None:
    """Prometheus counts no rise from nothing: without its 0 the first failure of a pod would be part of no alert."""
    metrics = Metrics()
    for outcome in TurnOutcome:
        assert value(metrics, "voicegateway_turns_total", outcome=outcome) == 0
    assert value(metrics, "voicegateway_replies_total", kind="APOLOGY", outcome="COMPLETED") == 0


def test_the_first_caller_who_is_refused_is_seen_to_rise() -> None:
    """Each refusal that raises an alert has its 0 from the start, by every limit that it may come of."""
    metrics = Metrics()
    name = "voicegateway_sessions_refused_total"
    limits = ("sessions", "cpu", "added_latency", "unstarted")
    assert [value(metrics, name, reason="AT_CAPACITY", limit=limit) for limit in limits] == [0, 0, 0, 0]
    assert value(metrics, name, reason="BACKEND_UNAVAILABLE", limit="") == 0
    assert value(metrics, name, reason="INTERNAL", limit="") == 0
    assert value(metrics, name, reason="TOKEN_INVALID", limit="") is None


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
    metrics = Metrics()
    metrics.watch_certificate(lambda: 1.0)
    exposed = generate_latest(metrics.registry).decode()
    served = {line.split()[2] for line in exposed.splitlines() if line.startswith("# TYPE")}
    of_process = {name for name in served if name.startswith("process_")}
    own = [metric for metric in METRICS if metric not in OF_WORKERS]
    assert served - of_process == {metric.name for metric in own}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= of_process
    for metric in own:
        assert f"# HELP {metric.name} {metric.doc}" in exposed
        assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)


def test_telemetry_is_told_to_everybody() -> None:
    """The log and the metrics hear of the same things."""
    one, other = Metrics(), Metrics()
    shared: Telemetry = SharedTelemetry(one, other)
    shared.session_started(AGREEMENT)
    shared.turn_ended(AGREEMENT, record(None))
    shared.turn_counted(AGREEMENT, TurnId(1), TurnOutcome.INTERRUPTED)
    shared.trouble(AGREEMENT, BackendError(Backend.LLM, Reason.LLM_FAILED, "no"))
    shared.told(AGREEMENT, ReplyPaused(ReplyId(1)))
    shared.silenced(AGREEMENT, 100)
    shared.disregarded(AGREEMENT, DisregardCause.NOISE, 1)
    shared.bound_reached(AGREEMENT, Bound.INPUT)
    shared.session_ended(AGREEMENT, None, 5, 1)
    ours = [
        [line for line in generate_latest(each.registry).decode().splitlines() if "voicegateway" in line]
        for each in (one, other)
    ]
    assert ours[0] == ours[1]
    assert value(one, "voicegateway_barge_ins_total", outcome="NOISE") == 1
    assert value(one, "voicegateway_bounds_reached_total", bound="input") == 1
    assert value(other, "voicegateway_replies_total", kind="ANSWER", outcome="INTERRUPTED") == 1
    assert value(other, "voicegateway_turns_total", outcome="INTERRUPTED") == 1
    assert value(other, "voicegateway_sessions_in_progress") == 0


def test_lag_is_counted_in_seconds() -> None:
    """The event loop's lag lands in the bucket of its seconds."""
    metrics = Metrics()
    metrics.loop_lagged(0.004)
    assert value(metrics, "voicegateway_loop_lag_seconds_sum") == 0.004
    assert value(metrics, "voicegateway_loop_lag_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "voicegateway_loop_lag_seconds_bucket", le="0.005") == 1


def test_every_series_of_a_closed_set_is_there_from_the_start() -> None:
    """A rate needs a beginning: the first echo, notice or dropped span of a process is seen to rise."""
    metrics = Metrics()
    for cause in DisregardCause:
        assert value(metrics, "voicegateway_words_disregarded_total", cause=cause) == 0
        assert value(metrics, "voicegateway_barge_ins_total", outcome=cause) == 0
    assert value(metrics, "voicegateway_barge_ins_total", outcome="INTERRUPTED") == 0
    assert value(metrics, "voicegateway_notices_total", reason="TTS_FAILED") == 0
    assert value(metrics, "voicegateway_bounds_reached_total", bound="inbox") == 0


def test_what_is_said_over_the_agent_is_counted_by_what_became_of_it() -> None:
    """An interruption by the user is a barge-in, by the client none; echo and backchannels are, with their words."""
    metrics = Metrics()
    telemetry: Telemetry = metrics
    telemetry.told(AGREEMENT, ReplyPaused(ReplyId(1)))
    telemetry.told(AGREEMENT, ReplyInterrupted(ReplyId(1), InterruptCause.USER_SPEECH))
    telemetry.told(AGREEMENT, ReplyInterrupted(ReplyId(2), InterruptCause.CLIENT))
    telemetry.told(AGREEMENT, ReplyPaused(ReplyId(3)))
    telemetry.told(AGREEMENT, ReplyResumed(ReplyId(3), 100))
    telemetry.disregarded(AGREEMENT, DisregardCause.ECHO, 4)
    telemetry.silenced(AGREEMENT, 130)
    counted = {
        outcome: value(metrics, "voicegateway_barge_ins_total", outcome=outcome)
        for outcome in ("INTERRUPTED", "ECHO", "BACKCHANNEL", "NOISE")
    }
    assert counted == {"INTERRUPTED": 1, "ECHO": 1, "BACKCHANNEL": 0, "NOISE": 0}
    assert value(metrics, "voicegateway_words_disregarded_total", cause="ECHO") == 4
    assert value(metrics, "voicegateway_reply_interruptions_total", cause="CLIENT") == 1
    assert value(metrics, "voicegateway_reply_pauses_total") == 2
    assert value(metrics, "voicegateway_reply_resumptions_total") == 1
    assert value(metrics, "voicegateway_time_to_silence_seconds_sum") == 0.13


def test_speculations_are_counted_by_how_they_ended() -> None:
    """What is won and what is wasted, of the turns that were answered."""
    metrics = Metrics()
    pause = SpeculationTrigger.PAUSE
    early = (
        Speculation(pause, SpeculationOutcome.LOST_MORE_WORDS, 7),
        Speculation(pause, SpeculationOutcome.LOST_CONTEXT, 2),
        Speculation(pause, SpeculationOutcome.WON, 0),
    )
    metrics.told(AGREEMENT, TurnReport(TurnId(1), ReplyId(3), 400, (), early))
    name = "voicegateway_speculations_total"
    assert [value(metrics, name, outcome=each.outcome) for each in early] == [1, 1, 1]
    assert value(metrics, "voicegateway_speculation_wasted_tokens_total") == 9


def test_underruns_notices_and_bounds_are_counted() -> None:
    """What callers hear, what they are told, and what was full."""
    metrics = Metrics()
    metrics.turn_ended(AGREEMENT, replace(record(None), underruns=3, retakes=2))
    metrics.told(AGREEMENT, Notice(Reason.TTS_FAILED, "no"))
    metrics.bound_reached(AGREEMENT, Bound.SYNTHESIS)
    assert value(metrics, "voicegateway_underruns_total") == 3
    assert value(metrics, "voicegateway_retakes_total") == 2
    assert value(metrics, "voicegateway_notices_total", reason="TTS_FAILED") == 1
    assert value(metrics, "voicegateway_bounds_reached_total", bound="synthesis") == 1


def test_the_audio_clock_is_watched() -> None:
    """Late ticks are counted, and the lead of each speaking agent lands in its bucket; so does a batch of voices."""
    metrics = Metrics()
    metrics.second_passed(2, [180, 10], tasks=31)
    assert value(metrics, "voicegateway_tasks") == 31
    metrics.voices_judged(0.0007)
    assert value(metrics, "voicegateway_late_ticks_total") == 2
    assert value(metrics, "voicegateway_playout_lead_seconds_bucket", le="0.02") == 1
    assert value(metrics, "voicegateway_playout_lead_seconds_count") == 2
    assert value(metrics, "voicegateway_voice_batch_seconds_bucket", le="0.001") == 1


def test_addresses_have_their_calls_and_first_outputs() -> None:
    """A slow replica is seen by its name; one that has left has no calls any more, and no number that stands still."""
    metrics = Metrics()
    watch: BackendWatch = metrics
    watch.backend_seen(Backend.LLM, BackendStatus((replace(address("a:1"), calls=3), address("a:2")), ()))
    watch.backend_began(Backend.LLM, "a:1", 0.25)
    calls, first = "voicegateway_backend_calls_in_progress", "voicegateway_backend_first_output_seconds_sum"
    assert value(metrics, calls, backend="llm", address="a:1") == 3
    assert value(metrics, first, backend="llm", address="a:1") == 0.25
    watch.backend_seen(Backend.LLM, BackendStatus((address("a:2"),), ()))
    assert value(metrics, calls, backend="llm", address="a:1") is None
    assert value(metrics, first, backend="llm", address="a:1") == 0.25


def test_a_scrape_after_ten_thousand_sessions_is_as_long_as_one_after_a_hundred() -> None:
    """No session, label, caller, address of long ago or word is a series: what is kept is bounded by closed sets."""
    metrics = Metrics()
    sizes = []
    for number in range(10_000):
        agreed = replace(AGREEMENT, session_id=SessionId(f"secret{number}"), client_label=f"secret{number}")
        backend, reason = [*Backend][number % 3], [*Reason][number % len(Reason)]
        metrics.session_started(agreed)
        metrics.told(agreed, Notice(reason, f"secret{number}"))
        metrics.told(agreed, Transcript(TurnId(number), f"secret{number}", is_final=True))
        metrics.turn_ended(agreed, record(TurnReport(TurnId(1), ReplyId(2), number, (LatencySpan("hold", 0, 1),))))
        metrics.disregarded(agreed, [*DisregardCause][number % 3], 1)
        metrics.backend_seen(backend, BackendStatus((address(f"10.0.{number // 250}.{number % 250}:1"),), ()))
        metrics.backend_began(backend, f"10.0.{number // 250}.{number % 250}:1", 0.1)
        metrics.session_refused(Unavailable(reason, f"secret{number}"))
        metrics.session_ended(agreed, ClientError(reason, f"secret{number}"), 1, 1)
        if number in (2_000, 9_999):
            page = generate_latest(metrics.registry).decode()
            assert "secret" not in page
            sizes.append(len(page.splitlines()))
    assert sizes[0] == sizes[1]


def test_measurements_name_the_trace_that_they_were_made_in() -> None:
    """From a slow bucket to a turn that was slow; only where that is sampled, and only in the format that has room."""
    metrics = Metrics()
    for flags in (0, 1):
        trace_id = 0x4BF92F3577B34DA6A3CE929D0E0E4736
        context = SpanContext(trace_id, flags + 1, is_remote=False, trace_flags=TraceFlags(flags))
        with use_span(NonRecordingSpan(context)):
            metrics.turn_ended(AGREEMENT, record(TurnReport(TurnId(1), ReplyId(2), 340, ())))
    page = openmetrics.generate_latest(metrics.registry).decode()  # type: ignore[no-untyped-call]
    (told,) = [line for line in page.splitlines() if "trace_id" in line]
    assert told.startswith('voicegateway_voice_to_voice_seconds_bucket{le="0.4"} 2.0 # {')
    assert 'trace_id="4bf92f3577b34da6a3ce929d0e0e4736"' in told
    assert 'span_id="0000000000000002"' in told
    assert "trace_id" not in generate_latest(metrics.registry).decode()
