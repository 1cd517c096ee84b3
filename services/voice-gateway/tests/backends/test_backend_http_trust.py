"""What a model's server and a tool's may do to the gateway over HTTP: nothing but answer."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from gateway_kit.http_peer import answering
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolPlace
from voice_gateway.domain.errors import BackendError, ToolError
from voice_gateway.domain.ids import SessionId

QUESTION = (ChatMessage(Role.USER, "Hi?"),)
REPLY = b'data: {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}\n\n'
MODELS = b'{"data": [{"id": "m"}]}'
BOMB = gzip.compress(b": " + b"x" * 64_000_000 + b"\n\n" + REPLY)
"""62 kB that are 64 MB."""
MOST_BYTES = 8_000_000
"""Of memory: far below what a bomb takes, far above what a request takes."""


@asynccontextmanager
async def speaking(answer: bytes) -> AsyncIterator[str]:
    """The address of a server that says these bytes to every request, whatever HTTP has to say of them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the gateway has hung up, as it should

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def ask(url: str, model: str = "m") -> str:
    """A reply by the model there."""
    client = OpenAiChat(OpenAiChatSettings(url, model=model))
    try:
        return "".join([piece async for piece in client.reply(SessionId("s"), QUESTION) if isinstance(piece, str)])
    finally:
        await client.pool.close()


async def call(url: str, times: int = 1) -> str:
    """What the tool there returns."""
    tools = HttpTools((HttpTool(Tool("weather", "Tells.", "", ToolPlace.SERVER), url),))
    try:
        return "".join([await tools.run("weather", "{}") for _ in range(times)])
    finally:
        await tools.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """The conversation and the key go to the configured server and to no other, whatever that says."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with answering(answer) as url:
        for model in ("m", ""):
            with pytest.raises(BackendError, match=f"refused with HTTP status {status}"):
                await ask(url, model)
    assert asked == ["/v1/chat/completions", "/v1/models"]


async def test_no_cookie_is_kept() -> None:
    """What a server sets while it answers one caller does not come back with another's request."""
    cookies: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        headers = {"Set-Cookie": "caller=1; Path=/"}
        body = MODELS if request.path == "/v1/models" else REPLY
        return web.Response(body=body, headers=headers, content_type="text/event-stream")

    async with answering(answer) as url:
        client = OpenAiChat(OpenAiChatSettings(url))
        await client.pool.probe()
        for _ in range(2):
            assert [piece async for piece in client.reply(SessionId("s"), QUESTION)] == ["Hi."]
        await client.pool.close()
        await call(url, times=2)
    assert cookies == [None] * 5


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "refusal", "/tool"])
async def test_a_bomb_is_not_unpacked(path: str) -> None:
    """62 kB that would be 64 MB end typed, and the memory stays flat: no compression is asked for, and none is read."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/event-stream"}
        return web.Response(body=BOMB, headers=headers, status=400 if path == "refusal" else 200)

    async with answering(answer) as url:
        tracemalloc.start()
        try:
            with pytest.raises((BackendError, ToolError), match="an encoding that was not asked for"):
                await (call(url) if path == "/tool" else ask(url, "" if path == "/v1/models" else "m"))
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most_bytes < MOST_BYTES
    assert asked == ["identity"]


async def test_a_listing_without_end_is_cut() -> None:
    """So much of it is read and no more."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 100_000)

    async with answering(answer) as url:
        with pytest.raises(BackendError, match="an answer that is too large"):
            await ask(url, "")


async def test_a_long_listing_is_read() -> None:
    """Brokers list hundreds of models."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response(
                {"data": [{"id": f"m{number}", "description": "x" * 900} for number in range(900)]}
            )
        asked.append(json.loads(await request.read())["model"])
        return web.Response(body=REPLY, content_type="text/event-stream")

    asked: list[str] = []
    async with answering(answer) as url:
        assert await ask(url, "") == "Hi."
    assert asked == ["m0"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n" + REPLY,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n" + REPLY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 1_000_000 + b"\r\n" + REPLY,
        b"HTTP/1.1 200 " + b"x" * 1_000_000,
    ],
    ids=["one header", "many headers", "a chunk's extension", "status line"],
)
async def test_headers_without_end_are_refused(answer: bytes) -> None:
    """Typed, and for the models and tools alike."""
    async with speaking(answer) as url:
        for model in ("m", ""):
            with pytest.raises(BackendError):
                await ask(url, model)
        with pytest.raises(ToolError, match="cannot be reached"):
            await call(url)
