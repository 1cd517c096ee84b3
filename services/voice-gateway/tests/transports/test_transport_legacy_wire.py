"""The older contract on a raw channel, its messages written by hand from the contract's field numbers."""

import asyncio

import grpc
import pytest
from transports.transport_fakes import (
    FakeGateway,
    FakeSession,
    audio,
    read_all,
    reason_of,
    send,
    serving,
    stream_audio,
    text,
)
from voice_gateway.domain import events
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.player import Player
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext
from voice_gateway.session.ports import SessionRequest

CHUNK_MS = 100
SPEED = 12.8
"""How much faster than real time the load client of this contract pushes its audio."""


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def field(number: int, payload: bytes) -> bytes:
    """A string, bytes or message field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number_field(number: int, value: int) -> bytes:
    """A number or enum field."""
    return varint(number << 3) + varint(value)


def config(language: str = "en-US", session: str = "load-7", rate_hz: int = 16_000) -> bytes:
    """ClientMessage.config"""
    return field(1, field(1, language.encode()) + field(2, session.encode()) + number_field(3, rate_hz))


def audio_chunk(pcm: bytes) -> bytes:
    """ClientMessage.audio_chunk"""
    return field(2, pcm)


def text_input(words: str) -> bytes:
    """ClientMessage.text_input"""
    return field(3, words.encode())


def transcript(words: str) -> bytes:
    """ServerMessage.transcript_chunk"""
    return field(1, words.encode())


def reply_text(words: str) -> bytes:
    """ServerMessage.llm_response_chunk"""
    return field(2, words.encode())


def reply_audio(pcm: bytes) -> bytes:
    """ServerMessage.audio_chunk"""
    return field(3, pcm)


def event(kind: int, message: str = "") -> bytes:
    """ServerMessage.event"""
    return field(4, number_field(1, kind) + (field(2, message.encode()) if message else b""))


READY = event(1, "Ready")
LISTENING, PROCESSING, SPEAKING, END_OF_TURN = (event(kind) for kind in (1, 2, 3, 5))


def tell_turn(session: FakeSession, number: int) -> None:
    """The final transcript of a turn."""
    session.sink.emit(events.Transcript(TurnId(number), f"Turn {number}.", is_final=True))


def tell_reply(session: FakeSession, number: int) -> None:
    """A reply of two sentences."""
    for sentence in (1, 2):
        session.sink.emit(text(number, sentence, f"Sentence {sentence}. "))
        session.sink.play(audio(number, sentence, bytes([number, sentence])))
    session.sink.emit(
        events.ReplyFinished(ReplyId(number), TurnId(number), events.ReplyKind.ANSWER, events.ReplyOutcome.COMPLETED, 2)
    )


async def answer_three_turns(session: FakeSession) -> events.Ended:
    """Commit every turn while audio is still pushed, and answer them after the half-close."""
    session.sink.emit(events.Transcript(TurnId(1), "turn", is_final=False))
    for number in (1, 2, 3):
        tell_turn(session, number)
    cause = await session.stop
    for number in (1, 2, 3):
        tell_reply(session, number)
    session.sink.emit(events.Ended(cause))
    return events.Ended(cause)


async def test_pushed_audio_then_half_close() -> None:
    """Audio at 12.8 times real time and a half-close: every turn is finished in order, then END_OF_TURN, OK."""
    gateway = FakeGateway(answer_three_turns)
    chunk = bytes(2 * 16 * CHUNK_MS)
    async with serving(gateway) as channel:
        call = stream_audio(channel)
        await send(call, config())
        for _ in range(20):
            await send(call, audio_chunk(chunk))
            await asyncio.sleep(CHUNK_MS / 1_000 / SPEED)
        await call.done_writing()
        told = await read_all(call)
        assert await call.code() is grpc.StatusCode.OK
    conversation = [READY, transcript("turn...")]
    for number in (1, 2, 3):
        conversation += [transcript(f"Turn {number}."), PROCESSING]
        for sentence in (1, 2):
            conversation += [reply_text(f"Sentence {sentence}. "), SPEAKING, reply_audio(bytes([number, sentence]))]
        conversation.append(LISTENING)
    assert in_order(told) == in_order([*conversation, END_OF_TURN])
    heard = [what for what in (await gateway.sessions.get()).told if what[0] == "hear"]
    assert [offset for _, _, offset in heard] == [at * 16 * CHUNK_MS for at in range(20)]
    assert gateway.requests == [
        SessionRequest(
            transport="grpc_legacy",
            policy={"min_words": 3, "no_input_ms": 0, "auto_reply": True, "detect_turns": True},
            player=Player.NEVER_HELD,
            input_rate_hz=16_000,
            output_rate_hz=16_000,
            language_code="en-US",
            client_label="load-7",
        )
    ]


def in_order(messages: list[bytes]) -> list[bytes]:
    """Messages without reply text, which may come any time before its sentence is spoken."""
    return [message for message in messages if message[0] >> 3 != 2]


async def test_text_of_a_sentence_comes_before_its_audio() -> None:
    """A client shows each sentence no later than it plays it."""

    async def speak(session: FakeSession) -> events.Ended:
        tell_turn(session, 1)
        tell_reply(session, 1)
        cause = await session.stop
        session.sink.emit(events.Ended(cause))
        return events.Ended(cause)

    async with serving(FakeGateway(speak)) as channel:
        call = stream_audio(channel)
        await send(call, config())
        await call.done_writing()
        told = await read_all(call)
    for sentence in (1, 2):
        shown, played = reply_text(f"Sentence {sentence}. "), reply_audio(bytes([1, sentence]))
        assert told.index(shown) < told.index(played)


async def test_typed_turn() -> None:
    """Text input reaches the session; a call may live on text alone, with the server's own defaults."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = stream_audio(channel)
        await send(call, field(1, b""), text_input("Hi."))
        await call.done_writing()
        assert await read_all(call) == [READY, END_OF_TURN]
        assert await call.code() is grpc.StatusCode.OK
    assert (await gateway.sessions.get()).told == [("type_text", "Hi."), ("finish",)]
    assert gateway.requests == [
        SessionRequest(
            transport="grpc_legacy",
            policy={"min_words": 3, "no_input_ms": 0, "auto_reply": True, "detect_turns": True},
            player=Player.NEVER_HELD,
            input_rate_hz=16_000,
            output_rate_hz=16_000,
        )
    ]


async def test_trouble_goes_on() -> None:
    """Recoverable trouble is ERROR with the reason, then LISTENING, and the call goes on to a good end."""

    async def stumble(session: FakeSession) -> events.Ended:
        session.sink.emit(events.Notice(Reason.LLM_TIMEOUT, "slow"))
        cause = await session.stop
        session.sink.emit(events.Ended(cause))
        return events.Ended(cause)

    async with serving(FakeGateway(stumble)) as channel:
        call = stream_audio(channel)
        await send(call, config())
        await call.done_writing()
        assert await read_all(call) == [READY, event(4, "LLM_TIMEOUT"), LISTENING, END_OF_TURN]
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([audio_chunk(b"\0\0")], "START_REQUIRED"),
        ([text_input("Hi.")], "START_REQUIRED"),
        ([b""], "MESSAGE_EMPTY"),
        ([config(rate_hz=4_000)], "AUDIO_FORMAT_UNSUPPORTED"),
        ([config(), config()], "START_REPEATED"),
        ([config(), audio_chunk(b"\0\0\0")], "AUDIO_MISALIGNED"),
        ([config(), audio_chunk(bytes(1_350_000))], "MESSAGE_TOO_LARGE"),
        ([config(), text_input("a\x00")], "TEXT_INVALID"),
        ([config(), b""], "MESSAGE_EMPTY"),
    ],
)
async def test_messages_that_are_refused(messages: list[bytes], reason: str) -> None:
    """A breach of the contract is INVALID_ARGUMENT with its reason, never an OK call with an ERROR event."""
    async with serving(FakeGateway()) as channel:
        call = stream_audio(channel)
        await send(call, *messages)
        assert await read_all(call) in ([], [READY])
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, reason, {})


async def test_half_close_before_config() -> None:
    """A call without a config is no call."""
    async with serving(FakeGateway()) as channel:
        call = stream_audio(channel)
        await call.done_writing()
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "START_REQUIRED", {})


async def test_session_that_is_refused() -> None:
    """An unknown language is no valid config."""
    refusal = ClientError(Reason.LANGUAGE_UNSUPPORTED, "no Klingon")
    async with serving(FakeGateway(refusal=refusal)) as channel:
        call = stream_audio(channel)
        await send(call, config(language="tlh"))
        assert await read_all(call) == []
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "LANGUAGE_UNSUPPORTED", {})


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("metadata", "trace"),
    [
        ((("traceparent", PARENT), ("tracestate", "a=1")), TraceContext(PARENT, "a=1")),
        ((("traceparent", "none"),), NO_TRACE),
        ((), NO_TRACE),
    ],
)
async def test_the_headers_tell_the_trace(metadata: tuple[tuple[str, str], ...], trace: TraceContext) -> None:
    """A client of the older contract that is instrumented is found in its traces, too."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = stream_audio(channel, metadata)
        await send(call, config())
        await call.done_writing()
        await read_all(call)
    assert [request.trace for request in gateway.requests] == [trace]
