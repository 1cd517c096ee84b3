"""No read and no write of gRPC is broken off, and none outlives its call."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from gateway_kit.counted import Sent
from gateway_kit.loopback import listening
from transports.transport_fakes import (
    VERSION,
    FakeGateway,
    Script,
    converse,
    read_all,
    reason_of,
    send,
    until_told_to_stop,
)
from transports.v1_calls import IMPATIENT, START, flood, nothing_is_left, our_tasks
from transports.v1_messages import sound
from voice_gateway.domain import events
from voice_gateway.domain.errors import Unavailable
from voice_gateway.transports import operations
from voice_gateway.transports.call import CallLimits, hold_call
from voice_gateway.transports.client_input import MAX_REQUEST_BYTES
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_wire.wire import GrpcWire

CALLS = 10


@dataclass
class Spy:
    """What becomes of the operations of every call."""

    begun: int = 0
    broken_off: list[str] = field(default_factory=list)

    def around(self, context: Any) -> Any:
        """The call, looked at."""
        return Spied(context, self)

    async def look(self, name: str, operation: Any) -> Any:
        """Await an operation."""
        self.begun += 1
        try:
            return await operation
        except asyncio.CancelledError:
            self.broken_off.append(name)
            raise


@dataclass
class Spied:
    """A call whose operations are looked at."""

    context: Any
    spy: Spy

    def __getattr__(self, name: str) -> Any:
        """All else is as it is."""
        return getattr(self.context, name)

    async def read(self) -> Any:
        """Read."""
        return await self.spy.look("read", self.context.read())

    async def write(self, raw: bytes) -> None:
        """Write."""
        await self.spy.look("write", self.context.write(raw))


@asynccontextmanager
async def spied_on(gateway: FakeGateway, spy: Spy, limits: CallLimits) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server whose calls are looked at."""

    async def serve(_: object, context: Any) -> None:
        await hold_call(GrpcWire(spy.around(context)), Codec(VERSION), gateway.doors, limits)

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Converse": grpc.stream_stream_rpc_method_handler(serve)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("voicegateway.v1.VoiceGatewayService", handlers),)
    )
    async with listening(server) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel


async def idle(session: Any) -> events.Ended:
    """End by itself, while the client still sends."""
    await session.heard.get()
    session.sink.emit(events.Ended(events.EndCause.IDLE))
    return events.Ended(events.EndCause.IDLE)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (idle, grpc.StatusCode.OK),
        (flood, grpc.StatusCode.DEADLINE_EXCEEDED),
        (until_told_to_stop, grpc.StatusCode.INVALID_ARGUMENT),
    ],
    ids=["it ends before its client does", "its client does not read", "its client breaks the protocol"],
)
async def test_operations_end_with_their_call(script: Script, code: grpc.StatusCode) -> None:
    """Whoever ends a call, what gRPC has of it is left to end by itself; after many calls no task is there."""
    spy = Spy()
    limits = replace(IMPATIENT, max_queued_bytes=2**30)
    gateway = FakeGateway(script)
    async with spied_on(gateway, spy, limits) as channel:
        for _ in range(CALLS):
            call = converse(channel)
            await send(call, START, b"" if script is until_told_to_stop else sound(b"\1\0"))
            await (await gateway.sessions.get()).over.wait()
            await read_all(call)
            assert (await reason_of(call))[0] is code
        await nothing_is_left()
    assert spy.begun > CALLS
    assert spy.broken_off == []
    assert not operations._left


async def test_what_comes_late_is_not_heard() -> None:
    """A client that goes on sending while its call ends tells the session nothing more."""
    spy = Spy()
    gateway = FakeGateway(idle)
    async with spied_on(gateway, spy, IMPATIENT) as channel:
        call = converse(channel)
        await send(call, START, sound(b"\1\0"))
        session = await gateway.sessions.get()
        await read_all(call)
        assert await call.code() is grpc.StatusCode.OK
        await nothing_is_left()
    assert [what for what, *_ in session.told] == ["hear"]
    assert our_tasks() == set()


TOO_LARGE = bytes(MAX_REQUEST_BYTES + 1)


class Counting(Spy):
    """Makes what is read countable."""

    async def look(self, name: str, operation: Any) -> Any:
        """Await an operation."""
        outcome = await super().look(name, operation)
        return Sent(outcome) if isinstance(outcome, bytes) else outcome


@pytest.mark.parametrize(
    "sent",
    [[START, TOO_LARGE], [START, b"\xff" * 1_000], [START, b""], [START, START], [TOO_LARGE]],
    ids=["too large", "garbage", "empty", "start", "too large at first"],
)
async def test_what_a_call_is_ended_for_goes_with_it(sent: list[bytes]) -> None:
    """A client that sends nothing but megabytes too many fills no pod until the collector comes."""
    gateway = FakeGateway(until_told_to_stop)
    gc.disable()
    Sent.alive = 0
    try:
        async with spied_on(gateway, Counting(), IMPATIENT) as channel:
            for _ in range(CALLS):
                call = converse(channel)
                await send(call, *sent)
                await read_all(call)
                assert (await reason_of(call))[0] is grpc.StatusCode.INVALID_ARGUMENT
            await nothing_is_left()
            assert Sent.alive == 0
    finally:
        gc.enable()


class Silent:
    """A call in which nothing comes."""

    async def read(self) -> bytes:
        """Never."""
        await asyncio.Event().wait()
        return b""


async def test_a_timeout_goes_with_whoever_has_met_it() -> None:
    """An error in a circle with its frames keeps them, and the last message in them, until the collector comes."""
    silent: Any = Silent()
    met: list[weakref.ref[Unavailable]] = []
    gc.disable()
    try:
        try:
            await operations.read_within(silent, 1)
        except Unavailable as late:
            met.append(weakref.ref(late))
        assert [each() for each in met] == [None]
    finally:
        gc.enable()
        for task in set(operations._left):
            task.cancel()


# --- cancelled in the same moment in which it fails ---


async def fails_when(told: asyncio.Future[None]) -> None:
    """A task that dies."""
    await told
    raise ZeroDivisionError


class Failing(Silent):
    """A call whose read fails when it is told to."""

    def __init__(self, told: asyncio.Future[None]) -> None:
        self._told = told

    async def read(self) -> bytes:
        """Fail."""
        await fails_when(self._told)
        return b""


def a_read(told: asyncio.Future[None]) -> Coroutine[Any, Any, Any]:
    """A read that fails."""
    wire: Any = Failing(told)
    return operations.read_within(wire, 60_000)


def an_ending(told: asyncio.Future[None]) -> Coroutine[Any, Any, Any]:
    """The end of a call, which fails."""
    return operations.through(fails_when(told))


def a_cancellation(told: asyncio.Future[None]) -> Coroutine[Any, Any, Any]:
    """Of a task that fails meanwhile."""

    async def obstinate() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await fails_when(told)

    return operations.cancel(asyncio.create_task(obstinate()), raised=None)


@pytest.mark.parametrize(
    ("begin", "cancelled"),
    [(a_read, 1), (an_ending, 1), (an_ending, 2), (a_cancellation, 1)],
    ids=["a read", "an ending", "an ending, twice", "a cancellation"],
)
@pytest.mark.parametrize("ticks", [0, 1, 2, 20])
async def test_what_an_operation_died_of_is_looked_at(
    begin: Callable[[asyncio.Future[None]], Coroutine[Any, Any, Any]], cancelled: int, ticks: int
) -> None:
    """However close a call's cancellation and the failure of what it waits for are, the loop does not tell of a task
    whose exception was never retrieved.
    """
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    told = loop.create_future()
    waiting = asyncio.create_task(begin(told))
    for _ in range(5):
        await asyncio.sleep(0)
    told.set_result(None)
    for number in range(cancelled):
        for _ in range(ticks if number == 0 else 1):
            await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.wait({waiting})
    if left := set(operations._left):
        await asyncio.wait(left)
    if not waiting.cancelled():
        waiting.exception()
    del waiting
    gc.collect()
    assert faults == []


async def test_an_ending_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A call that was cancelled while it ended has nobody else to tell of a fault of ours."""
    told = asyncio.get_running_loop().create_future()
    ending = asyncio.create_task(an_ending(told))
    await asyncio.sleep(0)
    ending.cancel()
    told.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert [line.exc_info[0] for line in caplog.records if line.exc_info] == [ZeroDivisionError]
