"""Converse and GetCapabilities on a real socket, around a scripted session."""

from dataclasses import replace
from typing import Any

import grpc
import pytest
from transports.transport_fakes import (
    AGREEMENT,
    NO_VOICE,
    VERSION,
    FakeGateway,
    FakeSession,
    audio,
    converse,
    read_all,
    reason_of,
    send,
    serving,
    text,
)
from transports.v1_calls import END, IMPATIENT, START, next_reply, nothing_is_left, one_turn, payloads
from transports.v1_messages import raw, sound
from voice_gateway.domain import events
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    GatewayError,
    Reason,
    Unavailable,
)
from voice_gateway.domain.events import ToolCalled
from voice_gateway.domain.ids import CallId, TurnId
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext
from voice_gateway.session.ports import SessionRequest, SessionUpdate
from voice_gateway.transports.audio_in import SLICE_SAMPLES
from voicegateway.v1 import audio_pb2, client_pb2, error_pb2, server_pb2
from voicegateway.v1.voice_gateway_service_pb2 import (
    ConverseRequest,
    ConverseResponse,
    GetCapabilitiesRequest,
)
from voicegateway.v1.voice_gateway_service_pb2_grpc import VoiceGatewayServiceStub

# --- the conversation ---

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_turn_from_start_to_half_close() -> None:
    """A client that speaks and half-closes gets the whole answer, `ended` and OK."""
    gateway = FakeGateway(one_turn)
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, sound(b"\1\0"))
        await call.done_writing()
        told = await read_all(call)
        assert payloads(told) == [
            "started",
            "speech_started",
            "transcript",
            "reply_text",
            "reply_audio",
            "reply_finished",
            "ended",
        ]
        assert ConverseResponse.FromString(told[-1]).ended.reason == server_pb2.END_REASON_CLIENT_HALF_CLOSED
        assert await call.code() is grpc.StatusCode.OK
        assert (await gateway.sessions.get()).told == [("hear", b"\1\0", 0), ("finish",)]
    await nothing_is_left()


async def test_generated_stub_is_served() -> None:
    """The stub that clients generate from the contract finds the service under its name."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = VoiceGatewayServiceStub(channel).Converse()
        await call.write(ConverseRequest(start=client_pb2.Start(language_code="en-US")))
        first = await call.read()
        assert isinstance(first, ConverseResponse)
        assert (first.started.session_id, first.started.server_version) == ("s7", VERSION)
        await call.done_writing()
        last = await call.read()
        assert isinstance(last, ConverseResponse)
        assert last.ended.reason == server_pb2.END_REASON_CLIENT_HALF_CLOSED
        assert await call.code() is grpc.StatusCode.OK
    assert gateway.requests == [SessionRequest(transport="grpc_v1", input_rate_hz=16_000, language_code="en-US")]


@pytest.mark.parametrize(
    ("metadata", "trace"),
    [
        ((("traceparent", PARENT),), TraceContext(PARENT)),
        ((("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")), TraceContext(PARENT, "a=1,b=2")),
        ((("tracestate", "a=1"),), NO_TRACE),
        ((("traceparent", "none"),), NO_TRACE),
        ((("traceparent-bin", b"00"),), NO_TRACE),
    ],
)
async def test_the_headers_tell_the_trace(metadata: tuple[tuple[str, str | bytes], ...], trace: TraceContext) -> None:
    """A call behind a proxy or an instrumented client is found in their traces; what is unlawful harms no call."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = VoiceGatewayServiceStub(channel).Converse(metadata=metadata)
        await call.write(ConverseRequest(start=client_pb2.Start()))
        await call.done_writing()
        assert [message.WhichOneof("payload") async for message in call] == ["started", "ended"]
    assert [request.trace for request in gateway.requests] == [trace]


async def test_everything_a_client_may_say_reaches_the_session() -> None:
    """Each message is done to the session, in order; what the server lacks is a notice and the call goes on."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        assert (await next_reply(call)).started.session_id == "s7"
        session.sink.emit(text(4))
        reply_id = (await next_reply(call)).reply_text.reply_id
        session.sink.emit(ToolCalled(CallId(2), TurnId(4), "clock", "{}"))
        call_id = (await next_reply(call)).tool_call.call_id
        await send(
            call,
            raw(text=client_pb2.TextInput(text="Hi.")),
            raw(playback=client_pb2.Playback(reply_id=reply_id, played_samples=99)),
            raw(playback=client_pb2.Playback(reply_id="s7-r5", played_samples=99)),
            raw(dtmf=client_pb2.Dtmf(digits="1")),
            raw(update=client_pb2.Update(voice="bruce")),
            raw(reply_request=client_pb2.ReplyRequest(instructions="Greet.")),
            raw(tool_result=client_pb2.ToolResult(call_id=call_id, output="noon")),
            raw(tool_result=client_pb2.ToolResult(call_id=call_id, output="noon")),
            raw(interrupt=client_pb2.Interrupt()),
            raw(commit=client_pb2.Commit()),
        )
        reasons = [(await next_reply(call)).notice.reason for _ in range(2)]
        assert reasons == [error_pb2.ERROR_REASON_PLAYBACK_IMPLAUSIBLE, error_pb2.ERROR_REASON_FEATURE_UNAVAILABLE]
        await call.done_writing()
        assert payloads(await read_all(call)) == ["ended"]
    assert session.told == [
        ("type_text", "Hi."),
        ("report_playback", 4, 99, False),
        ("press", "1"),
        ("update", SessionUpdate(voice="bruce")),
        ("request_reply", ReplyOptions(instructions="Greet.")),
        ("return_tool", 2, "noon", False),
        ("interrupt",),
        ("commit",),
        ("finish",),
    ]


async def test_an_update_that_cannot_be_granted_ends_the_call() -> None:
    """The same typed error as at the start, and nothing left behind."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, raw(update=client_pb2.Update(voice=NO_VOICE)))
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "VOICE_UNSUPPORTED", {})
    session = await gateway.sessions.get()
    await session.over.wait()
    assert session.was_cancelled


async def test_telephone_audio_is_heard_as_pcm() -> None:
    """A client at 8 kHz mu-law is heard at the recogniser's rate, whole, before the half-close is told."""
    gateway = FakeGateway(agreement=replace(AGREEMENT, input_rate_hz=8_000))
    async with serving(gateway) as channel:
        call = converse(channel)
        wish = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_MULAW, sample_rate_hz=8_000)
        await send(call, raw(start=client_pb2.Start(audio_in=wish)))
        await send(call, *(sound(b"\xff" * 320, at * 320) for at in range(5)))
        await call.done_writing()
        assert payloads(await read_all(call)) == ["started", "ended"]
    told = (await gateway.sessions.get()).told
    assert told.pop() == ("finish",)
    assert sum(len(pcm) for _, pcm, _ in told) == 2 * 3_200


async def test_commit_hands_on_what_the_filter_holds() -> None:
    """Push-to-talk: the end of the last word is heard before the turn is ended."""
    gateway = FakeGateway(agreement=replace(AGREEMENT, input_rate_hz=48_000))
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, raw(start=client_pb2.Start(audio_in=audio_pb2.AudioFormat(sample_rate_hz=48_000))))
        await send(call, sound(bytes(2 * 4_800)), raw(commit=client_pb2.Commit()))
        await call.done_writing()
        await read_all(call)
    *heard, commit, finish = (await gateway.sessions.get()).told
    assert (commit, finish) == (("commit",), ("finish",))
    assert sum(len(pcm) for _, pcm, _ in heard) == 2 * 1_600


async def test_reading_stops_while_there_is_no_room() -> None:
    """Input that runs too far ahead waits with the client, not in our memory."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        session.is_full = True
        await send(call, sound(b"\1\0"), sound(b"\2\0", 1))
        await session.waits_for_room.wait()
        assert session.told == [("hear", b"\1\0", 0)]
        session.is_full = False
        session.room.set()
        await call.done_writing()
        await read_all(call)
    assert session.told == [("hear", b"\1\0", 0), ("hear", b"\2\0", 1), ("finish",)]


async def test_a_long_message_waits_within_itself() -> None:
    """Of a message that is longer than there is room for only so much is heard, and the rest when there is room."""
    gateway, data = FakeGateway(), bytes(2 * (SLICE_SAMPLES + 1))
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        session.is_full = True
        await send(call, sound(data))
        await session.waits_for_room.wait()
        assert session.told == [("hear", bytes(2 * SLICE_SAMPLES), 0)]
        session.is_full = False
        session.room.set()
        await call.done_writing()
        await read_all(call)
    assert session.told[1:] == [("hear", b"\0\0", SLICE_SAMPLES), ("finish",)]


async def test_server_may_end_first() -> None:
    """A session that ends by itself, as in a drain, ends the call OK though the client still sends."""

    async def leave(session: FakeSession) -> events.Ended:
        session.sink.emit(events.GoingAway(1_000))
        session.sink.emit(events.Ended(events.EndCause.DRAINING))
        return events.Ended(events.EndCause.DRAINING)

    async with serving(FakeGateway(leave)) as channel:
        call = converse(channel)
        await send(call, START)
        assert payloads(await read_all(call)) == ["started", "going_away", "ended"]
        assert await call.code() is grpc.StatusCode.OK
    await nothing_is_left()


# --- end ---


async def test_end_then_half_close() -> None:
    """`end` stops the session at once; the half-close after it is not a second end."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, END)
        await call.done_writing()
        told = await read_all(call)
        assert ConverseResponse.FromString(told[-1]).ended.reason == server_pb2.END_REASON_CLIENT_ENDED
        assert await call.code() is grpc.StatusCode.OK
    assert (await gateway.sessions.get()).told == [("end",)]


async def test_end_without_half_close() -> None:
    """A client that forgets to half-close after `end` is not waited for without end."""
    async with serving(FakeGateway(), IMPATIENT) as channel:
        call = converse(channel)
        await send(call, START, END)
        assert payloads(await read_all(call)) == ["started", "ended"]
        assert await call.code() is grpc.StatusCode.OK
    await nothing_is_left()


async def test_audio_after_end() -> None:
    """Audio after `end` is a breach of the contract until `ended` is told."""

    async def linger(session: FakeSession) -> events.Ended:
        await session.stop
        await session.room.wait()
        raise AssertionError

    gateway = FakeGateway(linger)
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, END, sound(b"\0\0"))
        assert payloads(await read_all(call)) == ["started"]
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "INPUT_AFTER_END", {})
    assert (await gateway.sessions.get()).told == [("end",)]
    await nothing_is_left()


@pytest.mark.parametrize("late", [sound(b"\0\0"), END, START, b"", b"\xff", raw(text=client_pb2.TextInput(text=" "))])
async def test_nothing_but_ok_follows_the_end(late: bytes) -> None:
    """Whatever a client still says when `ended` has been told: it is not taken, and the status is OK."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, END)
        assert [(await next_reply(call)).WhichOneof("payload") for _ in range(2)] == ["started", "ended"]
        await send(call, late)
        assert await read_all(call) == []
        assert await call.code() is grpc.StatusCode.OK
    assert (await gateway.sessions.get()).told == [("end",)]
    await nothing_is_left()


async def test_a_session_that_breaks_after_its_end_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """What is told after `ended` is not sent, and a fault after it is logged and changes no status."""

    async def break_after(session: FakeSession) -> events.Ended:
        session.sink.emit(events.Ended(events.EndCause.IDLE))
        session.sink.emit(events.GoingAway(1_000))
        session.sink.play(audio(1))
        raise ZeroDivisionError

    async with serving(FakeGateway(break_after)) as channel:
        call = converse(channel)
        await send(call, START)
        told = await read_all(call)
        assert payloads(told) == ["started", "ended"]
        assert ConverseResponse.FromString(told[-1]).ended.reason == server_pb2.END_REASON_IDLE
        assert await call.code() is grpc.StatusCode.OK
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
    await nothing_is_left()


# --- refusals ---


@pytest.mark.parametrize(
    ("first", "code", "reason"),
    [
        (sound(b"\0\0"), grpc.StatusCode.INVALID_ARGUMENT, "START_REQUIRED"),
        (b"", grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_EMPTY"),
        (None, grpc.StatusCode.INVALID_ARGUMENT, "START_REQUIRED"),
        (
            raw(start=client_pb2.Start(audio_in=audio_pb2.AudioFormat(sample_rate_hz=7))),
            grpc.StatusCode.INVALID_ARGUMENT,
            "AUDIO_FORMAT_UNSUPPORTED",
        ),
        (
            raw(start={"audio_out": {"encoding": 99}}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "AUDIO_FORMAT_UNSUPPORTED",
        ),
        (
            raw(start=client_pb2.Start(system_prompt="\x1b[31m")),
            grpc.StatusCode.INVALID_ARGUMENT,
            "TEXT_INVALID",
        ),
        (
            raw(start=client_pb2.Start(tools=[client_pb2.Tool(name="")])),
            grpc.StatusCode.INVALID_ARGUMENT,
            "TEXT_INVALID",
        ),
        (
            raw(start=client_pb2.Start(resume_token=b"t")),
            grpc.StatusCode.FAILED_PRECONDITION,
            "RESUME_UNAVAILABLE",
        ),
        (
            raw(start=client_pb2.Start(resume_token=bytes(1_350_000))),
            grpc.StatusCode.INVALID_ARGUMENT,
            "MESSAGE_TOO_LARGE",
        ),
    ],
    ids=["audio", "empty", "half-close", "rate", "encoding", "control", "tools", "token", "1.35 MB"],
)
async def test_first_messages_that_are_refused(first: bytes | None, code: grpc.StatusCode, reason: str) -> None:
    """A wrong first message ends the call with its exact status and opens no session."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        if first is None:
            await call.done_writing()
        else:
            await send(call, first)
        assert await read_all(call) == []
        assert await reason_of(call) == (code, reason, {})
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("refusal", "code", "metadata"),
    [
        (ClientError(Reason.LANGUAGE_UNSUPPORTED, "no Klingon"), grpc.StatusCode.INVALID_ARGUMENT, {}),
        (ClientError(Reason.VOICE_UNSUPPORTED, "no voice"), grpc.StatusCode.INVALID_ARGUMENT, {}),
        (ClientError(Reason.POLICY_OUT_OF_RANGE, "no policy"), grpc.StatusCode.INVALID_ARGUMENT, {}),
        (
            BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "no asr"),
            grpc.StatusCode.UNAVAILABLE,
            {"backend": "asr"},
        ),
        (Unavailable(Reason.DRAINING, "leaving"), grpc.StatusCode.UNAVAILABLE, {}),
        (Unavailable(Reason.AT_CAPACITY, "full"), grpc.StatusCode.RESOURCE_EXHAUSTED, {}),
    ],
    ids=lambda value: str(value.reason) if isinstance(value, GatewayError) else "",
)
async def test_sessions_that_are_refused(
    refusal: GatewayError, code: grpc.StatusCode, metadata: dict[str, str]
) -> None:
    """A start that cannot be served gets the session's reason and nothing else."""
    async with serving(FakeGateway(refusal=refusal)) as channel:
        call = converse(channel)
        await send(call, START)
        assert await read_all(call) == []
        assert await reason_of(call) == (code, refusal.reason, metadata)
        assert await call.details() == refusal.message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (START, "START_REPEATED"),
        (b"", "MESSAGE_EMPTY"),
        (sound(b"\0\0\0", 100), "AUDIO_MISALIGNED"),
        (sound(b"", 100), "AUDIO_MISALIGNED"),
        (sound(b"\0\0", 99), "AUDIO_OVERLAP"),
        (sound(bytes(1_350_000), 100), "MESSAGE_TOO_LARGE"),
        (raw(text=client_pb2.TextInput(text="ring \x07")), "TEXT_INVALID"),
        (b"\x1a\x04\x0a\x02\xff\xfe", "TEXT_INVALID"),
    ],
    ids=["start", "empty", "odd", "no audio", "overlap", "1.35 MB", "control", "not UTF-8"],
)
async def test_later_messages_that_are_refused(message: bytes, reason: str) -> None:
    """A breach of the contract ends the call with its exact status, and the session with it."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START, sound(bytes(200)), message)
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, reason, {})
        session = await gateway.sessions.get()
        assert session.was_cancelled
        assert ("finish",) not in session.told
    await nothing_is_left()


# --- capabilities ---


async def test_capabilities() -> None:
    """A client learns before the call what it may ask for."""
    async with serving(FakeGateway()) as channel:
        told = await VoiceGatewayServiceStub(channel).GetCapabilities(GetCapabilitiesRequest())
    assert [(each.language_code, list(each.voices)) for each in told.languages] == [("en-US", ["alba", "bruce"])]
    assert told.server_version == VERSION


async def test_capabilities_before_a_backend_answered() -> None:
    """Nothing is promised as long as nobody knows."""
    refusal = BackendError(Backend.TTS, Reason.BACKEND_UNAVAILABLE, "tts has not answered yet")
    async with serving(FakeGateway(refusal=refusal)) as channel:
        call: Any = VoiceGatewayServiceStub(channel).GetCapabilities(GetCapabilitiesRequest())
        assert await reason_of(call) == (grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE", {"backend": "tts"})
