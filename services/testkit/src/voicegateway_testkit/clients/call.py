"""One bidirectional call from the client's side: one writer, one reader, a log and a status."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from voicegateway_testkit.clients.log import CallLog, CallStatus, Entry

_WRITE_RACE_DETAILS = "Internal error from Core"
"""A write that meets the end of the call makes grpc.aio set the status INTERNAL with these details, over the true one
or until that comes (grpcio 1.85.1, seen 2026-11-21; `set_internal_error` in its source)."""

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


def channel(
    address: str, credentials: grpc.ChannelCredentials | None, options: Sequence[tuple[str, int]] = ()
) -> grpc.aio.Channel:
    """Gives a channel to host and port, by TLS where there are credentials."""
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


class PeerCall(Generic[RequestT, ResponseT]):
    """Writes messages in the order given (two concurrent writes on one call would lose one) and logs what comes."""

    def __init__(
        self,
        call: "grpc.aio.StreamStreamCall[Any, Any]",
        log: CallLog[ResponseT],
        on_entry: Callable[[Entry[ResponseT]], None] | None = None,
    ) -> None:
        """Begins to read and write."""
        self.unsent = 0
        """Messages that the call's end overtook."""
        self._call = call
        self._status = watch_status(call)
        self._log = log
        self._on_entry = on_entry
        self._queue: asyncio.Queue[RequestT | None] = asyncio.Queue()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._writer = asyncio.create_task(self._write())
        self._reader = asyncio.create_task(self._read())

    def send(self, request: RequestT) -> None:
        """Sends after what was given before."""
        self._queue.put_nowait(request)

    async def half_close(self) -> None:
        """Ends the client's side after what was given before."""
        self._queue.put_nowait(None)
        await self.drain()

    async def drain(self) -> None:
        """Returns when everything given has been written."""
        await self._queue.join()

    def stop_reading(self) -> None:
        """Reads nothing more, the message under way excepted, until `go_on_reading`."""
        self._may_read.clear()

    def go_on_reading(self) -> None:
        """Reads on."""
        self._may_read.set()

    async def close(self) -> None:
        """Gives the call up if it is still open; raises what the reader raised."""
        self._writer.cancel()
        if self._log.status is None:
            self._call.cancel()
            self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        self._status.cancel()
        await asyncio.gather(self._writer, self._status, return_exceptions=True)
        if self._log.status is None:
            self._log.end(CallStatus(grpc.StatusCode.CANCELLED, "the client vanished"))

    async def _write(self) -> None:
        while True:
            request = await self._queue.get()
            try:
                if request is None:
                    await self._call.done_writing()
                else:
                    await self._call.write(request)
            except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
                self.unsent += 1  # the call has ended, as its status says
            finally:
                self._queue.task_done()

    async def _read(self) -> None:
        # Iteration, not `read()`: that gives up unread messages once a write has failed.
        with contextlib.suppress(grpc.aio.AioRpcError):  # the status below says it
            async for response in self._call:
                entry = self._log.add(response)
                if self._on_entry is not None:
                    self._on_entry(entry)
                await self._may_read.wait()
        self._log.end(await self._status)


def watch_status(call: "grpc.aio.StreamStreamCall[Any, Any]") -> asyncio.Task[CallStatus]:
    """Gives the true status of a call once it has ended; to be called before the call is used."""
    first: asyncio.Future[CallStatus] = asyncio.get_running_loop().create_future()

    def on_done(_call: object) -> None:
        if not first.done():
            first.set_result(_run_now(_read_status(call)))

    async def find() -> CallStatus:
        status = await first
        while status.details == _WRITE_RACE_DETAILS:
            await asyncio.sleep(0.001)  # the true one replaces it, and nothing tells when
            status = await _read_status(call)
        return status

    call.add_done_callback(on_done)
    return asyncio.create_task(find())


async def _read_status(call: "grpc.aio.StreamStreamCall[Any, Any]") -> CallStatus:
    code, details = await call.code(), await call.details() or ""
    rich = await rpc_status.aio.from_call(call)
    info = error_details_pb2.ErrorInfo()
    for detail in rich.details if rich is not None else ():
        if detail.Unpack(info):
            return CallStatus(code, details, info.reason, dict(info.metadata))
    return CallStatus(code, details)


def _run_now(coroutine: Coroutine[Any, Any, CallStatus]) -> CallStatus:
    """Runs a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: CallStatus = stop.value
        return result
    coroutine.close()
    raise RuntimeError("the status of a call that has ended is known")
