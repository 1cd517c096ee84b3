"""The lines of a session."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from gateway_kit.phone_call import AGREEMENT
from gateway_kit.port_fakes import FakeTelemetry
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import Backend, BackendError, ClientError, GatewayError, InternalError, Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    Event,
    LatencySpan,
    ReplyFinished,
    ReplyKind,
    ReplyOutcome,
    Speculation,
    SpeculationOutcome,
    SpeculationTrigger,
    SpeechEnded,
    SpeechStarted,
    TurnOutcome,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.observability.listeners import SharedTelemetry
from voice_gateway.observability.logs import fields_of
from voice_gateway.observability.telemetry import LogTelemetry
from voice_gateway.session.ports import Bound, Telemetry

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AGREED = replace(
    AGREEMENT, persona=Persona("a private matter", "Sorry."), policy=TurnPolicy(lead_ms=100), client_label="line 4"
)


def record(report: TurnReport | None) -> TurnRecord:
    """A turn that was answered."""
    finished = ReplyFinished(ReplyId(2), TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 44_100)
    return TurnRecord(finished, report, user_chars=11, reply_chars=80, sentences=2, heard_samples=44_000)


def read(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    """Level, event and fields of every line."""
    return [(line.levelname, line.getMessage(), fields_of(line)) for line in caplog.records]


def test_the_first_line_says_who_called(caplog: pytest.LogCaptureFixture) -> None:
    """Which account a call was on can be read: by its proof, or by its address where there is none."""
    caplog.set_level(logging.INFO)
    telemetry: Telemetry = LogTelemetry()
    for caller in (Caller("ada", Proof.JWT, "192.0.2.1"), Caller(address="192.0.2.1")):
        telemetry.session_started(replace(AGREED, caller=caller))
    assert [fields["account"] for _, _, fields in read(caplog)] == ["jwt:ada", "address:192.0.2.1"]


def test_every_line_names_the_trace_of_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    """The lines of a call are found from the caller's trace; a call without one has no empty field."""
    caplog.set_level(logging.INFO)
    telemetry: Telemetry = LogTelemetry()
    traced = replace(AGREED, trace=TraceContext(PARENT, "a=1"))
    for agreement in (traced, AGREED):
        telemetry.session_started(agreement)
        telemetry.turn_ended(agreement, record(None))
        telemetry.trouble(agreement, InternalError("KeyError"))
        telemetry.session_ended(agreement, Ended(EndCause.CLIENT_ENDED), 1_234, 1)
    told = [fields for _, _, fields in read(caplog)]
    assert [fields.get("traceparent") for fields in told] == [PARENT] * 4 + [None] * 4
    assert [fields.get("tracestate") for fields in told] == ["a=1"] + [None] * 7


def test_a_language_that_is_spoken_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads of a session that hears one language and speaks another sees both; else there is one."""
    caplog.set_level(logging.INFO)
    telemetry: Telemetry = LogTelemetry()
    for spoken in ("en-US", "de-DE"):
        telemetry.session_started(replace(AGREED, spoken_language=spoken))
    told = [(fields["language"], fields.get("spoken_language")) for _, _, fields in read(caplog)]
    assert told == [("en-US", None), ("en-US", "de-DE")]


def test_a_turn_is_one_line_with_its_latency(caplog: pytest.LogCaptureFixture) -> None:
    """The canonical line holds everything one asks about a turn, its spans and the label of its call included."""
    caplog.set_level(logging.INFO)
    telemetry: Telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    spans = (LatencySpan("endpointing", 0, 240, "stop_history_ms"), LatencySpan("llm", 200, 100, is_overlapped=True))
    early = (Speculation(SpeculationTrigger.PAUSE, SpeculationOutcome.WON, 0),)
    telemetry.turn_ended(AGREED, record(TurnReport(TurnId(1), ReplyId(2), 340, spans, early)))
    assert read(caplog)[-1] == (
        "INFO",
        "turn",
        {
            "session": "s1",
            "transport": "grpc_v1",
            "client_label": "line 4",
            "turn": 1,
            "reply": 2,
            "kind": "ANSWER",
            "outcome": "COMPLETED",
            "user_chars": 11,
            "reply_chars": 80,
            "sentences": 2,
            "total_samples": 44_100,
            "heard_samples": 44_000,
            "underruns": 0,
            "latency_ms": 340,
            "spans": [
                {
                    "name": "endpointing",
                    "start_ms": 0,
                    "duration_ms": 240,
                    "setting": "stop_history_ms",
                    "is_overlapped": False,
                },
                {"name": "llm", "start_ms": 200, "duration_ms": 100, "setting": "", "is_overlapped": True},
            ],
            "speculations": [{"trigger": "PAUSE", "outcome": "WON", "wasted_tokens": 0}],
        },
    )


def test_a_turn_without_audio_has_no_latency(caplog: pytest.LogCaptureFixture) -> None:
    """A turn that made no sound still has its line."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    telemetry.turn_ended(AGREED, record(None))
    fields = read(caplog)[-1][2]
    assert (fields["latency_ms"], fields["spans"]) == (None, [])


def test_a_caller_who_gave_up_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Who looks for a backend that hangs finds the sessions that suffered from it; other outcomes have their lines."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    for outcome in TurnOutcome:
        telemetry.turn_counted(AGREED, TurnId(7), outcome)
    who = {"session": "s1", "transport": "grpc_v1", "client_label": "line 4"}
    assert read(caplog) == [("WARNING", "turn_abandoned", who | {"turn": 7})]


def test_a_prompt_is_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """What the agent says to a silent user is seen, and is told from what it answers."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    finished = ReplyFinished(ReplyId(2), None, ReplyKind.REPROMPT, ReplyOutcome.COMPLETED, 44_100)
    telemetry.turn_ended(AGREED, replace(record(None), finished=finished))
    prompt = read(caplog)[-1]
    assert (prompt[1], prompt[2]["turn"], prompt[2]["kind"]) == ("prompt", None, "REPROMPT")


def test_a_session_has_a_first_and_a_last_line(caplog: pytest.LogCaptureFixture) -> None:
    """The lines of a call begin with what was negotiated and end with how it went; none holds its words."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    telemetry.turn_ended(AGREED, record(None))
    telemetry.turn_ended(AGREED, record(None))
    telemetry.session_ended(AGREED, Ended(EndCause.CLIENT_HALF_CLOSED), 1_234, 2)
    first, *_, last = read(caplog)
    assert first[1] == "session_started"
    assert first[2]["policy"] == {"lead_ms": 100}
    assert last[1] == "session_ended"
    assert (last[2]["outcome"], last[2]["duration_ms"], last[2]["turns"]) == ("CLIENT_HALF_CLOSED", 1_234, 2)
    assert last[2]["client_label"] == "line 4"
    assert "private" not in caplog.text + str(read(caplog))


@pytest.mark.parametrize(
    ("outcome", "level", "reason"),
    [
        (InternalError(), "ERROR", "INTERNAL"),
        (BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "no address"), "WARNING", "BACKEND_UNAVAILABLE"),
        (ClientError(Reason.AUDIO_OVERLAP, "overlap"), "INFO", "AUDIO_OVERLAP"),
    ],
)
def test_the_level_says_whose_fault_it_was(
    caplog: pytest.LogCaptureFixture, outcome: GatewayError, level: str, reason: str
) -> None:
    """Our faults are errors, a backend's are warnings, a client's wake nobody."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    telemetry.session_ended(AGREED, outcome, 1, 0)
    assert read(caplog)[-1][0] == level
    assert read(caplog)[-1][2]["reason"] == reason


def test_a_client_that_vanished_is_told_from_one_that_left(caplog: pytest.LogCaptureFixture) -> None:
    """A lost connection is not a clean end."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    telemetry.session_ended(AGREED, None, 5, 0)
    assert read(caplog)[-1][2]["outcome"] == "CLIENT_VANISHED"


def test_trouble_names_its_backend(caplog: pytest.LogCaptureFixture) -> None:
    """A failure from which the session went on is seen with whose it was; our own fault is an error."""
    caplog.set_level(logging.INFO)
    telemetry = LogTelemetry()
    telemetry.session_started(AGREED)
    telemetry.trouble(AGREED, BackendError(Backend.TTS, Reason.TTS_TIMEOUT, "no audio for 3000 ms"))
    level, event, fields = read(caplog)[-1]
    assert (level, event) == ("WARNING", "trouble")
    assert (fields["backend"], fields["reason"]) == ("tts", "TTS_TIMEOUT")
    assert (fields["detail"], fields["session"]) == ("no audio for 3000 ms", "s1")
    telemetry.trouble(AGREED, InternalError("KeyError"))
    assert read(caplog)[-1][0] == "ERROR"


def test_a_listener_that_fails_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever watches a call cannot end it: the next is told all the same, and the log has one line of each fault."""

    class Broken(FakeTelemetry):
        def told(self, agreement: Agreement, event: Event) -> None:
            del agreement, event
            raise ValueError("a fault of ours")

        def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
            del agreement, bound
            raise KeyError("another")

    last = FakeTelemetry()
    telemetry: Telemetry = SharedTelemetry(Broken(), last)
    events: list[Event] = [SpeechStarted(0), SpeechEnded(8_000)]
    for event in events:
        telemetry.told(AGREED, event)
    telemetry.bound_reached(AGREED, Bound.REPORTS)
    assert (last.events, last.bounds) == (events, [Bound.REPORTS])
    assert [line.exc_info and line.exc_info[0] for line in caplog.records] == [ValueError, KeyError]
    assert read(caplog) == [("ERROR", "listener_failed", {"listener": "Broken"})] * 2
