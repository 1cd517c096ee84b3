"""What a client is told over voicegateway.v1, without a socket."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transports.transport_fakes import AGREEMENT, VERSION, audio, text
from transports.v1_messages import ALAW, LINEAR, MULAW, opened, response, start
from voice_gateway.domain import events
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ, Encoding
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.transcript import Word
from voice_gateway.session.ports import Language
from voice_gateway.transports import g711
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_v1.encoding import capabilities
from voicegateway.v1 import audio_pb2, error_pb2, server_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseResponse, GetCapabilitiesResponse


def test_greeting_tells_what_was_negotiated() -> None:
    """A client knows from the first message what it sends, gets and may do."""
    codec = Codec(VERSION)
    codec.start(start(audio_in={"encoding": MULAW}, audio_out={"encoding": ALAW}))
    started = response(codec.opened(AGREEMENT)).started
    assert (started.session_id, started.language_code, started.voice, started.server_version) == (
        "s7",
        "en-US",
        "alba",
        VERSION,
    )
    assert (started.audio_in.encoding, started.audio_in.sample_rate_hz) == (MULAW, 16_000)
    assert (started.audio_out.encoding, started.audio_out.sample_rate_hz) == (ALAW, 22_050)
    assert started.limits == server_pb2.Limits(
        max_message_bytes=1_048_576, max_ahead_ms=5_000, max_text_chars=4_000, preferred_frame_ms=40
    )


def test_greeting_has_every_policy_field() -> None:
    """A client need not know any default: those in force come from the session, the others from the contract."""
    policy = response(opened().opened(AGREEMENT)).started.policy
    assert [spec.name for spec in policy.DESCRIPTOR.fields if not policy.HasField(spec.name)] == []
    assert (policy.stop_history_ms, policy.lead_ms, policy.min_words) == (480, 200, 2)


def test_the_policy_has_the_defaults_of_the_contract() -> None:
    """Every field is told with the default that policy.proto gives, so that the two cannot drift apart."""
    policy = response(opened().opened(AGREEMENT)).started.policy
    told = {spec.name: value for spec, value in policy.ListFields()}
    assert told == {
        "vad_onset_ms": 96,
        "stop_history_eou_ms": 240,
        "stop_history_ms": 480,
        "pause_ms": 160,
        "unfinished_hold_ms": 1_200,
        "vad_end_ms": 900,
        "final_grace_ms": 500,
        "max_turn_ms": 60_000,
        "input_stall_ms": 500,
        "min_speech_ms": 400,
        "min_words": 2,
        "backchannel_ms": 600,
        "contested_timeout_ms": 1_500,
        "protected_opening_ms": 0,
        "lead_ms": 200,
        "client_buffer_ms": 100,
        "playback_settle_ms": 250,
        "stall_ms": 5_000,
        "no_input_ms": 0,
        "speculation": True,
        "max_speculations": 3,
        "auto_reply": True,
        "interrupts": True,
        "detect_turns": True,
    }


SPAN = events.LatencySpan("endpointing", 0, 480, "stop_history_ms")
FINISHED = events.ReplyFinished(ReplyId(2), TurnId(1), events.ReplyKind.APOLOGY, events.ReplyOutcome.FAILED, 99)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (events.SpeechStarted(3), {"speech_started": server_pb2.SpeechStarted(at_samples=3)}),
        (events.SpeechEnded(4), {"speech_ended": server_pb2.SpeechEnded(at_samples=4)}),
        (
            events.Transcript(TurnId(1), "two words", True, 0.5, (Word("two", 1, 2, 0.25), Word("words", 2, 3))),
            {
                "transcript": server_pb2.Transcript(
                    turn_id="s7-t1",
                    text="two words",
                    is_final=True,
                    stability=0.5,
                    words=[
                        audio_pb2.Word(text="two", start_samples=1, end_samples=2, confidence=0.25),
                        audio_pb2.Word(text="words", start_samples=2, end_samples=3),
                    ],
                )
            },
        ),
        (
            text(2, 3, "Hm. ", turn=1),
            {
                "reply_text": server_pb2.ReplyText(
                    reply_id="s7-r2",
                    turn_id="s7-t1",
                    kind=server_pb2.REPLY_KIND_ANSWER,
                    sentence_id=3,
                    text="Hm. ",
                )
            },
        ),
        (
            events.ReplyInterrupted(ReplyId(2), events.InterruptCause.USER_SPEECH),
            {
                "reply_interrupted": server_pb2.ReplyInterrupted(
                    reply_id="s7-r2", reason=server_pb2.INTERRUPT_REASON_USER_SPEECH
                )
            },
        ),
        (
            events.ReplyHeard(ReplyId(2), 55, "Hm.", is_estimate=True),
            {
                "reply_heard": server_pb2.ReplyHeard(
                    reply_id="s7-r2", heard_samples=55, heard_text="Hm.", is_estimate=True
                )
            },
        ),
        (
            FINISHED,
            {
                "reply_finished": server_pb2.ReplyFinished(
                    reply_id="s7-r2",
                    turn_id="s7-t1",
                    kind=server_pb2.REPLY_KIND_APOLOGY,
                    outcome=server_pb2.REPLY_OUTCOME_FAILED,
                    total_samples=99,
                )
            },
        ),
        (
            events.TurnReport(TurnId(1), ReplyId(2), 600, (SPAN,)),
            {
                "turn_report": server_pb2.TurnReport(
                    turn_id="s7-t1",
                    reply_id="s7-r2",
                    total_ms=600,
                    spans=[
                        server_pb2.LatencySpan(
                            name="endpointing", start_ms=0, duration_ms=480, setting="stop_history_ms"
                        )
                    ],
                )
            },
        ),
        (
            events.Notice(Reason.LLM_TIMEOUT, "slow", Backend.LLM, TurnId(1)),
            {
                "notice": server_pb2.Notice(
                    reason=error_pb2.ERROR_REASON_LLM_TIMEOUT, message="slow", backend="llm", turn_id="s7-t1"
                )
            },
        ),
        (
            events.Notice(Reason.PLAYBACK_IMPLAUSIBLE, "odd"),
            {"notice": server_pb2.Notice(reason=error_pb2.ERROR_REASON_PLAYBACK_IMPLAUSIBLE, message="odd")},
        ),
        (
            events.GoingAway(30_000),
            {"going_away": server_pb2.GoingAway(deadline_ms=30_000, reason=error_pb2.ERROR_REASON_DRAINING)},
        ),
        (
            events.Ended(events.EndCause.CLIENT_HALF_CLOSED),
            {"ended": server_pb2.Ended(reason=server_pb2.END_REASON_CLIENT_HALF_CLOSED)},
        ),
        (
            events.Ended(events.EndCause.NO_INPUT),
            {"ended": server_pb2.Ended(reason=server_pb2.END_REASON_NO_INPUT)},
        ),
        (
            events.ReplyText(ReplyId(2), None, events.ReplyKind.REPROMPT, SentenceId(1), "Hello?"),
            {
                "reply_text": server_pb2.ReplyText(
                    reply_id="s7-r2", turn_id="", kind=server_pb2.REPLY_KIND_REPROMPT, sentence_id=1, text="Hello?"
                )
            },
        ),
        (
            events.ReplyFinished(ReplyId(2), None, events.ReplyKind.REPROMPT, events.ReplyOutcome.COMPLETED, 5),
            {
                "reply_finished": server_pb2.ReplyFinished(
                    reply_id="s7-r2",
                    kind=server_pb2.REPLY_KIND_REPROMPT,
                    outcome=server_pb2.REPLY_OUTCOME_COMPLETED,
                    total_samples=5,
                )
            },
        ),
        (
            replace(FINISHED, kind=events.ReplyKind.ANSWER, outcome=events.ReplyOutcome.COMPLETED, goes_on=True),
            {
                "reply_finished": server_pb2.ReplyFinished(
                    reply_id="s7-r2",
                    turn_id="s7-t1",
                    kind=server_pb2.REPLY_KIND_ANSWER,
                    outcome=server_pb2.REPLY_OUTCOME_COMPLETED,
                    total_samples=99,
                    goes_on=True,
                )
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_events_on_the_wire(event: events.Event, told: Any) -> None:
    """Each event becomes the message that the contract has for it, every field in its place."""
    assert response(opened().encode_event(event)) == ConverseResponse(**told)


@given(st.binary(max_size=100).map(lambda data: data + data), st.integers(0, 2**62), st.booleans())
def test_linear_audio_on_the_wire(pcm: bytes, offset: int, is_last: bool) -> None:  # noqa: FBT001  given by position
    """Reply audio goes out as it is, with its name and position."""
    told = response(opened().encode_audio(audio(2, 3, pcm, offset, is_last=is_last))).reply_audio
    assert told == server_pb2.ReplyAudio(
        reply_id="s7-r2", sentence_id=3, offset_samples=offset, data=pcm, is_last=is_last
    )


@pytest.mark.parametrize(("wire", "encoding"), [(MULAW, Encoding.MULAW), (ALAW, Encoding.ALAW)])
def test_telephone_audio_on_the_wire(wire: int, encoding: Encoding) -> None:
    """A client that asked for G.711 gets G.711."""
    codec = opened(audio_out={"encoding": wire})
    pcm = bytes(range(200))
    assert response(codec.encode_audio(audio(1, pcm=pcm))).reply_audio.data == g711.encode(pcm, encoding)


def test_capabilities_tell_what_is_there() -> None:
    """What a client may ask for stands in one answer."""
    told = GetCapabilitiesResponse.FromString(capabilities([Language("en-US", ("alba",)), Language("de", ())], "9.9"))
    assert told.server_version == "9.9"
    assert [(each.language_code, list(each.voices)) for each in told.languages] == [("en-US", ["alba"]), ("de", [])]
    assert list(told.encodings) == [LINEAR, MULAW, ALAW]
    assert (*told.input_sample_rates_hz,) == INPUT_RATES_HZ
    assert (*told.output_sample_rates_hz,) == OUTPUT_RATES_HZ
    assert told.limits.preferred_frame_ms == 40
    assert list(told.features) == [
        "barge_in",
        "commit",
        "dtmf",
        "reply_request",
        "speculation",
        "text_replies",
        "tools",
        "update",
    ]
