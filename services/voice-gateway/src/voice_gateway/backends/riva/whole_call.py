"""A streamed call of grpc.aio whose reads and writes are never broken off: the call is cancelled, and they end.

A task that is cancelled inside `read()` leaves the operation to gRPC's core, and the message that comes all the same is
never freed: 7 kB for each reply that was cut off in the midst of its audio, and nothing since (measured
2026-11-28 with grpcio 1.85 by `make bench SECTION=leak`). Deadlines cancel, too. So a call has one task that reads and
one that writes, for as long as it lasts, and these are cancelled between operations only. Whoever waits for them may be
cancelled at any time. A task for each operation does the same and costs 1.3 times the CPU of a write.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

CLOSE_S = 0.1
"""Operations of a cancelled call end at once, but for those on a connection that is stuck in a write: behind a cut
cable gRPC's core holds them back until TCP gives up, a quarter of an hour later, and who waited for them would be deaf.
"""
READ_AHEAD: Final = 1
"""Messages that wait to be taken. More would only move the backlog from gRPC's flow control to here."""

_left: set[asyncio.Task[Any]] = set()
"""Tasks that nobody waits for any more; the loop itself holds none."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """How reading ended."""

    error: BaseException


class WholeCall:
    """One call. Reads are made one after the other, and so are writes."""

    def __init__(self, call: Any) -> None:
        self._call = call
        """A call of one of Riva's stubs, which have no types."""
        self._running: set[asyncio.Task[Any]] = set()
        self._operating: set[asyncio.Task[Any] | None] = set()
        """Those inside an operation."""
        self._is_cancelled = False
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._unread: deque[Any] = deque()
        """Messages, and at last grpc.aio.EOF or a `_Failure`, which stays."""
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def read(self) -> Any:
        """The next message, or grpc.aio.EOF; raises what the call's own raises."""
        if self._reader is None:
            self._reader = self._begin(self._read_all())
        while not self._unread:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        message = self._unread[0]
        if isinstance(message, _Failure):
            raise message.error
        if message is not grpc.aio.EOF:
            self._unread.popleft()
            _wake(self._room)
        return message

    async def write(self, message: Any) -> None:
        """Send a message now and then, in a task of its own; raises what the call's own raises.

        Until the headers are sent nothing is in gRPC's core, and a server that takes none never lets `write` go, not
        even when the call is cancelled: whoever waits for that waits here, and may be cancelled.
        """
        await self._call.wait_for_connection()
        try:
            await self._wait_for(self._call.write, message)
        except asyncio.InvalidStateError:
            await self._call.wait_for_connection()  # the call has ended meanwhile: this raises how
            raise

    def write_in(self, writer: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin the task that sends messages by `write_next`. Nobody but `close` cancels it."""
        self._writer = self._begin(writer)
        return self._writer

    async def write_next(self, message: Any) -> None:
        """Send a message from the task of `write_in`; the first one is to be sent by `write`."""
        # As `_operate` does, for a tenth of the CPU less: of this there is the most.
        self._operating.add(self._writer)
        try:
            await self._call.write(message)
        finally:
            self._operating.discard(self._writer)
        if self._is_cancelled:
            raise asyncio.CancelledError

    async def done_writing(self) -> None:
        """Half-close; raises what the call's own raises."""
        await self._wait_for(self._call.done_writing)

    def cancel(self) -> None:
        """Cancel the call if it still runs: what is being read or written ends at once."""
        self._is_cancelled = True
        self._call.cancel()

    async def close(self) -> None:
        """Cancel the call. Nothing of it runs afterwards, unless its connection is stuck: then until that breaks."""
        self.cancel()
        for task in self._running - self._operating:
            task.cancel()
        if self._running:
            _left.update(self._running)
            await asyncio.wait(self._running, timeout=CLOSE_S)

    async def _read_all(self) -> None:
        is_over = False
        while not is_over:
            while len(self._unread) >= READ_AHEAD:
                self._room = asyncio.get_running_loop().create_future()
                await self._room
            try:
                message = await self._operate(self._call.read)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised by `read`
                message = _Failure(error)
            is_over = message is grpc.aio.EOF or isinstance(message, _Failure)
            self._unread.append(message)
            _wake(self._arrival)

    async def _operate(self, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Let an operation of the task that runs end, and the task too if the call was cancelled meanwhile."""
        task = asyncio.current_task()
        self._operating.add(task)
        try:
            result = await operation(*arguments)
        finally:
            self._operating.discard(task)
        if self._is_cancelled:
            raise asyncio.CancelledError
        return result

    async def _wait_for(self, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        over = asyncio.get_running_loop().create_future()
        task = self._begin(self._operate(operation, *arguments))
        task.add_done_callback(lambda _: _wake(over))
        await over
        return task.result()

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name="riva-call")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        _left.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also if whoever waited is cancelled just now


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
