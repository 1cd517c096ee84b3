"""The status of a call that a write met at its end, as grpc.aio shows it in either order."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from voicegateway_testkit.clients.call import watch_status

RACE = (grpc.StatusCode.INTERNAL, "Internal error from Core")
TRUE = (grpc.StatusCode.UNAVAILABLE, "draining")


class FakeCall:
    """A call whose status changes after it was first told."""

    def __init__(self, first: tuple[grpc.StatusCode, str], later: tuple[grpc.StatusCode, str]) -> None:
        self._now = first
        self._later = later
        self._callback: Callable[[object], None] | None = None

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        """Keeps the one callback."""
        self._callback = callback

    def end(self) -> None:
        """Tells the first status, once, then has the later one."""
        assert self._callback is not None
        self._callback(self)
        self._now = self._later

    async def code(self) -> grpc.StatusCode:
        """Gives the code as it stands."""
        return self._now[0]

    async def details(self) -> str:
        """Gives the details as they stand."""
        return self._now[1]

    async def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Gives none."""
        return ()


@pytest.mark.parametrize(("first", "later"), [(RACE, TRUE), (TRUE, RACE)])
async def test_the_true_status_wins(first: tuple[Any, str], later: tuple[Any, str]) -> None:
    """Whether the write's failure came before the server's status or after it, the server's is told."""
    call: Any = FakeCall(first, later)
    status = watch_status(call)
    call.end()
    assert ((await status).code, (await status).details) == TRUE
