"""Pace a reply like a real model: a wait before the first piece, a shorter one before each that follows."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from local_models.openai_http.chat import Finished, Piece

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    ttft_ms: int = 0
    """Time to the first token, in ms, added to what the model itself takes."""
    token_ms: int = 0
    """Time between tokens, in ms, added to what the model itself takes."""


async def paced(
    pieces: AsyncGenerator[Piece, None], pace: Pace, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[Piece, None]:
    """Give the same pieces, each after its wait; closing this closes the source."""
    wait_ms = pace.ttft_ms
    async with aclosing(pieces):
        async for piece in pieces:
            if wait_ms and not isinstance(piece, Finished):
                await sleep(wait_ms / 1000)
            wait_ms = pace.token_ms
            yield piece
