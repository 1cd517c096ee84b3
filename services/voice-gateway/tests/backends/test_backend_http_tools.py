"""Tools over HTTP, against a server on a real socket."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from gateway_kit.http_peer import answering
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.http_tools.codec import MAX_OUTPUT_BYTES, ToolsFileError, decode_output, parse_tools
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import ToolError

WEATHER = {"name": "weather", "description": "Tells.", "url": "http://localhost:1/weather?units=si"}
SECRET = "hunter2"  # noqa: S105  the word that must not be shown


@asynccontextmanager
async def tools(url: str, **fields: Any) -> AsyncIterator[HttpTools]:
    """A runner of one tool."""
    entry = HttpTool(Tool("weather", "Tells.", "", ToolPlace.SERVER), url, **fields)
    runner = HttpTools((entry,))
    try:
        yield runner
    finally:
        await runner.close()


async def test_arguments_go_out_as_json_and_the_body_comes_back() -> None:
    """One POST, with the headers of the file; the body is what the model reads."""
    seen: list[tuple[str, str, str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        kind, auth = request.headers["Content-Type"], request.headers["Authorization"]
        seen.append((request.method, kind, auth, await request.json()))
        return web.Response(text="sunny, 21 \u00b0C")

    async with answering(answer) as url, tools(url, headers=(("Authorization", "Bearer k"),)) as runner:
        assert await runner.run("weather", '{"place": "R\u00f6m"}') == "sunny, 21 \u00b0C"
        assert [tool.name for tool in runner.tools()] == ["weather"]
    assert seen == [("POST", "application/json", "Bearer k", {"place": "R\u00f6m"})]


@pytest.mark.parametrize("status", [204, 302, 404, 500])
async def test_a_refusal_is_told_once(status: int) -> None:
    """Anything but success is an error that names the status; nothing is repeated, and no redirect followed."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    async with answering(answer) as url, tools(url) as runner:
        if status == 204:
            assert await runner.run("weather", "{}") == ""
        else:
            with pytest.raises(ToolError, match=f"HTTP status {status}"):
                await runner.run("weather", "{}")
    assert asked == ["/"]


async def test_a_tool_that_hangs_takes_too_long() -> None:
    """The tool's own deadline ends the wait, also in the middle of a body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"sun")
        await asyncio.Event().wait()
        return response

    async with answering(answer) as url, tools(url, timeout_ms=100) as runner:
        with pytest.raises(ToolError, match="took too long"):
            await runner.run("weather", "{}")


async def test_a_body_without_end_is_cut() -> None:
    """So much is read and no more."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    async with answering(answer) as url, tools(url) as runner:
        assert len(await runner.run("weather", "{}")) == MAX_OUTPUT_BYTES


async def test_a_tool_that_is_not_there_is_told_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor any log line has a header or the address."""
    caplog.set_level(logging.DEBUG)
    async with tools(f"http://127.0.0.1:1/{SECRET}", headers=(("X-Key", SECRET),)) as runner:
        with pytest.raises(ToolError, match="cannot be reached") as caught:
            await runner.run("weather", "{}")
        with pytest.raises(ToolError, match="no tool fly"):
            await runner.run("fly", "{}")
    assert SECRET not in str(caught.value)
    lines = [record for record in caplog.records if record.name.startswith("voice_gateway")]
    assert [record.getMessage() for record in lines] == ["tool fails"]
    assert all(SECRET not in str(vars(record)) for record in lines)


def test_half_a_character_is_replaced() -> None:
    """A body may be cut anywhere, and be no text at all."""
    assert decode_output(b"a" * (MAX_OUTPUT_BYTES - 1) + "\u00e9".encode())[-2:] == "a\ufffd"


def test_a_file_lists_tools() -> None:
    """All fields, or only those that are needed."""
    listed = [
        WEATHER,
        {**WEATHER, "name": "b", "parameters": {"type": "object"}, "headers": {"X": SECRET}, "timeout_ms": 200},
    ]
    first, second = parse_tools(json.dumps(listed))
    assert first == HttpTool(Tool("weather", "Tells.", "", ToolPlace.SERVER), "http://localhost:1/weather?units=si")
    assert (json.loads(second.tool.parameters_json), second.headers) == ({"type": "object"}, (("X", SECRET),))
    assert second.timeout_ms == 200
    assert SECRET not in repr(second)
    assert "localhost" not in repr(second)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ('[{"a": NaN}]', "must be JSON"),
        ("{}", "must be a JSON list"),
        (json.dumps([WEATHER] * 65), "at most 64"),
        ("[7]", "tool 1 that is no object"),
        (json.dumps([{**WEATHER, "uri": 1}]), "fields in tool 1 that no tool has: 'uri'"),
        (json.dumps([WEATHER, {"name": "b", "url": "http://a"}]), "tool 2 without description"),
        (json.dumps([WEATHER, WEATHER]), "more than one tool weather"),
        (json.dumps([{**WEATHER, "name": "a b"}]), "whose name is not"),
        (json.dumps([{**WEATHER, "description": "x" * 1_025}]), "longer than 1024"),
        (json.dumps([{**WEATHER, "description": "\ud800"}]), "halves of characters"),
        (json.dumps([{**WEATHER, "parameters": []}]), "no JSON object"),
        (json.dumps([{**WEATHER, "parameters": {"a": 7}}]).replace("7", "1e999"), "numbers that are too large"),
        (json.dumps([{**WEATHER, "parameters": {"a": "\ud800"}}]), "halves of characters"),
        (json.dumps([{**WEATHER, "url": f"ftp://{SECRET}"}]), "whose url is not"),
        (json.dumps([{**WEATHER, "url": f"http://{SECRET}@host"}]), "whose url is not"),
        (json.dumps([{**WEATHER, "url": f"http://[{SECRET}"}]), "whose url is not"),
        (json.dumps([{**WEATHER, "url": "http://"}]), "whose url is not"),
        (json.dumps([{**WEATHER, "url": f"http://a/{SECRET} b"}]), "whose url is not"),
        (json.dumps([{**WEATHER, "headers": [SECRET]}]), "no JSON object"),
        (json.dumps([{**WEATHER, "headers": {"X": SECRET + "\n"}}]), "an invalid header"),
        (json.dumps([{**WEATHER, "headers": {"X Y": SECRET}}]), "an invalid header"),
        (json.dumps([{**WEATHER, "timeout_ms": 5}]), "whose timeout_ms"),
        (json.dumps([{**WEATHER, "timeout_ms": True}]), "whose timeout_ms"),
    ],
)
def test_mistakes_of_the_file_are_told_without_its_secrets(text: str, why: str) -> None:
    """Each mistake is found at start, and its message can go into a log."""
    with pytest.raises(ToolsFileError, match=why) as caught:
        parse_tools(text)
    assert SECRET not in str(caught.value)
