"""Calls of voicegateway.v1 on a real socket: what is said in them, and what they leave behind."""

import asyncio
from collections.abc import Sequence
from typing import Any

from transports.transport_fakes import (
    FakeSession,
    RawCall,
    audio,
    text,
)
from transports.v1_messages import raw
from voice_gateway.domain import events
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.transports.call import CallLimits
from voicegateway.v1 import client_pb2
from voicegateway.v1.voice_gateway_service_pb2 import (
    ConverseResponse,
)

IMPATIENT = CallLimits(write_stall_ms=100, end_grace_ms=20)
OURS = {"session", "call reader", "call writer"}
START = raw(start=client_pb2.Start())
END = raw(end=client_pb2.End())


def payloads(replies: Sequence[bytes]) -> list[str | None]:
    """The kinds of messages, in order."""
    return [ConverseResponse.FromString(reply).WhichOneof("payload") for reply in replies]


async def next_reply(call: RawCall) -> ConverseResponse:
    """The next message, which must come."""
    reply = await call.read()
    assert isinstance(reply, bytes)
    return ConverseResponse.FromString(reply)


def our_tasks() -> set[asyncio.Task[Any]]:
    """Tasks of calls that are still there."""
    return {task for task in asyncio.all_tasks() if task.get_name() in OURS}


async def nothing_is_left() -> None:
    """Every task of every call comes to its end."""
    if left := our_tasks():
        _, pending = await asyncio.wait(left, timeout=5)
        assert not pending


async def flood(session: FakeSession) -> events.Ended:
    """Speak without pause, far ahead of anyone who listens."""
    while True:
        session.sink.play(audio(1, pcm=bytes(65_536)))
        await asyncio.sleep(0)


async def one_turn(session: FakeSession) -> events.Ended:
    """Hear one frame, answer it, and end when the client does."""
    await session.heard.get()
    sink = session.sink
    sink.emit(events.SpeechStarted(0))
    sink.emit(events.Transcript(TurnId(1), "Hi.", is_final=True))
    sink.emit(text(1))
    sink.play(audio(1, is_last=True))
    finished = events.ReplyFinished(ReplyId(1), TurnId(1), events.ReplyKind.ANSWER, events.ReplyOutcome.COMPLETED, 1)
    sink.emit(finished)
    ended = events.Ended(await session.stop)
    sink.emit(ended)
    return ended
