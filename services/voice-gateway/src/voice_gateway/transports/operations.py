"""Tasks of a call, and how they end without ever breaking off what a wire does.

A task that is cancelled inside `read()` of grpc.aio leaves the operation to gRPC's core, and the message that comes all
the same is never freed (measured 2026-11-28 with grpcio 1.85 on calls to backends: 7 kB each). The same is true of a
write, and on other wires a write that is broken off leaves half a message. So a task that is inside an operation is
left alone: the operation ends with the call, whose end is told meanwhile. Nothing waits for it; behind a cut cable it
ends when the wire notices that, gRPC by the keepalive of `SERVER_OPTIONS`.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from voice_gateway.domain.errors import GatewayError, Reason, Refused, Unavailable
from voice_gateway.transports.wire import Vanished, Wire

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

CROWDED_MS: Final = 500
"""For a whole start, where too many have not started: who says at once what it wants has said it by then."""

_left: set[asyncio.Task[Any]] = set()
"""Tasks inside an operation of a call that is over for us; the loop itself holds no task."""


async def read_within(wire: Wire, within_ms: int) -> bytes | None:
    """As `Wire.read`. Raises Unavailable, START_TIMEOUT, when no whole message is there in time; then end the call."""
    said = f"no whole message came within {within_ms} ms"
    return await _within(wire.read(), within_ms, lambda: Unavailable(Reason.START_TIMEOUT, said))


async def write_within(wire: Wire, raw: bytes, within_ms: int) -> None:
    """As `Wire.write`. Raises Unavailable, CLIENT_STALLED, when it is not taken in time; then end the call."""
    said = f"a write has been pending for {within_ms} ms"
    await _within(wire.write(raw), within_ms, lambda: Unavailable(Reason.CLIENT_STALLED, said))


async def greet_within(wire: Wire, within_ms: int) -> None:
    """As `Wire.greet`. Raises Unavailable, CLIENT_STALLED, when it does not end in time; then end the call."""
    said = f"the call has not been taken for {within_ms} ms"
    await _within(wire.greet(), within_ms, lambda: Unavailable(Reason.CLIENT_STALLED, said))


async def _within(operation: Coroutine[Any, Any, T], within_ms: int, late: Callable[[], Unavailable]) -> T:
    task = asyncio.create_task(operation, name="call operation")
    await _wait_for(task, within_ms / 1_000)
    if not task.done():
        _leave(task)
        # made here: an error that a frame holds as well is in a circle with it, and keeps the client's last message
        raise late()
    try:
        return task.result()
    finally:
        del task  # which holds its error, as this frame would


class StartTime:
    """How long a client may take to say what it wants: one deadline over all that is read and written until then."""

    def __init__(self, within_ms: int, crowded: Refused | None) -> None:
        """It begins now. `crowded` is what `ExpectStart` gave: one of a crowd has CROWDED_MS, and is then told so."""
        self._within_ms = within_ms if crowded is None else min(CROWDED_MS, within_ms)
        self._crowded = crowded
        self._due_s = asyncio.get_running_loop().time() + self._within_ms / 1_000

    async def bound(self, operation: Coroutine[Any, Any, T]) -> T:
        """Await an operation of the wire.

        Raises:
            Unavailable: START_TIMEOUT or, for one of a crowd, AT_CAPACITY; then end the call.
        """
        left_ms = max(0, round((self._due_s - asyncio.get_running_loop().time()) * 1_000))
        return await _within(operation, left_ms, self._late)

    def _late(self) -> Unavailable:
        said = f"the client has not said what it wants within {self._within_ms} ms"
        return self._crowded or Unavailable(Reason.START_TIMEOUT, said)


class Operation:
    """What a task of a call is about: reading or writing."""

    def __init__(self) -> None:
        self._is_running = False
        """The task is inside of the wire."""
        self._is_left = False
        """The task ends with the operation that it is inside of."""

    async def inside(self, wires: Coroutine[Any, Any, T]) -> T:
        """Await what the wire does; meanwhile `end` leaves the task alone."""
        self._is_running = True
        try:
            outcome = await wires
        finally:
            self._is_running = False
        if self._is_left:
            raise asyncio.CancelledError
        return outcome

    async def end(self, task: asyncio.Task[None], *, raised: BaseException | None) -> None:
        """End the task, now or, when the wire has it, with the call."""
        if self._is_running:
            self._is_left = True
            _leave(task)
        else:
            await cancel(task, raised=raised)


async def _wait_for(task: asyncio.Task[Any], timeout_s: float | None = None) -> None:
    """Wait until a task is over; if the waiting is cancelled, the task is left, or it is done at the same moment."""
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        _leave(task)
        raise


def _leave(task: asyncio.Task[Any]) -> None:
    """Let a task go on that ends with its call; what it ends with is nobody's concern."""
    if task.done():
        _look_away(task)
        return
    _left.add(task)
    task.add_done_callback(_look_away)


def _look_away(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()


async def through(ending: Coroutine[Any, Any, None]) -> None:
    """Await it to its end also if the call is cancelled meanwhile: its client has vanished while it was being ended."""
    task = asyncio.create_task(ending, name="call ending")
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await _wait_for(task)  # a call is cancelled once
        _log_death(task, raised=None)
        raise
    task.result()


async def cancel(task: asyncio.Task[Any], *, raised: BaseException | None) -> None:
    """Cancel a task and wait until it is over; what it dies of is logged unless it is `raised` or foreseen."""
    if not task.cancelling():  # a second time would break into what it does to end well
        task.cancel()
    await _wait_for(task)
    _log_death(task, raised=raised)


def _log_death(task: asyncio.Task[Any], *, raised: BaseException | None) -> None:
    outcome = None if task.cancelled() else task.exception()
    if isinstance(outcome, Exception) and outcome is not raised and not isinstance(outcome, GatewayError | Vanished):
        _LOG.error("a task of the call died", exc_info=outcome)
