"""What a client says over voicegateway.v1, without a socket."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transports.transport_fakes import VERSION, audio, said_in, text
from transports.v1_messages import ALAW, LINEAR, MULAW, opened, raw, refusal, response, sound, start, start_refusal
from voice_gateway.domain import events
from voice_gateway.domain.audio import AudioFormat, Encoding
from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.session.ports import SessionRequest, SessionUpdate
from voice_gateway.transports import client_input
from voice_gateway.transports.grpc_v1 import tools as tools_codec
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_v1.encoding import MAX_OPEN_CALLS
from voicegateway.v1 import audio_pb2, client_pb2, policy_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseResponse

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = PARENT.replace("4bf9", "5cf9")


# --- start ---


def test_start_without_wishes_asks_for_the_defaults() -> None:
    """An empty start is a whole one."""
    codec = Codec(VERSION)
    assert codec.start(start()).request == SessionRequest(transport="grpc_v1", input_rate_hz=16_000)
    assert codec.audio_in == AudioFormat(Encoding.LINEAR_PCM, 16_000)


def test_start_with_every_wish() -> None:
    """Each field of a start reaches the session."""
    codec = Codec(VERSION)
    opening = codec.start(
        start(
            audio_in=audio_pb2.AudioFormat(encoding=MULAW, sample_rate_hz=8_000),
            audio_out=audio_pb2.AudioFormat(encoding=ALAW, sample_rate_hz=24_000),
            language_code="de-DE",
            voice="anna",
            system_prompt="Be brief.\n\tAlways.",
            policy=policy_pb2.TurnPolicy(lead_ms=300, client_buffer_ms=0),
            traceparent=PARENT,
            tracestate="a=1",
        )
    )
    assert opening.request == SessionRequest(
        transport="grpc_v1",
        input_rate_hz=8_000,
        output_rate_hz=24_000,
        language_code="de-DE",
        voice="anna",
        system_prompt="Be brief.\n\tAlways.",
        policy={"lead_ms": 300, "client_buffer_ms": 0},
        trace=TraceContext(PARENT, "a=1"),
    )
    assert codec.audio_in == AudioFormat(Encoding.MULAW, 8_000)


@pytest.mark.parametrize(
    ("fields", "trace"),
    [
        ({}, TraceContext(OTHER, "b=2")),
        ({"traceparent": "none", "tracestate": "a=1"}, TraceContext(OTHER, "b=2")),
        ({"traceparent": PARENT}, TraceContext(PARENT)),
        ({"traceparent": PARENT, "tracestate": "?"}, TraceContext(PARENT)),
    ],
)
def test_a_trace_in_start_stands_above_the_headers(fields: dict[str, str], trace: TraceContext) -> None:
    """The headers count where start tells no lawful trace; parent and state are of one place."""
    assert Codec(VERSION, TraceContext(OTHER, "b=2")).start(start(**fields)).request.trace == trace


def test_an_empty_prompt_is_a_wish_too() -> None:
    """A client can ask for no prompt at all, which differs from not asking."""
    assert Codec(VERSION).start(start(system_prompt="")).request.system_prompt == ""


def test_policy_fields_that_are_set_reach_the_session() -> None:
    """Zero and false are wishes as well; what is not set is left to the server."""
    wish = policy_pb2.TurnPolicy(no_input_ms=0, speculation=False, stall_ms=900)
    assert Codec(VERSION).start(start(policy=wish)).request.policy == {
        "no_input_ms": 0,
        "stall_ms": 900,
        "speculation": False,
    }


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
        (b"", Reason.MESSAGE_EMPTY),
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
    assert Codec(VERSION).start(start(system_prompt="\U0001f600" * 16_000)).request.system_prompt is not None


# --- later messages ---


def test_audio_reaches_the_session() -> None:
    """Frames that follow one another are taken, and so is one after a gap."""
    codec = opened()
    assert said_in(codec, sound(b"\1\0\2\0", 10)) == client_input.Audio(b"\1\0\2\0", 10)
    assert said_in(codec, sound(b"\3\0", 12)) == client_input.Audio(b"\3\0", 12)
    assert said_in(codec, sound(b"\4\0", 500)) == client_input.Audio(b"\4\0", 500)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (sound(b"", 100), Reason.AUDIO_MISALIGNED),
        (sound(b"\0\0\0", 100), Reason.AUDIO_MISALIGNED),
        (sound(b"\0\0", 99), Reason.AUDIO_OVERLAP),
        (sound(b"\0\0", -1), Reason.AUDIO_OVERLAP),
        (sound(b"\0\0", 2**62), Reason.AUDIO_OVERLAP),
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
        "beyond the clock",
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
    said_in(codec, sound(bytes(200)))
    assert refusal(codec, message) is reason


def test_the_last_sample_of_the_clock_can_be_told_back() -> None:
    """Where a client may say that it spoke, the server can say that it did: no position outgrows the wire's integer."""
    codec = opened()
    assert said_in(codec, sound(b"\0\0", 2**62 - 1)) == client_input.Audio(b"\0\0", 2**62 - 1)
    assert response(codec.encode_event(events.SpeechStarted(2**62))).speech_started.at_samples == 2**62


def test_largest_audio_message_is_taken() -> None:
    """The limit is the contract's, to the byte."""
    assert said_in(opened(), sound(bytes(1_048_576))) == client_input.Audio(bytes(1_048_576), 0)


def test_telephone_audio_may_be_odd() -> None:
    """One byte is one sample of G.711, and the clock counts it so."""
    codec = opened(audio_in=audio_pb2.AudioFormat(encoding=ALAW, sample_rate_hz=8_000))
    said_in(codec, sound(b"\xd5\xd5\xd5"))
    said_in(codec, sound(b"\xd5", 3))
    assert refusal(codec, sound(b"\xd5", 3)) is Reason.AUDIO_OVERLAP


@pytest.mark.parametrize("words", ["Hi.", "a\tb\nc", "a" * 4_000, "\U0001f600" * 4_000, "\u200f\u05d4\u05d9"])
def test_typed_text_reaches_the_session(words: str) -> None:
    """Everything that the contract allows is taken as it is."""
    assert said_in(opened(), raw(text=client_pb2.TextInput(text=words))) == client_input.TextTyped(words)


@pytest.mark.parametrize("digits", ["", "a", "E", "1 2", "\u0661", "1\n", "1" * 4_001, "1#" * 17, "#" * 4_000])
def test_what_no_telephone_has_is_refused(digits: str) -> None:
    """Keys are those of the contract, to the letter, and not without limit."""
    assert refusal(opened(), raw(dtmf=client_pb2.Dtmf(digits=digits))) is Reason.TEXT_INVALID


@pytest.mark.parametrize("prompt", ["a" * 16_001, "\x00"])
def test_a_prompt_in_the_midst_is_checked_as_at_the_start(prompt: str) -> None:
    """Neither an update nor a request for a reply is a way round the limits of `start`."""
    assert refusal(opened(), raw(update=client_pb2.Update(system_prompt=prompt))) is Reason.TEXT_INVALID
    assert refusal(opened(), raw(reply_request=client_pb2.ReplyRequest(instructions=prompt))) is Reason.TEXT_INVALID


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (raw(interrupt=client_pb2.Interrupt()), client_input.Interrupted()),
        (raw(commit=client_pb2.Commit()), client_input.Committed()),
        (raw(end=client_pb2.End()), client_input.EndRequested()),
        (raw(dtmf=client_pb2.Dtmf(digits="09*#AD")), client_input.DigitsPressed("09*#AD")),
        (raw(dtmf=client_pb2.Dtmf(digits="1#" * 16)), client_input.DigitsPressed("1#" * 16)),
        (raw(update={}), client_input.Updated(SessionUpdate())),
        (raw(reply_request={}), client_input.ReplyRequested(ReplyOptions())),
        (
            raw(reply_request=client_pb2.ReplyRequest(instructions="", replace_tools=True)),
            client_input.ReplyRequested(ReplyOptions(instructions="", tools=())),
        ),
        (
            raw(reply_request=client_pb2.ReplyRequest(modality=client_pb2.REPLY_MODALITY_TEXT)),
            client_input.ReplyRequested(ReplyOptions(modality=Modality.TEXT)),
        ),
        (
            raw(update=client_pb2.Update(reply_modality=client_pb2.REPLY_MODALITY_AUDIO)),
            client_input.Updated(SessionUpdate(reply_modality=Modality.AUDIO)),
        ),
        (
            raw(update=client_pb2.Update(language_code="de", voice="", policy=policy_pb2.TurnPolicy(min_words=0))),
            client_input.Updated(SessionUpdate(language_code="de", voice="", policy={"min_words": 0})),
        ),
        (raw(update=client_pb2.Update(system_prompt="")), client_input.Updated(SessionUpdate(system_prompt=""))),
    ],
)
def test_orders_reach_the_session(message: bytes, said: client_input.Input) -> None:
    """Each order is taken for what it is."""
    assert said_in(opened(), message) == said


def test_a_modality_that_nobody_knows_is_refused() -> None:
    """Whoever wants replies of another kind is told that there are none, and gets no audio instead."""
    assert Codec(VERSION).start(start(reply_modality=client_pb2.REPLY_MODALITY_TEXT)).request == SessionRequest(
        transport="grpc_v1", input_rate_hz=16_000, reply_modality=Modality.TEXT
    )
    unknown = client_pb2.Update.FromString(b"\x38\x63")  # field 7, 99
    assert refusal(opened(), raw(update=unknown)) is Reason.AUDIO_FORMAT_UNSUPPORTED


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
    assert said_in(opened(), raw(update=update)) == client_input.Updated(SessionUpdate(tools=tools))


def _tool(name: str = "clock", **fields: str) -> client_pb2.Tool:
    return client_pb2.Tool(name=name, **fields)


def _schema(chars: int) -> str:
    return '{"a":"' + "x" * (chars - 8) + '"}'


def test_tools_as_long_as_they_may_be_are_read() -> None:
    """The bounds are those of the contract, no less: 32,768 characters of a schema, 131,072 of all."""
    tools = [_tool(f"t{number}", parameters_json=_schema(32_768)) for number in range(4)]
    assert sum(len(tool.parameters_json) for tool in Codec("1.2.3").start(start(tools=tools)).request.tools) == 131_072


def test_tools_are_counted_before_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message holds 250,000 tools, and to look at each would stop everybody for a third of a second."""
    looked_at: list[client_pb2.Tool] = []
    monkeypatch.setattr(tools_codec, "_tool", looked_at.append)
    assert start_refusal(start(tools=[_tool("a") for _ in range(65)])) is Reason.TEXT_INVALID
    assert start_refusal(start(tools=[_tool(parameters_json="x" * 131_073)])) is Reason.TEXT_INVALID
    assert not looked_at


def test_tools_are_read() -> None:
    """What the client executes, with its schema as it was sent."""
    schema = '{"type": "object"}'
    message = start(tools=[_tool(), _tool("open-door_2", description="Opens.", parameters_json=schema)])
    assert Codec("1.2.3").start(message).request.tools == (
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
        [_tool(parameters_json='{"a": 1e999}')],
        [_tool(parameters_json='{"a":' * 101 + "1" + "}" * 101)],
        [_tool(parameters_json=_schema(32_769))],
        [_tool(f"t{number}", parameters_json=_schema(32_768)) for number in range(4)] + [_tool(parameters_json="{}")],
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
    assert (call.turn_id.rpartition("-")[2], call.name, call.arguments_json) == ("t2", "clock", "{}")
    result = client_pb2.ToolResult(call_id=call.call_id, output="noon", is_error=True)
    assert said_in(codec, raw(tool_result=result)) == client_input.ToolReturned(CallId(3), "noon", is_error=True)
    for call_id in (call.call_id, "", "s8-c3", "s7-3", "s7-t3", "s7-r3", "3"):
        said = said_in(codec, raw(tool_result=client_pb2.ToolResult(call_id=call_id)))
        assert isinstance(said, client_input.Refused)
        assert said.notice.reason is Reason.FEATURE_UNAVAILABLE


def test_the_output_of_a_tool_is_bounded() -> None:
    """What no model could read ends the call, whether the tool was called or not."""
    codec = opened()
    codec.encode_event(events.ToolCalled(CallId(1), TurnId(1), "clock", "{}"))
    with pytest.raises(ClientError) as caught:
        said_in(codec, raw(tool_result=client_pb2.ToolResult(call_id="s7-c1", output="x" * 65_537)))
    assert caught.value.reason is Reason.TEXT_INVALID
    longest = said_in(codec, raw(tool_result=client_pb2.ToolResult(call_id="s7-c1", output="\u00fc" * 65_536)))
    assert isinstance(longest, client_input.ToolReturned)


def test_calls_that_nobody_answers_are_forgotten() -> None:
    """A client that answers no call for hours costs no memory: the latest can be answered, the first is unknown."""
    codec = opened()
    for number in range(1, 10_001):
        codec.encode_event(events.ToolCalled(CallId(number), TurnId(number), "clock", "{}"))
    first, last = (
        said_in(codec, raw(tool_result=client_pb2.ToolResult(call_id=call_id))) for call_id in ("s7-c1", "s7-c10000")
    )
    assert isinstance(first, client_input.Refused)
    assert last == client_input.ToolReturned(CallId(10_000), "", is_error=False)
    assert len(codec._encoder._open_calls) < MAX_OPEN_CALLS


@pytest.mark.parametrize("message", [sound(b"\0\0"), raw(end=client_pb2.End()), b"", b"\xff", bytes(2_000_000)])
def test_nothing_may_follow_end(message: bytes) -> None:
    """A message after `end` is refused, whatever it is: the client has said that it was the last."""
    codec = opened()
    said_in(codec, raw(end=client_pb2.End()))
    assert refusal(codec, message) is Reason.INPUT_AFTER_END


def test_the_last_playback_report_may_follow_end() -> None:
    """A player that is flushed by `end` tells where it stood; that is no fault of the client."""
    codec = opened()
    said_in(codec, raw(end=client_pb2.End()))
    report = client_pb2.Playback(reply_id="x-r9", is_final=True)
    assert isinstance(said_in(codec, raw(playback=report)), client_input.Refused | client_input.PlaybackReported)


# --- names ---


def playback(codec: Codec, reply_id: str, played: int = 7) -> client_input.Input:
    """What a report of that name is taken for."""
    return said_in(codec, raw(playback=client_pb2.Playback(reply_id=reply_id, played_samples=played, is_final=True)))


@given(st.integers(0, 10**15), st.integers(0, 2**62))
def test_reply_names_are_known_again(reply: int, played: int) -> None:
    """The name a client was told leads back to the reply."""
    codec = opened()
    told = response(codec.encode_event(text(reply))).reply_text.reply_id
    assert told == f"s7-r{reply}"
    assert playback(codec, told, played) == client_input.PlaybackReported(ReplyId(reply), played, is_final=True)


def test_names_do_not_look_alike() -> None:
    """A turn, a reply to it and a call of a tool in it have names that nobody takes for one another."""
    codec = opened()
    replied = response(codec.encode_event(text(3))).reply_text
    called = response(codec.encode_event(events.ToolCalled(CallId(3), TurnId(3), "clock", "{}"))).tool_call
    assert (called.turn_id, replied.reply_id, called.call_id) == ("s7-t3", "s7-r3", "s7-c3")


STRANGE = (
    *("", "s7", "s7-", "s7-r", "s7-r5", "s7-r03", "s7-r-1", "s7-r1 ", "s8-r1", "xs7-r1", "s7-r\u0661"),
    *("s7-4", "s7-t4", "s7-c4", "s7-R4", "s7-r" + "9" * 5_000),
)


@pytest.mark.parametrize("name", STRANGE)
def test_unknown_reply_names_are_a_notice(name: str) -> None:
    """A report for a reply that the client was never told of changes nothing."""
    codec = opened()
    codec.encode_event(text(4))
    codec.encode_audio(audio(3))
    said = playback(codec, name)
    assert isinstance(said, client_input.Refused)
    assert said.notice.reason is Reason.PLAYBACK_IMPLAUSIBLE
