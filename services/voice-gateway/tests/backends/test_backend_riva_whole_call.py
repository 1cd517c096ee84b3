"""Calls that are given up: no task is cancelled inside an operation of gRPC, which costs native memory."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest
from gateway_kit import virtual_time
from grpc.aio import _call as grpc_calls
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.backends.riva.whole_call import READ_AHEAD, WholeCall
from voice_gateway.domain.errors import BackendError, RecognitionStalled
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import RecognitionSpec, VoiceSpec
from voicegateway_testkit.fakes.asr import AsrTiming, FakeAsr
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
from voicegateway_testkit.faults import Hang, StallAfterSamples

SESSION = SessionId("s1")
SPEC = RecognitionSpec("en-US", 16_000, stop_history_eou_ms=240, stop_history_ms=480)
VOICE = VoiceSpec("en-US", "", 16_000)


@dataclass
class Watched:
    """Operations on calls: how many ran, are running, and were broken off by the cancellation of their task."""

    begun: int = 0
    running: int = 0
    broken_off: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_begun(self, count: int) -> None:
        """Return when this many operations have begun."""
        while self.begun < count:
            self._changed.clear()
            await self._changed.wait()

    def wrap(self, name: str, operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The operation, watched."""

        async def watched(*arguments: Any) -> Any:
            self.begun += 1
            self.running += 1
            self._changed.set()
            try:
                return await operation(*arguments)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # it was not the call that was cancelled
                    self.broken_off.append(name)
                raise
            finally:
                self.running -= 1

        return watched


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Watches every read and write of a streamed call, and that each comes to its end."""
    watched = Watched()
    for mixin, name in ((grpc_calls._StreamResponseMixin, "read"), (grpc_calls._StreamRequestMixin, "write")):
        monkeypatch.setattr(mixin, name, watched.wrap(name, getattr(mixin, name)))
    unary = grpc_calls.UnaryUnaryCall
    monkeypatch.setattr(unary, "_invoke", watched.wrap("invoke", unary._invoke))
    yield watched
    assert watched.begun
    assert watched.broken_off == []


async def speak(client: RivaSynthesizer) -> None:
    """A sentence from beginning to end."""
    async for _ in client.synthesize(SESSION, VOICE, "Good morning to everybody."):
        pass


async def silence(client: RivaRecognizer, answer_within_ms: int | None = None) -> None:
    """Listen to an open microphone."""

    async def microphone() -> AsyncIterator[bytes]:
        yield bytes(3_200)
        await asyncio.Event().wait()

    async for _ in client.recognize(SESSION, SPEC, microphone(), lambda: answer_within_ms):
        pass


async def give_up(task: asyncio.Task[None]) -> None:
    """Cancel who waits for the call."""
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()


@pytest.mark.parametrize("fault", [Hang(), StallAfterSamples(1_600)], ids=str)
async def test_a_sentence_that_is_cut_off_is_read_to_its_end(fault: Hang | StallAfterSamples, watched: Watched) -> None:
    """Who interrupts the agent cancels the call, and nothing of it is left, before its first audio and after it."""
    async with FakeTts(timing=TtsTiming(first_audio_ms=0)) as fake:
        client = RivaSynthesizer(RivaTtsSettings(RivaSettings((fake.address,))))
        fake.faults.always(fault)
        for number in range(3):
            task = asyncio.create_task(speak(client))
            await fake.wait_until(lambda number=number: len(fake.sentences) > number)  # type: ignore[misc]
            await give_up(task)
            assert watched.running == 0
        await fake.wait_until(lambda: fake.open_calls == 0)
        assert fake.cancelled_calls == 3
        await client.pool.close()


@pytest.mark.parametrize("fault", [Hang(), StallAfterSamples(1_600)], ids=str)
async def test_a_deadline_of_synthesis_breaks_off_no_read(fault: Hang | StallAfterSamples, watched: Watched) -> None:
    """Audio that comes too late, or stops, is given up without cancelling who reads it."""
    async with FakeTts(timing=TtsTiming(first_audio_ms=0)) as fake:
        settings = RivaTtsSettings(
            RivaSettings((fake.address,)), first_audio_deadline_ms=500, next_audio_deadline_ms=100
        )
        client = RivaSynthesizer(settings)
        fake.faults.always(fault)
        with pytest.raises(BackendError):
            await speak(client)
        assert watched.running == 0
        await client.pool.close()


async def test_a_recognition_that_is_dropped_is_read_to_its_end(watched: Watched) -> None:
    """A caller who hangs up cancels the call, both what is read of it and what is written."""
    async with FakeAsr([Utterance("hello")], timing=AsrTiming(interim_ms=0)) as fake:
        client = RivaRecognizer(RivaSettings((fake.address,)))
        task = asyncio.create_task(silence(client))
        await fake.wait_until(lambda: fake.open_streams == 1)
        await watched.until_begun(2)  # the server may know of the stream before it is read or written here
        await give_up(task)
        assert watched.running == 0
        await fake.wait_until(lambda: fake.open_streams == 0)
        await client.pool.close()


async def test_a_recogniser_that_is_given_up_breaks_off_no_read(watched: Watched) -> None:
    """The patience of a session ends the call and not who reads it."""
    async with FakeAsr([Utterance("hello")]) as fake:
        client = RivaRecognizer(RivaSettings((fake.address,)))
        fake.faults.always(Hang())
        with pytest.raises(RecognitionStalled):
            await silence(client, answer_within_ms=50)
        assert watched.running == 0
        await client.pool.close()


async def test_a_health_check_that_gets_no_answer_ends_by_its_own_deadline(watched: Watched) -> None:
    """A server that hangs is asked twice a second for as long as it does: the deadline is gRPC's and cancels nobody."""

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    client = RivaRecognizer(RivaSettings((f"{host}:{port}",), probe_deadline_ms=100))
    await client.pool.probe()
    assert not client.pool.is_healthy
    assert watched.running == 0
    await client.pool.close()
    gone.set()
    server.close()
    await server.wait_closed()


async def test_a_server_that_takes_no_headers_is_given_up() -> None:
    """An address where connections are made and nothing is said holds up neither who speaks nor who leaves."""

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    gone = asyncio.Event()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    settings = RivaSettings((f"{host}:{port}",), connect_deadline_ms=100)
    hearing, speaking = RivaRecognizer(settings), RivaSynthesizer(RivaTtsSettings(settings))
    with pytest.raises(BackendError):
        await silence(hearing)
    with pytest.raises(BackendError):
        await speak(speaking)
    for call in (silence(hearing), speak(speaking)):
        task = asyncio.create_task(call)
        await asyncio.sleep(0)  # it has begun
        await give_up(task)
    assert [each.calls for client in (hearing, speaking) for each in client.pool.status().addresses] == [0, 0]
    await hearing.pool.close()
    await speaking.pool.close()
    gone.set()
    server.close()
    await server.wait_closed()


class Stuck:
    """A call on a connection that is stuck in a write: nothing of it ends, cancelled or not."""

    async def read(self) -> None:
        """Never."""
        await asyncio.Event().wait()

    def cancel(self) -> None:
        """Without effect."""


def test_a_stuck_connection_is_not_waited_for() -> None:
    """Behind a cut cable the core ends no operation for a quarter of an hour; the session goes on at once."""

    async def main() -> None:
        call = WholeCall(Stuck())
        reading = asyncio.create_task(call.read())
        await asyncio.sleep(0)
        began_s = asyncio.get_running_loop().time()
        await call.close()
        assert asyncio.get_running_loop().time() - began_s < 1
        reading.cancel()
        await asyncio.wait({reading})

    virtual_time.run(main())


class Ended:
    """A call that its server ends between the headers and the first write."""

    def __init__(self) -> None:
        self.is_over = False

    async def wait_for_connection(self) -> None:
        """Raise how it ended, once it has."""
        if self.is_over:
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())

    async def write(self, message: object) -> None:
        """Too late."""
        del message
        self.is_over = True
        raise asyncio.InvalidStateError

    def cancel(self) -> None:
        """Nothing to cancel."""


def test_a_write_that_meets_the_end_of_its_call_tells_how_it_ended() -> None:
    """A recogniser that refuses just then is passed over for the next, and no stream of it is left open."""

    async def main() -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await WholeCall(Ended()).write(b"")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    virtual_time.run(main())


class Failing:
    """A call whose read fails when it is told to."""

    def __init__(self) -> None:
        self.fails = asyncio.Event()

    async def read(self) -> None:
        """Fail."""
        await self.fails.wait()
        raise ZeroDivisionError


@pytest.mark.parametrize("steps", range(5))
def test_a_failure_that_nobody_waits_for_any_more_is_seen(steps: int) -> None:
    """Whoever waited may be cancelled in any step around the failure: no exception is left that nobody retrieves."""
    unseen: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        call = Failing()
        waiting = asyncio.create_task(WholeCall(call).read())
        await asyncio.sleep(0.01)
        call.fails.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await asyncio.sleep(0.01)
        if not waiting.cancelled():
            assert isinstance(waiting.exception(), ZeroDivisionError)
        del waiting, call
        gc.collect()

    virtual_time.run(main())
    gc.collect()
    assert unseen == []


@dataclass
class Endless:
    """A call that takes every message and has always another one to read, a millisecond apart."""

    written: int = 0
    read_count: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_connection(self) -> None:
        """It is there."""

    async def write(self, message: object) -> None:
        """Take it."""
        del message
        await asyncio.sleep(0.001)
        self.written += 1

    async def read(self) -> int:
        """The next number."""
        await asyncio.sleep(0.001)
        if self.over.is_set():
            raise asyncio.CancelledError
        self.read_count += 1
        return self.read_count

    def cancel(self) -> None:
        """Operations end."""
        self.over.set()


def test_messages_cost_no_task_each() -> None:
    """Audio is written in small pieces in every session: one task writes them all, and one reads all answers."""
    made: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call = WholeCall(endless := Endless())

        async def write_all() -> None:
            for _ in range(100):
                await call.write_next(b"")

        def make(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(str(work))
            return asyncio.Task(work, loop=loop, **options)

        loop.set_task_factory(make)
        writer = call.write_in(write_all())
        assert [await call.read() for _ in range(100)] == list(range(1, 101))
        await writer
        assert endless.written == 100
        loop.set_task_factory(None)
        await call.close()

    virtual_time.run(main())
    assert len(made) == 2


def test_what_nobody_takes_is_not_read() -> None:
    """A slow taker leaves the backlog to gRPC's flow control, and the reader that waits for it ends with the call."""

    async def main() -> None:
        call = WholeCall(endless := Endless())
        assert await call.read() == 1
        await asyncio.sleep(1)
        assert endless.read_count == 1 + READ_AHEAD
        assert await call.read() == 2
        await call.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


@pytest.mark.parametrize("is_writing", [True, False])
def test_a_writer_ends_with_its_call_wherever_it_is(is_writing: bool) -> None:  # noqa: FBT001 - a case
    """In the midst of a write that succeeds all the same, or waiting for something to write."""
    broken_off: list[bool] = []

    async def main() -> None:
        call = WholeCall(endless := Endless())

        async def write_all() -> None:
            try:
                if is_writing:
                    await call.write_next(b"")
                await asyncio.Event().wait()
            finally:
                broken_off.append(endless.written == 0)

        writer = call.write_in(write_all())
        await asyncio.sleep(0)
        await call.close()
        assert writer.cancelled()

    virtual_time.run(main())
    assert broken_off == [not is_writing]


def test_a_call_that_is_closed_before_its_operation_began_leaves_nothing() -> None:
    """Who is cancelled in the very step in which it begins to write or to read has begun neither."""

    async def main() -> None:
        call = WholeCall(endless := Endless())
        tasks = [asyncio.create_task(call.write(b"")), asyncio.create_task(call.read())]
        await asyncio.sleep(0)
        await call.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (endless.written, endless.read_count) == (0, 0)

    virtual_time.run(main())


def test_the_end_of_a_call_is_told_again() -> None:
    """Whoever reads on after the end, or after a failure, is told the same."""

    async def main() -> None:
        failing = Failing()
        failing.fails.set()
        call = WholeCall(failing)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await call.read()

    virtual_time.run(main())
