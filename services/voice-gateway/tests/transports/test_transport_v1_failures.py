"""Converse on a real socket when sessions fail, and clients stall or vanish."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pytest
from transports.transport_fakes import (
    AGREEMENT,
    VERSION,
    Anybody,
    FakeGateway,
    FakeSession,
    audio,
    converse,
    read_all,
    reason_of,
    retry_after_ms,
    send,
    serving,
    stream_audio,
)
from transports.v1_calls import IMPATIENT, START, flood, next_reply, nothing_is_left, our_tasks, payloads
from transports.v1_messages import raw, sound
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    GatewayError,
    Reason,
    Unavailable,
)
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.transports.call import CallLimits, hold_call
from voice_gateway.transports.failures import MAX_MESSAGE_CHARS
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_wire.wire import GrpcWire
from voicegateway.v1 import client_pb2

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_failed_session_ends_with_its_status() -> None:
    """What the session said before it failed still reaches the client, then the reason comes."""

    async def fail(session: FakeSession) -> events.Ended:
        session.sink.emit(events.Notice(Reason.RECOGNITION_INTERRUPTED, "again", Backend.ASR))
        raise BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "asr is gone")

    async with serving(FakeGateway(fail)) as channel:
        call = converse(channel)
        await send(call, START)
        assert payloads(await read_all(call)) == ["started", "notice"]
        assert await reason_of(call) == (grpc.StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE", {"backend": "asr"})
    await nothing_is_left()


async def test_refusal_follows_what_was_said() -> None:
    """A status never overtakes, and never gets lost behind, a message that is just being written (300 tries)."""
    async with serving(FakeGateway()) as channel:
        for _ in range(300):
            call = converse(channel)
            await send(call, START, b"")
            assert payloads(await read_all(call)) == ["started"]
            assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_EMPTY", {})
    await nothing_is_left()


@pytest.mark.parametrize(
    ("refusal", "level"),
    [
        (ClientError(Reason.LANGUAGE_UNSUPPORTED, "no language " + "x" * 100_000), logging.INFO),
        (BackendError(Backend.LLM, Reason.BACKEND_UNAVAILABLE, "no llm backend answers"), logging.WARNING),
    ],
    ids=["client", "backend"],
)
async def test_refused_call_is_logged(refusal: GatewayError, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """A call that never becomes a session leaves one line, of bounded length, with its reason, caller and trace."""
    caplog.set_level(logging.INFO, "voice_gateway")
    async with serving(FakeGateway(refusal=refusal)) as channel:
        call = converse(channel)
        await send(call, raw(start=client_pb2.Start(traceparent=PARENT)))
        await read_all(call)
        _, reason, _ = await reason_of(call)
        assert reason == refusal.reason
    (record,) = (record for record in caplog.records if record.getMessage() == "call_refused")
    told = vars(record)
    assert (record.levelno, told["reason"]) == (level, refusal.reason)
    assert len(told["detail"]) <= MAX_MESSAGE_CHARS
    assert told["peer"].startswith("ip")
    assert told["traceparent"] == PARENT


async def test_fault_of_our_own_is_logged_and_internal(caplog: pytest.LogCaptureFixture) -> None:
    """A client is told INTERNAL and no more; the log has the traceback."""

    async def crash(_: FakeSession) -> events.Ended:
        raise ZeroDivisionError

    async with serving(FakeGateway(crash)) as channel:
        call = converse(channel)
        await send(call, START)
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.INTERNAL, "INTERNAL", {})
        assert await call.details() == "internal error"
    (fault,) = (record.exc_info[1] for record in caplog.records if record.exc_info)
    assert isinstance(fault, ZeroDivisionError)
    assert fault.__notes__ == [f"session {AGREEMENT.session_id}"]


@pytest.mark.parametrize(
    ("gateway", "sent", "told"),
    [
        (FakeGateway, (sound(b"\1\0"), sound(b"\1\0")), (logging.INFO, "AUDIO_OVERLAP")),
        (partial(FakeGateway, flood), (), (logging.WARNING, "CLIENT_STALLED")),
    ],
    ids=["contract broken", "does not read"],
)
async def test_call_broken_off_is_logged(
    gateway: Callable[[], FakeGateway], sent: tuple[bytes, ...], told: tuple[int, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its session is merely cancelled, as if the client had vanished: one line with its id and trace says why."""
    caplog.set_level(logging.INFO, "voice_gateway")
    opened = gateway()
    opened.agreement = replace(AGREEMENT, trace=TraceContext(PARENT))
    async with serving(opened, replace(IMPATIENT, max_queued_bytes=2**30)) as channel:
        call = converse(channel)
        await send(call, START, *sent)
        await (await opened.sessions.get()).over.wait()
        await read_all(call)
    (record,) = (record for record in caplog.records if record.getMessage() == "call_broken_off")
    fields = vars(record)
    assert ((record.levelno, fields["reason"]), fields["session"]) == (told, AGREEMENT.session_id)
    assert fields["traceparent"] == PARENT


async def test_fault_while_leaving_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A session that breaks while it is being cancelled is not silent about it; the client's own reason stands."""

    async def break_on_the_way_out(session: FakeSession) -> events.Ended:
        try:
            return events.Ended(await session.stop)
        finally:
            raise ZeroDivisionError

    async with serving(FakeGateway(break_on_the_way_out)) as channel:
        call = converse(channel)
        await send(call, START, b"")
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_EMPTY", {})
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_client_that_does_not_read() -> None:
    """A write that stays pending ends the session, and the client reads why when it reads again."""
    gateway = FakeGateway(flood)
    async with serving(gateway, replace(IMPATIENT, max_queued_bytes=2**30)) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        await session.over.wait()
        assert session.was_cancelled
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.DEADLINE_EXCEEDED, "CLIENT_STALLED", {})
        await nothing_is_left()


async def test_client_that_reads_too_slowly() -> None:
    """More waiting audio than the bound ends the session without waiting for the write."""
    gateway = FakeGateway(flood)
    async with serving(gateway, CallLimits(write_stall_ms=3_600_000)) as channel:
        call = converse(channel)
        await send(call, START)
        await (await gateway.sessions.get()).over.wait()
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.DEADLINE_EXCEEDED, "CLIENT_STALLED", {})


async def test_stalled_client_that_leaves_without_reading(caplog: pytest.LogCaptureFixture) -> None:
    """A status that nobody takes is no error of the server's."""
    gateway = FakeGateway(flood)
    caplog.set_level(logging.INFO)
    async with serving(gateway, replace(IMPATIENT, max_queued_bytes=2**30)) as channel:
        call = converse(channel)
        await send(call, START)
        await (await gateway.sessions.get()).over.wait()
        call.cancel()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("way", ["cancel", "close"])
async def test_vanishing_client_leaves_nothing(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client that disappears in the middle of a reply takes its session and every task of its call with it."""

    async def speak(session: FakeSession) -> events.Ended:
        for offset in range(100_000):
            session.sink.play(audio(1, offset=offset))
            await asyncio.sleep(0)
        raise AssertionError("nobody stopped the session")

    gateway = FakeGateway(speak)
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        assert [(await next_reply(call)).WhichOneof("payload") for _ in range(2)] == ["started", "reply_audio"]
        session = await gateway.sessions.get()
        if way == "cancel":
            call.cancel()
        else:
            await channel.close()
        await session.over.wait()
        await nothing_is_left()
        assert session.was_cancelled
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_session_that_ends_itself_well_is_cancelled_once() -> None:
    """Backends are left in good order when a client vanishes: a second cancellation would break into that."""
    has_left_well = asyncio.Event()

    async def slow_to_leave(_: FakeSession) -> events.Ended:
        try:
            await asyncio.Event().wait()
            raise AssertionError("nobody stopped the session")
        finally:
            for _turn in range(1_000):  # turns of the loop in which the call does all else that it does when it ends
                await asyncio.sleep(0)
            has_left_well.set()

    gateway = FakeGateway(slow_to_leave)
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        await call.read()
        call.cancel()
        await session.over.wait()
    assert has_left_well.is_set()


async def test_vanishing_client_while_there_is_no_room() -> None:
    """A call that does not read sees its client vanish all the same."""
    gateway = FakeGateway()
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        session = await gateway.sessions.get()
        session.is_full = True
        await send(call, sound(b"\0\0"))
        await session.waits_for_room.wait()
        call.cancel()
        await session.over.wait()
        await nothing_is_left()


class DeadContext:
    """A call that has ended under its handler: it takes no status, and no headers or else no message."""

    def __init__(self, *, takes_headers: bool, first: bytes = START) -> None:
        self._requests = [first]
        self._takes_headers = takes_headers
        self.rest = asyncio.get_running_loop().create_future()
        """What a read comes to that was begun before the end."""

    def peer(self) -> str:
        """Nobody in particular."""
        return "unix:"

    async def read(self) -> bytes:
        """The first message; then what comes with the end."""
        if self._requests:
            return self._requests.pop()
        return bytes(await self.rest)

    async def send_initial_metadata(self, _: object) -> None:
        """As gRPC does; on a live call it takes a moment."""
        await asyncio.sleep(0)
        if not self._takes_headers:
            raise grpc.aio.InternalError

    async def write(self, _: bytes) -> None:
        """As gRPC does on an ended call."""
        raise asyncio.InvalidStateError

    async def abort_with_status(self, _: object) -> None:
        """As gRPC does on an ended call."""
        raise grpc.aio.InternalError


@pytest.mark.parametrize("takes_headers", [True, False])
async def test_call_that_ended_under_us(takes_headers: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001  a parameter
    """A call that has just ended stops its session without noise."""
    gateway = FakeGateway()
    context: Any = DeadContext(takes_headers=takes_headers)
    await hold_call(GrpcWire(context), Codec(VERSION), gateway.doors, CallLimits())
    session = await gateway.sessions.get()
    assert session.was_cancelled
    assert session.is_released
    assert caplog.records == []
    assert not context.rest.cancelled()
    context.rest.set_result(sound(b"\1\0"))
    await nothing_is_left()
    assert session.told == []


async def test_a_status_that_a_call_does_not_take_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A call that has ended while it was being refused leaves one line, and no fault."""
    context: Any = DeadContext(takes_headers=True, first=b"")
    await hold_call(GrpcWire(context), Codec(VERSION), FakeGateway().doors, CallLimits())
    told = [(record.levelno, vars(record)["reason"]) for record in caplog.records if record.msg != "call_refused"]
    assert told == [(logging.WARNING, "MESSAGE_EMPTY")]


class SpeechlessCodec(Codec):
    """Cannot greet anybody."""

    def opened(self, agreement: Agreement) -> list[bytes]:
        """A fault of ours."""
        raise ValueError(agreement.session_id)


async def test_a_session_that_never_ran_is_released() -> None:
    """A fault between a session's admission and its first step takes no place for ever."""
    gateway = FakeGateway()
    context: Any = DeadContext(takes_headers=True)
    await hold_call(GrpcWire(context), SpeechlessCodec(VERSION), gateway.doors, CallLimits())
    session = await gateway.sessions.get()
    assert session.is_released
    assert not session.over.is_set()
    assert our_tasks() == set()


class VanishingContext:
    """A call whose client breaks the contract while a write is pending, and then vanishes."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_writing = asyncio.Event()
        self.has_ended = asyncio.Event()

    def peer(self) -> str:
        """Nobody in particular."""
        return "unix:"

    async def read(self) -> bytes:
        """What the test puts there."""
        return await self.requests.get()

    async def send_initial_metadata(self, _: object) -> None:
        """As gRPC does."""
        await asyncio.sleep(0)

    async def write(self, _: bytes) -> None:
        """Pending until the call ends; gRPC says so then."""
        self.is_writing.set()
        await self.has_ended.wait()
        raise asyncio.InvalidStateError


async def test_a_client_that_vanishes_while_its_call_ends_leaves_nothing() -> None:
    """A cancellation that finds a call ending waits for its session and its writer, lest they die unheard."""
    is_leaving, has_left_well = asyncio.Event(), asyncio.Event()

    async def slow_to_leave(session: FakeSession) -> events.Ended:
        try:
            return events.Ended(await session.stop)
        finally:
            is_leaving.set()
            for _turn in range(100):  # turns of the loop
                await asyncio.sleep(0)
            has_left_well.set()

    gateway, context = FakeGateway(slow_to_leave), VanishingContext()
    vanishing: Any = context
    context.requests.put_nowait(START)
    limits = CallLimits(write_stall_ms=3_600_000)
    handler = asyncio.create_task(hold_call(GrpcWire(vanishing), Codec(VERSION), gateway.doors, limits))
    await context.is_writing.wait()
    context.requests.put_nowait(b"")
    await is_leaving.wait()
    handler.cancel()
    await has_left_well.wait()
    for _turn in range(100):
        await asyncio.sleep(0)
    assert not handler.done()
    context.has_ended.set()
    with pytest.raises(asyncio.CancelledError):
        await handler
    assert our_tasks() == set()


async def test_a_full_server_refuses_before_it_looks_at_what_is_wanted() -> None:
    """A flood costs no parsing: also what would be no start is told that the server is full, and when to return."""
    full = Unavailable(Reason.AT_CAPACITY, "full", retry_after_ms=1_500)
    gateway = FakeGateway(early_refusal=full)
    async with serving(gateway, entrance=Anybody()) as channel:
        for call in (converse(channel), stream_audio(channel)):
            await send(call, b"\xff")
            assert await read_all(call) == []
            assert await reason_of(call) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "AT_CAPACITY", {})
            assert await retry_after_ms(call) == 1_500
    assert gateway.requests == []
    assert [caller.account for caller in gateway.callers] == ["address:127.0.0.1"] * 2


async def test_a_session_knows_its_caller() -> None:
    """What usage is counted by reaches the session with the request."""
    gateway = FakeGateway()
    async with serving(gateway, entrance=Anybody()) as channel:
        call = converse(channel)
        await send(call, START)
        await gateway.sessions.get()
        call.cancel()
    assert [request.caller.address for request in gateway.requests] == ["127.0.0.1"]
