"""One request to a model whose reply is streamed: bytes in, pieces out, no faster than others can bear."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import cast

import httpx2

from voice_gateway.backends.addresses.pool import Member, now
from voice_gateway.backends.openai_chat.endpoint import Endpoint, Question
from voice_gateway.backends.openai_chat.failures import FAILURES
from voice_gateway.backends.openai_chat.oddity_log import note_oddities
from voice_gateway.backends.openai_chat.reply_reader import ReplyReader
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.instant import NS_PER_S
from voice_gateway.domain.limits import TokenBucket

_log = logging.getLogger(__name__)

_AFTER_REASON_S = 0.5
"""For the end of the stream, or more of the reply, once the server has said why the model stopped. Most send `[DONE]`
at once; one that states a reason with every piece, and writes fewer than two a second, is of no use by voice."""
_DRAIN_S = 0.05
"""After the end of a reply, for what the server still has to say; then its connection can serve the next turn."""
LINES = TokenBucket(capacity=10_000, per_s=5_000)
"""Lines of one stream, whatever is in them; what exceeds them waits to be read. A token takes two lines, and 2,500
tokens a second are hundreds of times what a voice says. Comments and empty events cost as much time as tokens do. So
does what comes without the end of a line: it counts as one."""
_PART_BYTES = 4_096
"""Bytes that are read at once: some 400 events at their shortest, 4 ms."""
_BREATH_LINES = 200
"""After this many lines, or `_PART_BYTES`, other sessions have their turn, whether this one has to wait or not."""


class Completion:
    """One request whose reply is streamed."""

    def __init__(self, member: Member[Endpoint]) -> None:
        self.member = member
        self._cleanup = AsyncExitStack()
        self._endpoint = member.begin()
        self._cleanup.callback(member.end, self._endpoint)
        self._reader = ReplyReader(self._endpoint.begins_in_thought)
        self._lines = LINES
        self._unbroken_lines = 0
        """Lines since others had their turn."""
        self._waiting: Iterator[bytes] = iter(())
        """Parts that were received and not read."""
        self._settle_by: float | None = None
        """On the loop's clock: when a reply whose end was stated is over, if nothing more of it comes."""

    @property
    def is_over(self) -> bool:
        """Whether the reply has come to its proper end; more pieces may be there."""
        return self._reader.is_over

    async def open(self, question: Question) -> None:
        """Send the request; returns when the server has accepted it."""
        response = await self._endpoint.send(question)
        self._cleanup.push_async_callback(response.aclose)
        # The events are read here, as bytes: the library's models of them cost a third of a turn's processor time.
        self._received = aiter(cast("httpx2.AsyncByteStream", response.stream))

    async def first(self) -> list[str | ToolCall]:
        """The first pieces, none if a thought or a tool call has begun; a reply without either is an error."""
        pieces: list[str | ToolCall] = []
        while not pieces and not self._reader.has_begun:
            pieces = await self._receive()
        return pieces

    async def next(self) -> list[str | ToolCall]:
        """The pieces that come next together, none empty; an empty list at the proper end of the reply."""
        pieces: list[str | ToolCall] = []
        while not pieces and not self.is_over:
            pieces = await self._receive()
        if not pieces:
            await self._drain()
        return pieces

    async def close(self) -> None:
        """Abort the request if it is not over."""
        note_oddities(self._reader.oddities)
        for oddity in self._reader.oddities:
            self.member.skipped(oddity.name.lower())
        await self._cleanup.aclose()

    async def _receive(self) -> list[str | ToolCall]:
        """The pieces that the next part completes, or the last of all."""
        try:
            if self._settle_by is None and self._reader.is_settled:
                self._settle_by = asyncio.get_running_loop().time() + _AFTER_REASON_S
            if self._settle_by is None:  # no deadline for each part: it would take as long as to read the part
                part = await self._part()
            else:
                async with asyncio.timeout_at(self._settle_by):
                    part = await self._part()
            return self._read(part) if part else self._reader.finish()
        except FAILURES:
            if not self._reader.is_settled:
                raise
            return self._reader.settle()

    async def _breathe(self) -> None:
        """Wait until more may be read, and let others have their turn now and then."""
        wait_ns = self._lines.debt_ns(now())
        if wait_ns or self._unbroken_lines >= _BREATH_LINES:
            self._unbroken_lines = 0
            await asyncio.sleep(wait_ns / NS_PER_S)

    async def _part(self) -> bytes:
        """What is to be read next, once more may be read; nothing at the end of the stream: no part is empty."""
        await self._breathe()
        if part := next(self._waiting, b""):
            return part
        received = await anext(self._received, b"")
        self._waiting = (received[at : at + _PART_BYTES] for at in range(0, len(received), _PART_BYTES))
        return next(self._waiting, b"")

    def _read(self, part: bytes) -> list[str | ToolCall]:
        """The pieces that some bytes complete."""
        before = self._reader.lines
        additions = self._reader.additions
        pieces = self._reader.feed(part)
        if self._reader.additions > additions:
            self._settle_by = None
        lines = max(1, self._reader.lines - before)
        self._lines = self._lines.take(lines, now())
        self._unbroken_lines += max(lines, len(part) * _BREATH_LINES // _PART_BYTES)
        return pieces

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_S):
                async for _ in self._received:
                    await asyncio.sleep(0)
        except (TimeoutError, httpx2.HTTPError):
            _log.debug("the connection of a finished reply cannot be used again")
