"""voicegateway.v1 in and out, without a socket."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transports.transport_fakes import INFO, VERSION, audio, text
from voice_gateway.domain import events
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ, AudioFormat, Encoding
from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import Backend, ClientError, Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, TurnId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.transcript import Word
from voice_gateway.session.ports import Language, SessionRequest, SessionUpdate
from voice_gateway.transports import g711, inputs
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_v1.encoding import capabilities
from voicegateway.v1 import audio_pb2, client_pb2, error_pb2, policy_pb2, server_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseRequest, ConverseResponse, GetCapabilitiesResponse

LINEAR = audio_pb2.AUDIO_ENCODING_LINEAR_PCM
MULAW = audio_pb2.AUDIO_ENCODING_MULAW
ALAW = audio_pb2.AUDIO_ENCODING_ALAW


def raw(**payload: Any) -> bytes:
    """A request on the wire."""
    return ConverseRequest(**payload).SerializeToString()


def start(**fields: Any) -> bytes:
    """A start on the wire."""
    return raw(start=client_pb2.Start(**fields))


def sound(data: bytes, offset: int = 0) -> bytes:
    """Audio on the wire."""
    return raw(audio=client_pb2.AudioInput(data=data, offset_samples=offset))


def opened(**fields: Any) -> Codec:
    """A codec whose session is open."""
    codec = Codec(VERSION)
    codec.start(start(**fields))
    codec.opened(INFO)
    return codec


def response(messages: Any) -> ConverseResponse:
    """The one message that an event or a greeting makes."""
    (only,) = messages
    return ConverseResponse.FromString(only)


def refusal(codec: Codec, message: bytes) -> Reason:
    """Why a later message is refused."""
    with pytest.raises(ClientError) as caught:
        codec.receive(message)
    return caught.value.reason


def start_refusal(message: bytes | None) -> Reason:
    """Why a first message is refused."""
    with pytest.raises(ClientError) as caught:
        Codec(VERSION).start(message)
    return caught.value.reason


# --- start ---


def test_start_without_wishes_asks_for_the_defaults() -> None:
    """An empty start is a whole one."""
    codec = Codec(VERSION)
    assert codec.start(start()) == SessionRequest(transport="grpc_v1", input_rate_hz=16_000)
    assert codec.audio_in == AudioFormat(Encoding.LINEAR_PCM, 16_000)


def test_start_with_every_wish() -> None:
    """Each field of a start reaches the session."""
    codec = Codec(VERSION)
    request = codec.start(
        start(
            audio_in=audio_pb2.AudioFormat(encoding=MULAW, sample_rate_hz=8_000),
            audio_out=audio_pb2.AudioFormat(encoding=ALAW, sample_rate_hz=24_000),
            language_code="de-DE",
            voice="anna",
            system_prompt="Be brief.\n\tAlways.",
            policy=policy_pb2.TurnPolicy(lead_ms=300, client_buffer_ms=0),
        )
    )
    assert request == SessionRequest(
        transport="grpc_v1",
        input_rate_hz=8_000,
        output_rate_hz=24_000,
        language_code="de-DE",
        voice="anna",
        system_prompt="Be brief.\n\tAlways.",
        policy={"lead_ms": 300, "client_buffer_ms": 0},
    )
    assert codec.audio_in == AudioFormat(Encoding.MULAW, 8_000)


def test_an_empty_prompt_is_a_wish_too() -> None:
    """A client can ask for no prompt at all, which differs from not asking."""
    assert Codec(VERSION).start(start(system_prompt="")).system_prompt == ""


def test_policy_fields_that_are_set_reach_the_session() -> None:
    """Zero and false are wishes as well; what is not set is left to the server."""
    wish = policy_pb2.TurnPolicy(no_input_ms=0, speculation=False, stall_ms=900)
    assert Codec(VERSION).start(start(policy=wish)).policy == {"no_input_ms": 0, "stall_ms": 900, "speculation": False}


def test_the_contract_has_the_policy_that_the_session_has() -> None:
    """A field that stands in one of the two only would be ignored, or never told."""
    contract = [spec.name for spec in policy_pb2.TurnPolicy.DESCRIPTOR.fields]
    assert sorted(contract) == sorted(spec.name for spec in fields(TurnPolicy))


@pytest.mark.parametrize("direction", ["audio_in", "audio_out"])
@pytest.mark.parametrize("encoding", [LINEAR, MULAW, ALAW])
@pytest.mark.parametrize("rate_hz", [0, 8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_every_offered_format_is_taken(direction: str, encoding: int, rate_hz: int) -> None:
    """What GetCapabilities offers can be had."""
    wish: Any = {direction: {"encoding": encoding, "sample_rate_hz": rate_hz}}
    Codec(VERSION).start(start(**wish))


@pytest.mark.parametrize("direction", ["audio_in", "audio_out"])
@pytest.mark.parametrize("wish", [{"encoding": 9}, {"sample_rate_hz": 16_001}, {"sample_rate_hz": -8_000}])
def test_formats_that_are_not_offered_are_refused(direction: str, wish: dict[str, int]) -> None:
    """A client hears at once that nobody would understand its audio."""
    message: Any = {direction: wish}
    assert start_refusal(start(**message)) is Reason.AUDIO_FORMAT_UNSUPPORTED


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, Reason.START_REQUIRED),
        (b"", Reason.START_REQUIRED),
        (raw(end=client_pb2.End()), Reason.START_REQUIRED),
        (sound(b"\0\0"), Reason.START_REQUIRED),
        (start(tools=[client_pb2.Tool(name="a clock")]), Reason.TEXT_INVALID),
        (start(resume_token=b"sealed"), Reason.RESUME_UNAVAILABLE),
        (start(system_prompt="a\x00b"), Reason.TEXT_INVALID),
        (start(system_prompt="a" * 16_001), Reason.TEXT_INVALID),
        (start(voice="a" * 1_310_720), Reason.MESSAGE_TOO_LARGE),
        (b"\x0a\x04\x1a\x02\xff\xfe", Reason.TEXT_INVALID),
        (b"\xff\xff\xff", Reason.TEXT_INVALID),
    ],
    ids=[
        "half-close",
        "empty",
        "end",
        "audio",
        "tools",
        "token",
        "control",
        "long prompt",
        "huge",
        "not UTF-8",
        "not protobuf",
    ],
)
def test_starts_that_are_refused(message: bytes | None, reason: Reason) -> None:
    """Each way to open a call wrongly has its own reason."""
    assert start_refusal(message) is reason


def test_longest_prompt_is_taken() -> None:
    """The limit is the contract's, to the character, also for characters of four bytes."""
    assert Codec(VERSION).start(start(system_prompt="\U0001f600" * 16_000)).system_prompt is not None


# --- later messages ---


def test_audio_reaches_the_session() -> None:
    """Frames that follow one another are taken, and so is one after a gap."""
    codec = opened()
    assert codec.receive(sound(b"\1\0\2\0", 10)) == inputs.Audio(b"\1\0\2\0", 10)
    assert codec.receive(sound(b"\3\0", 12)) == inputs.Audio(b"\3\0", 12)
    assert codec.receive(sound(b"\4\0", 500)) == inputs.Audio(b"\4\0", 500)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (sound(b"", 100), Reason.AUDIO_MISALIGNED),
        (sound(b"\0\0\0", 100), Reason.AUDIO_MISALIGNED),
        (sound(b"\0\0", 99), Reason.AUDIO_OVERLAP),
        (sound(b"\0\0", -1), Reason.AUDIO_OVERLAP),
        (sound(bytes(1_048_578), 100), Reason.MESSAGE_TOO_LARGE),
        (sound(bytes(5_000_000), 100), Reason.MESSAGE_TOO_LARGE),
        (raw(text=client_pb2.TextInput(text="")), Reason.TEXT_INVALID),
        (raw(text=client_pb2.TextInput(text=" \t\n ")), Reason.TEXT_INVALID),
        (raw(text=client_pb2.TextInput(text="a\rb")), Reason.TEXT_INVALID),
        (raw(text=client_pb2.TextInput(text="a\x7f")), Reason.TEXT_INVALID),
        (raw(text=client_pb2.TextInput(text="a\x85")), Reason.TEXT_INVALID),
        (raw(text=client_pb2.TextInput(text="a" * 4_001)), Reason.TEXT_INVALID),
        (b"\x1a\x04\x0a\x02\xff\xfe", Reason.TEXT_INVALID),
        (b"", Reason.MESSAGE_EMPTY),
        (b"\xf8\x07\x01", Reason.MESSAGE_EMPTY),
        (start(), Reason.START_REPEATED),
    ],
    ids=[
        "empty audio",
        "odd",
        "overlap",
        "before the session",
        "over 1 MiB",
        "5 MB",
        "no text",
        "blank",
        "CR",
        "DEL",
        "C1",
        "long",
        "not UTF-8",
        "nothing",
        "unknown payload",
        "start again",
    ],
)
def test_messages_that_are_refused(message: bytes, reason: Reason) -> None:
    """Each breach of the contract has its own reason."""
    codec = opened()
    codec.receive(sound(bytes(200)))
    assert refusal(codec, message) is reason


def test_largest_audio_message_is_taken() -> None:
    """The limit is the contract's, to the byte."""
    assert opened().receive(sound(bytes(1_048_576))) == inputs.Audio(bytes(1_048_576), 0)


def test_telephone_audio_may_be_odd() -> None:
    """One byte is one sample of G.711, and the clock counts it so."""
    codec = opened(audio_in=audio_pb2.AudioFormat(encoding=ALAW, sample_rate_hz=8_000))
    codec.receive(sound(b"\xd5\xd5\xd5"))
    codec.receive(sound(b"\xd5", 3))
    assert refusal(codec, sound(b"\xd5", 3)) is Reason.AUDIO_OVERLAP


@pytest.mark.parametrize("words", ["Hi.", "a\tb\nc", "a" * 4_000, "\U0001f600" * 4_000, "\u200f\u05d4\u05d9"])
def test_typed_text_reaches_the_session(words: str) -> None:
    """Everything that the contract allows is taken as it is."""
    assert opened().receive(raw(text=client_pb2.TextInput(text=words))) == inputs.TextTyped(words)


@pytest.mark.parametrize("digits", ["", "a", "E", "1 2", "\u0661", "1\n", "1" * 4_001])
def test_what_no_telephone_has_is_refused(digits: str) -> None:
    """Keys are those of the contract, to the letter, and not without limit."""
    assert refusal(opened(), raw(dtmf=client_pb2.Dtmf(digits=digits))) is Reason.TEXT_INVALID


@pytest.mark.parametrize("prompt", ["a" * 16_001, "\x00"])
def test_a_prompt_in_the_midst_is_checked_as_at_the_start(prompt: str) -> None:
    """An update is no way round the limits of `start`."""
    assert refusal(opened(), raw(update=client_pb2.Update(system_prompt=prompt))) is Reason.TEXT_INVALID


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (raw(interrupt=client_pb2.Interrupt()), inputs.Interrupted()),
        (raw(commit=client_pb2.Commit()), inputs.Committed()),
        (raw(end=client_pb2.End()), inputs.EndRequested()),
        (raw(dtmf=client_pb2.Dtmf(digits="09*#AD")), inputs.DigitsPressed("09*#AD")),
        (raw(update={}), inputs.Updated(SessionUpdate())),
        (
            raw(update=client_pb2.Update(language_code="de", voice="", policy=policy_pb2.TurnPolicy(min_words=0))),
            inputs.Updated(SessionUpdate(language_code="de", voice="", policy={"min_words": 0})),
        ),
        (raw(update=client_pb2.Update(system_prompt="")), inputs.Updated(SessionUpdate(system_prompt=""))),
    ],
)
def test_orders_reach_the_session(message: bytes, said: inputs.Input) -> None:
    """Each order is taken for what it is."""
    assert opened().receive(message) == said


@pytest.mark.parametrize(
    ("update", "tools"),
    [
        (client_pb2.Update(replace_tools=True), ()),
        (
            client_pb2.Update(replace_tools=True, tools=[client_pb2.Tool(name="t")]),
            (Tool("t", "", "", ToolPlace.CLIENT),),
        ),
        (client_pb2.Update(tools=[client_pb2.Tool(name="t")]), None),
    ],
)
def test_an_update_may_replace_the_tools(update: client_pb2.Update, tools: tuple[Tool, ...] | None) -> None:
    """Also by none; a list that is not to replace anything is ignored."""
    assert opened().receive(raw(update=update)) == inputs.Updated(SessionUpdate(tools=tools))


def _tool(name: str = "clock", **fields: str) -> client_pb2.Tool:
    return client_pb2.Tool(name=name, **fields)


def test_tools_are_read() -> None:
    """What the client executes, with its schema as it was sent."""
    schema = '{"type": "object"}'
    message = start(tools=[_tool(), _tool("open-door_2", description="Opens.", parameters_json=schema)])
    assert Codec("1.2.3").start(message).tools == (
        Tool("clock", "", "", ToolPlace.CLIENT),
        Tool("open-door_2", "Opens.", schema, ToolPlace.CLIENT),
    )


@pytest.mark.parametrize(
    "tools",
    [
        [_tool("")],
        [_tool("x" * 65)],
        [_tool("\u00fc")],
        [_tool(), _tool()],
        [_tool(f"t{number}") for number in range(65)],
        [_tool(description="x" * 1_025)],
        [_tool(description="\0")],
        [_tool(parameters_json="[]")],
        [_tool(parameters_json="{")],
        [_tool(parameters_json="[" * 100_000)],
        [_tool(parameters_json='{"a": NaN}')],
        [_tool(parameters_json='{"a": "\\ud800"}')],
    ],
)
def test_tools_that_are_refused(tools: list[client_pb2.Tool]) -> None:
    """A tool that the model could not be offered is told at once, not when it is first needed."""
    assert start_refusal(start(tools=tools)) is Reason.TEXT_INVALID


def test_a_tool_call_is_answered_once() -> None:
    """The result names the call as it was told; a second one, or one of another session, is a notice."""
    codec = opened()
    (told,) = codec.encode_event(events.ToolCalled(CallId(3), TurnId(2), "clock", "{}"))
    call = ConverseResponse.FromString(told).tool_call
    assert (call.turn_id.rpartition("-")[2], call.name, call.arguments_json) == ("2", "clock", "{}")
    result = client_pb2.ToolResult(call_id=call.call_id, output="noon", is_error=True)
    assert codec.receive(raw(tool_result=result)) == inputs.ToolReturned(CallId(3), "noon", is_error=True)
    for call_id in (call.call_id, "", "s8-3", "3"):
        said = codec.receive(raw(tool_result=client_pb2.ToolResult(call_id=call_id)))
        assert isinstance(said, inputs.Refused)
        assert said.notice.reason is Reason.FEATURE_UNAVAILABLE


def test_the_output_of_a_tool_is_bounded() -> None:
    """What no model could read ends the call, whether the tool was called or not."""
    codec = opened()
    codec.encode_event(events.ToolCalled(CallId(1), TurnId(1), "clock", "{}"))
    with pytest.raises(ClientError) as caught:
        codec.receive(raw(tool_result=client_pb2.ToolResult(call_id="s7-1", output="x" * 65_537)))
    assert caught.value.reason is Reason.TEXT_INVALID
    longest = codec.receive(raw(tool_result=client_pb2.ToolResult(call_id="s7-1", output="\u00fc" * 65_536)))
    assert isinstance(longest, inputs.ToolReturned)


@pytest.mark.parametrize("message", [sound(b"\0\0"), raw(end=client_pb2.End()), b"", b"\xff", bytes(2_000_000)])
def test_nothing_may_follow_end(message: bytes) -> None:
    """Whatever it is."""
    codec = opened()
    codec.receive(raw(end=client_pb2.End()))
    assert refusal(codec, message) is Reason.INPUT_AFTER_END


def test_the_last_playback_report_may_follow_end() -> None:
    """A player that is flushed by `end` tells where it stood; that is no fault of the client."""
    codec = opened()
    codec.receive(raw(end=client_pb2.End()))
    report = client_pb2.Playback(reply_id="x-9", is_final=True)
    assert isinstance(codec.receive(raw(playback=report)), inputs.Refused | inputs.PlaybackReported)


# --- names ---


def playback(codec: Codec, reply_id: str, played: int = 7) -> inputs.Input:
    """What a report of that name is taken for."""
    return codec.receive(raw(playback=client_pb2.Playback(reply_id=reply_id, played_samples=played, is_final=True)))


@given(st.integers(0, 10**15), st.integers(0, 2**62))
def test_reply_names_are_known_again(reply: int, played: int) -> None:
    """The name a client was told leads back to the reply."""
    codec = opened()
    told = response(codec.encode_event(text(reply))).reply_text.reply_id
    assert told == f"s7-{reply}"
    assert playback(codec, told, played) == inputs.PlaybackReported(ReplyId(reply), played, is_final=True)


@pytest.mark.parametrize(
    "name", ["", "s7", "s7-", "s7-5", "s7-03", "s7--1", "s7-1 ", "s8-1", "xs7-1", "s7-\u0661", "s7-" + "9" * 5_000]
)
def test_unknown_reply_names_are_a_notice(name: str) -> None:
    """A report for a reply that the client was never told of changes nothing."""
    codec = opened()
    codec.encode_event(text(4))
    codec.encode_audio(audio(3))
    said = playback(codec, name)
    assert isinstance(said, inputs.Refused)
    assert said.notice.reason is Reason.PLAYBACK_IMPLAUSIBLE


# --- events ---


def test_greeting_tells_what_was_negotiated() -> None:
    """A client knows from the first message what it sends, gets and may do."""
    codec = Codec(VERSION)
    codec.start(start(audio_in={"encoding": MULAW}, audio_out={"encoding": ALAW}))
    started = response(codec.opened(INFO)).started
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
    policy = response(opened().opened(INFO)).started.policy
    assert [spec.name for spec in policy.DESCRIPTOR.fields if not policy.HasField(spec.name)] == []
    assert (policy.stop_history_ms, policy.lead_ms, policy.min_words) == (480, 200, 2)


def test_the_policy_has_the_defaults_of_the_contract() -> None:
    """Every field is told with the default that policy.proto gives, so that the two cannot drift apart."""
    policy = response(opened().opened(INFO)).started.policy
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
                    turn_id="s7-1",
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
                    reply_id="s7-2",
                    turn_id="s7-1",
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
                    reply_id="s7-2", reason=server_pb2.INTERRUPT_REASON_USER_SPEECH
                )
            },
        ),
        (
            events.ReplyHeard(ReplyId(2), 55, "Hm.", is_estimate=True),
            {
                "reply_heard": server_pb2.ReplyHeard(
                    reply_id="s7-2", heard_samples=55, heard_text="Hm.", is_estimate=True
                )
            },
        ),
        (
            FINISHED,
            {
                "reply_finished": server_pb2.ReplyFinished(
                    reply_id="s7-2",
                    turn_id="s7-1",
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
                    turn_id="s7-1",
                    reply_id="s7-2",
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
                    reason=error_pb2.ERROR_REASON_LLM_TIMEOUT, message="slow", backend="llm", turn_id="s7-1"
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
                    reply_id="s7-2", turn_id="", kind=server_pb2.REPLY_KIND_REPROMPT, sentence_id=1, text="Hello?"
                )
            },
        ),
        (
            events.ReplyFinished(ReplyId(2), None, events.ReplyKind.REPROMPT, events.ReplyOutcome.COMPLETED, 5),
            {
                "reply_finished": server_pb2.ReplyFinished(
                    reply_id="s7-2",
                    kind=server_pb2.REPLY_KIND_REPROMPT,
                    outcome=server_pb2.REPLY_OUTCOME_COMPLETED,
                    total_samples=5,
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
        reply_id="s7-2", sentence_id=3, offset_samples=offset, data=pcm, is_last=is_last
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
    assert list(told.features) == ["barge_in", "commit", "dtmf", "speculation", "tools", "update"]
