"""How fast a model's stream is read, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gateway_kit import virtual_time
from voice_gateway.backends.openai_chat.completion import LINES, Completion

ANSWER = b'data: {"choices":[{"index":0,"delta":{"content":"Yes."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def _completion(chunks: list[bytes]) -> Completion:
    """One that receives these."""

    async def received() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    member = SimpleNamespace(begin=lambda: SimpleNamespace(begins_in_thought=False), end=lambda _: None)
    completion = Completion(cast("Any", member))
    completion._received = received()
    return completion


class _Rounds:
    """Counts how often the loop comes round from now on: so often others could have had their turn."""

    def __init__(self) -> None:
        self.count = -1
        self._come_round()

    def _come_round(self) -> None:
        self.count += 1
        asyncio.get_running_loop().call_soon(self._come_round)


@pytest.mark.parametrize("line", [b":\n", b"\n", b":\r", b"\r\n", b"x: y\n", b"data: {}\r\r"])
def test_lines_that_say_nothing_cost_what_others_do(line: bytes) -> None:
    """No piece of a reply comes of comments and empty events, and they must not stop everybody: so many a second."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        lines = 4 * LINES.capacity
        flood = line * (lines // 4 // len(line.splitlines()))
        assert await _completion([b": hello\n", *([flood] * 4), b"\n\n" + ANSWER]).first() == ["Yes."]
        owed_s = (lines - LINES.capacity) / LINES.per_s
        assert loop.time() - began_s == pytest.approx(owed_s, abs=0.01)

    virtual_time.run(main())


@pytest.mark.parametrize("chunk_bytes", [2, 100, 4_096, 20_000])
def test_others_have_their_turn_while_a_stream_is_read(chunk_bytes: int) -> None:
    """However the server cuts its lines, and whether it ever lets this one wait or not."""

    async def main() -> None:
        flood = b":\n" * 9_000
        chunks = [flood[at : at + chunk_bytes] for at in range(0, len(flood), chunk_bytes)]
        rounds = _Rounds()
        await _completion([*chunks, ANSWER]).first()
        assert rounds.count >= 4  # 18,000 bytes are five parts, and in smaller chunks 200 lines are one

    virtual_time.run(main())


@pytest.mark.parametrize("chunk_bytes", [1_000, 4_095, 4_096, 65_536])
def test_others_have_their_turn_while_long_events_are_read(chunk_bytes: int) -> None:
    """An event may cost as much as a thousand lines, however its bytes are cut."""

    async def main() -> None:
        event = b'data: {"choices":[' + b",".join([b"{}"] * 1_000) + b"]}\n\n"
        flood = event * 40
        chunks = [flood[at : at + chunk_bytes] for at in range(0, len(flood), chunk_bytes)]
        rounds = _Rounds()
        assert await _completion([*chunks, ANSWER]).first() == ["Yes."]
        assert rounds.count >= len(flood) // 8_192

    virtual_time.run(main())


@pytest.mark.parametrize("pause_s", [0.4, 0.49])
def test_calls_that_each_state_an_end_are_all_made(pause_s: float) -> None:
    """Some servers state a reason to stop with every call: each gives the next one its half second."""

    async def main() -> None:
        async def calls() -> AsyncGenerator[bytes, None]:
            for number in range(4):
                call = f'{{"index":{number},"id":"c{number}","function":{{"name":"t{number}","arguments":"{{}}"}}}}'
                yield (
                    f'data: {{"choices":[{{"delta":{{"tool_calls":[{call}]}},"finish_reason":"tool_calls"}}]}}\n\n'
                ).encode()
                await asyncio.sleep(pause_s)
            await asyncio.sleep(10)

        completion = _completion([])
        completion._received = calls()
        made = await completion.first()
        while not completion.is_over:
            made += await completion.next()
        assert [call.name for call in made if not isinstance(call, str)] == ["t0", "t1", "t2", "t3"]

    virtual_time.run(main())


def test_comments_do_not_hold_a_reply_that_has_ended() -> None:
    """A server that states a reason and goes on with comments alone has said all: half a second, and not for each."""

    async def main() -> None:
        async def with_comments() -> AsyncGenerator[bytes, None]:
            yield ANSWER.partition(b"data: [DONE]")[0]
            for _ in range(10):
                await asyncio.sleep(0.4)
                yield b": still here\n"

        completion = _completion([])
        completion._received = with_comments()
        assert await completion.first() == ["Yes."]
        began_s = asyncio.get_running_loop().time()
        assert await completion.next() == []
        assert completion.is_over
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(0.5, abs=0.1)

    virtual_time.run(main())


@pytest.mark.parametrize("chunk", [b"x", b" ", b":\n"])
def test_chunks_without_the_end_of_a_line_count_as_one(chunk: bytes) -> None:
    """A server may send each byte by itself, and 64 KiB of such chunks are there at once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        assert await _completion([b": hello\n:", *([chunk] * 15_000), b"\n\n" + ANSWER]).first() == ["Yes."]
        assert loop.time() - began_s == pytest.approx((15_000 - LINES.capacity) / LINES.per_s, abs=0.01)

    virtual_time.run(main())


def test_a_piece_that_is_there_waits_for_nothing_behind_it() -> None:
    """What the user is to hear is not held up by comments that came in the same breath."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        token = b'data: {"choices":[{"index":0,"delta":{"content":"Hello."}}]}\n\n'
        assert await _completion([token + b":\n" * 60_000, ANSWER]).first() == ["Hello."]
        assert loop.time() == began_s

    virtual_time.run(main())


def test_the_rest_of_a_connection_gives_others_their_turn() -> None:
    """Behind the end of a reply the rest is read for 50 ms, and the loop has to come round for that to end."""

    async def main() -> None:
        completion = _completion([ANSWER, *([b":\n"] * 1_000)])
        assert await completion.first() == ["Yes."]
        rounds = _Rounds()
        assert await completion.next() == []
        assert rounds.count >= 1_000

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
