"""How fast a model's stream is read, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_kit import virtual_time
from voice_gateway.backends.openai_chat.client import LINES, _Completion

ANSWER = b'data: {"choices":[{"index":0,"delta":{"content":"Yes."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def _completion(chunks: list[bytes]) -> _Completion:
    """One that receives these."""

    async def received() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    member = SimpleNamespace(begin=lambda: SimpleNamespace(begins_in_thought=False), end=lambda _: None)
    completion = _Completion(cast("Any", member))
    completion._received = received()
    return completion


@pytest.mark.parametrize("line", [b":\n", b"\n", b"data: {}\n\n", b"x: y\n"])
def test_lines_that_say_nothing_cost_what_others_do(line: bytes) -> None:
    """No piece of a reply comes of comments and empty events, and they must not stop everybody: so many a second."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        lines = line.count(b"\n")
        flood = [line * (32_768 // len(line))] * 2
        count = lines * (32_768 // len(line)) * 2
        assert await _completion([*flood, ANSWER]).first() == ["Yes."]
        owed_s = max(0, count - LINES.capacity) / LINES.per_s
        assert owed_s <= loop.time() - began_s <= owed_s + 0.1

    virtual_time.run(main())


def test_an_ordinary_stream_waits_for_nobody() -> None:
    """The fastest model writes a thousand tokens a second, and a long answer has as many."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        token = b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
        completion = _completion([token] * 1_000 + [ANSWER])
        pieces = 0
        while not completion.is_over:
            pieces += len(await completion.next())
        assert (pieces, loop.time()) == (1_001, began_s)

    virtual_time.run(main())
