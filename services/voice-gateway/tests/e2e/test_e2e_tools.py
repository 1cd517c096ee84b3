"""Tools over real sockets: one that the client executes, one that the gateway calls over HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from gateway_kit.whole_gateway import world
from voicegateway.v1 import client_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import ConverseClient, LegacyClient, Reply, ToolCall

WEATHER, DOOR = ToolCall("weather", '{"place": "Rome"}', "c1"), ToolCall("door", "{}", "c2")


@asynccontextmanager
async def tools_file(folder: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    """A file that lists a tool, a server that runs it, and the arguments it got."""
    seen: list[Any] = []

    async def weather(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.Response(text="sunny")

    app = web.Application()
    app.router.add_post("/weather", weather)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/weather"
    path = folder / "tools.json"
    path.write_text(json.dumps([{"name": "weather", "description": "Tells the weather.", "url": url}]))
    try:
        yield str(path), seen
    finally:
        await runner.cleanup()


async def test_a_turn_with_tools_of_both_places(tmp_path: Path) -> None:
    """The gateway calls its own tool, the client is asked for the other, and the model answers with both outcomes."""
    replies = (Reply("", (WEATHER, DOOR)), "It is sunny, and the door is open.")
    async with tools_file(tmp_path) as (path, seen), world(replies=replies, settings={"TOOLS_FILE": path}) as around:
        async with ConverseClient(around.address) as client:
            door = client_pb2.Tool(name="door", description="Opens the door.", parameters_json='{"type": "object"}')
            await client.start(client_pb2.Start(tools=[door]))
            client.send_text("Go out?")
            call = (await client.wait_for("tool_call")).response.tool_call
            assert (call.name, call.arguments_json) == ("door", "{}")
            result = client_pb2.ToolResult(call_id=call.call_id, output="it is open")
            client.send(service_pb2.ConverseRequest(tool_result=result))
            report = (await client.wait_for("turn_report")).response.turn_report
            assert "tools" in [span.name for span in report.spans]
            await client.half_close()
            assert (await client.wait_end(20)).code is grpc.StatusCode.OK
        assert seen == [{"place": "Rome"}]
        assert around.tts.texts == ["It is sunny, and the door is open."]
        asked = around.llm.requests[0].body
        assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather", "door"]
        outcomes = [m["content"] for m in around.llm.requests[1].messages if m["role"] == "tool"]
        assert outcomes == ["sunny", "it is open"]
        finished = [entry.response.reply_finished for entry in client.log.all("reply_finished")]
        assert [reply.outcome for reply in finished] == [server_pb2.REPLY_OUTCOME_COMPLETED] * 2
        assert [(reply.goes_on, reply.total_samples > 0) for reply in finished] == [(True, False), (False, True)]
        await around.wait_quiet()


async def test_the_older_contract_has_the_servers_tools(tmp_path: Path) -> None:
    """Its clients know nothing of tools, and hear an answer that was made with them."""
    replies = (Reply("", (WEATHER,)), "It is sunny.")
    async with tools_file(tmp_path) as (path, seen), world(replies=replies, settings={"TOOLS_FILE": path}) as around:
        async with LegacyClient(around.address) as client:
            client.configure()
            client.send_text("Weather?")
            await client.half_close()
            assert (await client.wait_end()).code is grpc.StatusCode.OK
        assert seen == [{"place": "Rome"}]
        assert around.tts.texts == ["It is sunny."]
