"""The status with which the server ended a call, where a write that met the end has put another over it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc.aio

# A write that meets the end of the call sets the status INTERNAL with these details, over the server's or until that
# comes (grpcio 1.85.1; github.com/grpc/grpc/issues/36066).
WRITE_RACE_DETAILS = "Internal error from Core"
# The server's status is on its way when the write fails; if it has not come by then, it never will.
PATIENCE_S = 1.0
_LOOK_EVERY_S = 0.001


class TrueStatus:
    """Keeps the status that a call has first; to be made before the call is used."""

    def __init__(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        self._call = call
        self._first: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._keep)

    def _keep(self, _call: object) -> None:
        if self._first is None:
            self._first = _run_now(_read(self._call))

    async def of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """The error that the server meant; the given one if that is it."""
        if error.details() != WRITE_RACE_DETAILS:
            return error
        found = self._first or error
        for _ in range(round(PATIENCE_S / _LOOK_EVERY_S)):
            if found.details() != WRITE_RACE_DETAILS:
                break
            await asyncio.sleep(_LOOK_EVERY_S)  # the server's replaces it, and nothing tells when
            found = await _read(self._call)
        return found


async def _read(call: "grpc.aio.StreamStreamCall[Any, Any]") -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        await call.code(), grpc.aio.Metadata(), await call.trailing_metadata(), details=await call.details()
    )


def _run_now(coroutine: Coroutine[Any, Any, grpc.aio.AioRpcError]) -> grpc.aio.AioRpcError:
    """Run a coroutine that has nothing to wait for: the status of a call that has ended is known."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        found: grpc.aio.AioRpcError = stop.value
        return found
    coroutine.close()
    raise RuntimeError("a call that has ended has no status")
