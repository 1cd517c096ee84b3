"""A refusal is told as the server meant it, whatever gRPC makes of a write that meets it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from voice_client import true_status
from voice_client.true_status import WRITE_RACE_DETAILS, TrueStatus

REFUSED = (grpc.StatusCode.UNAUTHENTICATED, "show a token")
RACED = (grpc.StatusCode.INTERNAL, WRITE_RACE_DETAILS)


class EndedCall:
    """A call whose status is another each time that it is read; the last one stays."""

    def __init__(self, *statuses: tuple[grpc.StatusCode, str]) -> None:
        self._statuses = list(statuses)
        self._now = statuses[0]
        self._on_done: list[Callable[[object], None]] = []

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        self._on_done.append(callback)

    def end(self) -> None:
        for callback in self._on_done:
            callback(self)

    async def code(self) -> grpc.StatusCode:
        self._now = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return self._now[0]

    async def details(self) -> str:
        return self._now[1]

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(("reason", self._now[1]))


def error_of(status: tuple[grpc.StatusCode, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(status[0], grpc.aio.Metadata(), grpc.aio.Metadata(), details=status[1])


async def meant(call: EndedCall, seen: tuple[grpc.StatusCode, str]) -> tuple[grpc.StatusCode, str | None]:
    status = TrueStatus(cast("Any", call))
    call.end()
    found = await status.of(error_of(seen))
    return found.code(), found.details()


@pytest.mark.parametrize("statuses", [(REFUSED, RACED), (RACED, RACED, REFUSED)], ids=["over it", "before it"])
async def test_client_status_is_the_servers(statuses: tuple[tuple[grpc.StatusCode, str], ...]) -> None:
    """The server's status is found whether the failed write put its own over it or was there first."""
    assert await meant(EndedCall(*statuses), RACED) == REFUSED


async def test_client_status_that_no_write_changed_is_left_alone() -> None:
    """An error that gRPC did not make up is told as it came."""
    assert await meant(EndedCall(RACED), REFUSED) == REFUSED


async def test_client_status_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server never said anything, gRPC's own status is told, and soon."""
    monkeypatch.setattr(true_status, "PATIENCE_S", 0.003)
    assert await meant(EndedCall(RACED), RACED) == RACED


async def test_client_status_of_a_call_that_goes_on_is_a_fault() -> None:
    """A status that had to be waited for is none to keep: the reader would hang on it."""

    class Open(EndedCall):
        async def code(self) -> grpc.StatusCode:
            await super().code()
            await asyncio.sleep(0)
            raise AssertionError

    call = Open(REFUSED)
    TrueStatus(cast("Any", call))
    with pytest.raises(RuntimeError, match="has no status"):
        call.end()
