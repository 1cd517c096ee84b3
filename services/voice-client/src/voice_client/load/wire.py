"""The gRPC stream of one call: writes when the wheel says so, hands on what comes. Knows no conversation."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import grpc.aio

from voice_client.errors import TlsError, UnreachableError, error_of_rpc, reason_of_rpc
from voice_client.link import CONNECT_TIMEOUT_S, Target, open_channel
from voice_client.load.doors import DoorError, Read
from voice_client.load.playout import NS_PER_MS
from voice_client.load.scores import Failure, Frames
from voice_client.load.script import FRAME_MS
from voice_client.true_status import TrueStatus

LATE_NS: Final = 10 * NS_PER_MS
"""A frame that leaves later than that spoils the measurement if many do."""
MAX_WAITING_FRAMES: Final = 500
"""10 s of sound that the server has not taken: it is not going to."""
END_S: Final = 3.0
"""How long a server has to end a call after it was told to."""
# Otherwise all calls to one address would share a connection, which clients of a gateway never do.
_OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)

Make = Callable[[int], Iterable[bytes]]
"""Gives the messages to write for a frame that was due at this instant."""


class Wire:
    """One call. `failure` is set once it has failed; it never raises what the server did."""

    def __init__(self, target: Target, method: str, read: Read, make: Make) -> None:
        """`read` is given what comes, and `make` asked what to write when a frame is due."""
        self.frames = Frames()
        self.failure: Failure | None = None
        self.opened_ns: int | None = None
        self._target = target
        self._method = method
        self._read = read
        self._make = make
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None
        self._status: TrueStatus | None = None
        self._due_ns: deque[int] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_ending = False
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether it has been answered and not ended."""
        return self.opened_ns is not None and self.failure is None and not self._is_ending

    async def open(self, start: bytes | None) -> None:
        """Connect, send the first message and take the first answer; without a message there is none to wait for."""
        self._channel = open_channel(self._target, _OWN_CONNECTION)
        self._call = self._channel.stream_stream(self._method)(metadata=self._target.metadata)
        self._status = TrueStatus(self._call)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._greet(start)
        except TimeoutError:
            text = f"no answer within {CONNECT_TIMEOUT_S} s"
            self.failure = Failure(text, UnreachableError(f"{self._target.address}: {text}"))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, DoorError) as error:
            await self._fail(error)
        else:
            self.opened_ns = time.monotonic_ns()
            self._reader = asyncio.create_task(self._read_all())
            self._writer = asyncio.create_task(self._write_all())

    def tick(self, due_ns: int, now_ns: int) -> None:
        """A frame is due: see wheel.py."""
        if not self.is_up:
            return
        is_late = now_ns - due_ns > LATE_NS
        self.frames.late += is_late
        self._due_ns.append(due_ns)
        if not self._wake() and not is_late:
            self.frames.held_up += 1
        if len(self._due_ns) > MAX_WAITING_FRAMES:
            self.failure = Failure(f"not read for {MAX_WAITING_FRAMES * FRAME_MS // 1_000} s")

    async def end(self, last: bytes | None) -> None:
        """Say goodbye, and give up a server that does not end the call; nothing stays behind."""
        was_up, self._is_ending = self.is_up, True
        self._wake()
        if was_up and self._reader is not None and self._writer is not None:
            await self._say_goodbye(last, self._reader, self._writer)
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        if self._call is not None:
            self._call.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def _wake(self) -> bool:
        """Let the writer go on; false if it is not waiting."""
        if self._waiter is None or self._waiter.done():
            return False
        self._waiter.set_result(None)
        return True

    async def _greet(self, start: bytes | None) -> None:
        if start is None:
            await self._call.wait_for_connection()
            return
        await self._call.write(start)
        raw = await self._call.read()
        if raw is grpc.aio.EOF:
            raise DoorError("the server ended the call at once")
        self._read(raw, time.monotonic_ns())

    async def _read_all(self) -> None:
        call, read, clock = self._call, self._read, time.monotonic_ns
        try:
            while (raw := await call.read()) is not grpc.aio.EOF:
                read(raw, clock())
        except (grpc.aio.AioRpcError, DoorError) as error:
            await self._fail(error)
            return
        if self.is_up:
            self.failure = Failure("the server ended the call")

    async def _write_all(self) -> None:
        call, make, frames, due_ns = self._call, self._make, self.frames, self._due_ns
        loop = asyncio.get_running_loop()
        try:
            while not self._is_ending:
                if not due_ns:
                    self._waiter = loop.create_future()
                    await self._waiter
                    continue
                for message in make(due_ns.popleft()):
                    await call.write(message)
                frames.sent += 1
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the call has ended; its status reaches the reader, which keeps it

    async def _say_goodbye(
        self, last: bytes | None, reader: "asyncio.Task[None]", writer: "asyncio.Task[None]"
    ) -> None:
        # a writer that is cancelled in mid-write would cancel the call
        await asyncio.wait((writer,), timeout=END_S)
        try:
            async with asyncio.timeout(END_S):
                if last is not None:
                    await self._call.write(last)
                await self._call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # as in _write_all
        except TimeoutError:
            self.failure = Failure(f"not read for {END_S:g} s")
            return
        _, late = await asyncio.wait((reader,), timeout=END_S)
        if late and last is not None:
            self.failure = Failure(f"not ended within {END_S:g} s")

    async def _fail(self, error: Exception) -> None:
        if self.failure is not None:
            return
        if isinstance(error, grpc.aio.AioRpcError) and self._status is not None:
            meant = await self._status.of(error)
            reason = reason_of_rpc(meant)
            text = " / ".join(filter(None, (meant.code().name, reason)))
            shown = error_of_rpc(meant, self._target.address, tls=self._target.tls)
            is_unreachable = self.opened_ns is None and isinstance(shown, UnreachableError | TlsError)
            self.failure = Failure(text, shown if is_unreachable else None)
        else:
            self.failure = Failure(str(error) or type(error).__name__)
