"""Reading from a call of grpc.aio, and writing to it, without ever breaking that off.

A task that is cancelled inside `read()` leaves the operation to gRPC's core, and the message that comes all the same is
never freed (measured 2026-11-28 with grpcio 1.85 on calls to backends: 7 kB each). The same is true of a write. So a
task that is inside an operation is left alone: the operation ends with the call, whose status is sent meanwhile.
Nothing waits for it; behind a cut cable it ends when the keepalive of `SERVER_OPTIONS` does not come back.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import grpc

from voice_gateway.domain.errors import Reason, Refused, Unavailable

RawContext = grpc.aio.ServicerContext[bytes, bytes]
"""Messages stay bytes up to the codec, which knows what to say of one that is too large or does not parse."""

T = TypeVar("T")

CROWDED_MS: Final = 500
"""For the first message, where too many wait for theirs: who says at once what it wants has said it by then."""

_left: set[asyncio.Task[Any]] = set()
"""Tasks inside an operation of a call that is over for us; the loop itself holds no task."""


async def read(context: RawContext) -> bytes | None:
    """The next message; None: the client half-closed."""
    raw: Any = await context.read()
    return None if raw is grpc.aio.EOF else raw


async def read_within(context: RawContext, within_ms: int) -> bytes | None:
    """As `read`. Raises Unavailable, START_TIMEOUT, when no whole message is there in time; then end the call."""
    said = f"no whole message came within {within_ms} ms"
    return await _within(read(context), within_ms, Reason.START_TIMEOUT, said)


async def write_within(context: RawContext, raw: bytes, within_ms: int) -> None:
    """Write a message. Raises Unavailable, CLIENT_STALLED, when gRPC does not take it in time; then end the call."""
    said = f"a write has been pending for {within_ms} ms"
    await _within(context.write(raw), within_ms, Reason.CLIENT_STALLED, said)


async def _within(operation: Coroutine[Any, Any, T], within_ms: int, late: Reason, said: str) -> T:
    task = asyncio.create_task(operation, name="call operation")
    try:
        await asyncio.wait({task}, timeout=within_ms / 1_000)
    finally:
        if not task.done():
            leave(task)
    if not task.done():
        # made here: an error that a frame holds as well is in a circle with it, and keeps the client's last message
        raise Unavailable(late, said)
    try:
        return task.result()
    finally:
        del task  # which holds its error, as this frame would


async def read_first(
    context: RawContext, expected: AbstractContextManager[Refused | None], within_ms: int
) -> bytes | None:
    """As `read_within`, as one of those who are expected: one of a crowd has CROWDED_MS, and is then told so."""
    with expected as crowded:
        try:
            return await read_within(context, min(CROWDED_MS, within_ms) if crowded else within_ms)
        except Unavailable as late:
            raise crowded or late from late


def leave(task: asyncio.Task[Any]) -> None:
    """Let a task go on that ends with its call; what it ends with is nobody's concern."""
    _left.add(task)
    task.add_done_callback(_look_away)


def _look_away(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()
