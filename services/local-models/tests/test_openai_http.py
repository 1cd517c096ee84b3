"""The OpenAI surface, met by the real `openai` client over a real socket."""

import asyncio
import io
import json

import aiohttp
import openai
import pytest
from local_models.openai_http.chat import (
    ChatRequest,
    Finished,
    FinishReason,
    ModelBusyError,
    ModelFailedError,
    Role,
    TextDelta,
    ToolCall,
    ToolMode,
)
from local_models.openai_http.pacing import Pace, paced
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam
from openai_support import ScriptedModel, openai_client, said, served

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_a_whole_completion_has_text_reason_and_usage() -> None:
    """A client that does not stream gets one object with everything in it."""
    async with openai_client(ScriptedModel(said("Hello", " there."))) as client:
        completion = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Hi"}]
        )
    assert completion.choices[0].message.content == "Hello there."
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        7,
        2,
        9,
    )
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")


async def test_a_stream_opens_with_the_role_and_ends_with_reason_and_usage() -> None:
    """The order of chunks that the `openai` package and every client built on it expect."""
    async with openai_client(ScriptedModel(said("Hello", " there."))) as client:
        stream = await client.chat.completions.create(
            model="scripted",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks: list[ChatCompletionChunk] = [chunk async for chunk in stream]
    *told, reason, usage = chunks
    assert [chunk.choices[0].delta.content for chunk in told] == ["", "Hello", " there."]
    assert told[0].choices[0].delta.role == "assistant"
    assert reason.choices[0].finish_reason == "stop"
    assert reason.usage is None
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.total_tokens == 9
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_event_stream_is_framed_as_server_sent_events() -> None:
    """Raw bytes: the content type, `data: ` lines, and the closing [DONE], without usage when nobody asked."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    async with (
        served(ScriptedModel(said("Yes."))) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/chat/completions", json=body) as answer,
    ):
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream"
    events = text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all("usage" not in json.loads(event.removeprefix("data: ")) for event in events[:-2])


async def test_tool_calls_stream_as_deltas_that_join_to_the_arguments() -> None:
    """The first delta names the call, the later ones carry its arguments in parts."""
    arguments = json.dumps({"city": "Paris, the capital of France"})
    script = (ToolCall("get_weather", arguments), Finished(FinishReason.TOOL_CALLS, 3, 4))
    async with openai_client(ScriptedModel(script)) as client:
        stream = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Weather?"}], tools=[WEATHER], stream=True
        )
        chunks = [chunk async for chunk in stream]
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    functions = [call.function for call in calls if call.function]
    assert calls[0].id
    assert functions[0].name == "get_weather"
    assert len(calls) > 2
    assert "".join(function.arguments or "" for function in functions) == arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_tool_calls_of_a_whole_completion_have_no_content() -> None:
    """A client tells a call from a text by content being null."""
    script = (ToolCall("get_weather", "{}"), Finished(FinishReason.TOOL_CALLS, 3, 4))
    async with openai_client(ScriptedModel(script)) as client:
        completion = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Weather?"}], tools=[WEATHER]
        )
    message = completion.choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    assert message.tool_calls[0].type == "function"
    assert message.tool_calls[0].function.name == "get_weather"


async def test_the_model_sees_what_the_client_sent() -> None:
    """Messages, tools, choice and limits arrive as values, whatever their spelling on the wire."""
    model = ScriptedModel(said("ok"))
    async with openai_client(model) as client:
        await client.chat.completions.create(
            model="scripted",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            ],
            tools=[WEATHER],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            max_completion_tokens=5,
            stop="END",
            temperature=0.5,
        )
    request = model.requests[0]
    assert [message.role for message in request.messages] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL]
    assert request.messages[1].text == "Weather?"
    assert request.messages[2].tool_calls == (ToolCall("get_weather", "{}"),)
    assert request.messages[3].tool_call_id == "c1"
    assert (request.tool_mode, request.tool_name) == (ToolMode.REQUIRED, "get_weather")
    assert (request.max_tokens, request.stop, request.temperature) == (5, ("END",), 0.5)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_full_server_answers_503(*, is_streamed: bool) -> None:
    """A request that cannot be taken gets its true status, streamed or not, and is worth retrying."""
    async with openai_client(ScriptedModel((ModelBusyError("busy"),))) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "Hi"}], stream=is_streamed
            )
    assert caught.value.status_code == 503
    assert caught.value.code == "server_overloaded"
    assert caught.value.response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("error", "message"), [(ModelFailedError("it broke"), "it broke"), (ValueError("secret"), "its log says why")]
)
async def test_a_model_dying_within_a_stream_reaches_the_client_as_an_error(error: Exception, message: str) -> None:
    """A half reply never looks like a whole one, and an unexpected error's text stays in the log."""
    async with openai_client(ScriptedModel((TextDelta("Half"), error))) as client:
        stream = await client.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match=message):
            async for _ in stream:
                pass


@pytest.mark.parametrize("error", [ModelFailedError("it broke"), ValueError("secret")])
async def test_a_model_dying_before_its_first_word_is_a_500(error: Exception) -> None:
    """Failures are OpenAI's error JSON, never an HTML page or a closed socket."""
    async with openai_client(ScriptedModel((error,))) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.status_code == 500
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_client_that_leaves_stops_the_model(*, is_streamed: bool) -> None:
    """No work goes on for nobody: the model's generator is closed when the connection is."""
    model = ScriptedModel(endless=True)
    body = {"model": "scripted", "messages": [{"role": "user", "content": "Hi"}], "stream": is_streamed}
    async with served(model) as url, aiohttp.ClientSession() as session:
        request = asyncio.create_task(session.post(f"{url}/v1/chat/completions", json=body))
        if is_streamed:
            answer = await request
            await answer.content.readany()
            answer.close()
        else:
            await model.asked.wait()
            request.cancel()
        async with asyncio.timeout(5):
            await model.closed.wait()


async def test_models_are_listed_and_found_by_name() -> None:
    """Clients discover the model's name; an unknown one is a 404 with OpenAI's code."""
    async with openai_client(ScriptedModel()) as client:
        assert [model.id async for model in client.models.list()] == ["scripted"]
        assert (await client.models.retrieve("scripted")).owned_by == "local-models"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.code == "model_not_found"


async def test_readiness_follows_the_warm_up() -> None:
    """A probe sees 503 until the models are warm, then 200."""
    for is_ready, status in ((False, 503), (True, 200)):
        async with served(ScriptedModel(), is_ready=is_ready) as url, aiohttp.ClientSession() as session:
            answer = await session.get(f"{url}/v1/health/ready")
            assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/chat/completions", b"{", 400, None),
        ("GET", "/v1/chat/completions", b"", 405, "method_not_allowed"),
        ("GET", "/v2/nothing", b"", 404, "unknown_url"),
        ("POST", "/v1/chat/completions", b" " * (2 << 20), 413, "request_too_large"),
    ],
)
async def test_every_refusal_is_openai_error_json(method: str, path: str, body: bytes, status: int, code: str) -> None:
    """Even the failures that aiohttp itself finds speak the wire's language."""
    async with served(ScriptedModel()) as url, aiohttp.ClientSession() as session:
        answer = await session.request(method, url + path, data=io.BytesIO(body))
        error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["type"]) == (status, code, "invalid_request_error")


async def test_the_pace_waits_before_the_first_and_between_the_later_tokens() -> None:
    """`--ttft-ms` and `--token-ms` are waits of exactly that size, and the end costs nothing."""
    waits_s: list[float] = []

    async def sleep(seconds: float) -> None:
        waits_s.append(seconds)

    model = ScriptedModel(said("one", " two", " three"))
    pieces = paced(model.reply(ChatRequest("scripted", ())), Pace(ttft_ms=120, token_ms=20), sleep)
    assert [piece async for piece in pieces] == list(said("one", " two", " three"))
    assert waits_s == [0.12, 0.02, 0.02]


async def test_the_server_paces_its_replies() -> None:
    """The pace given to the server is really applied between request and first token."""
    async with openai_client(ScriptedModel(said("late")), Pace(ttft_ms=80)) as client:
        started_s = asyncio.get_running_loop().time()
        await client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "Hi"}])
        assert asyncio.get_running_loop().time() - started_s >= 0.08
