"""FakeLlm through the `openai` package."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest
from voicegateway_testkit import FakeLlm, LlmTiming, Reply, ToolCall
from voicegateway_testkit.fakes.llm import LlmOutcome
from voicegateway_testkit.faults import (
    CloseBeforeAnswer,
    DieAfterTokens,
    Hang,
    HttpFailure,
    MalformedAfterTokens,
    StallAfterTokens,
)

QUICK = LlmTiming(ttft_ms=0, token_ms=0)
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]


@asynccontextmanager
async def client_of(llm: FakeLlm) -> AsyncIterator[openai.AsyncOpenAI]:
    """Gives a client that does not try again."""
    async with openai.AsyncOpenAI(base_url=llm.base_url, api_key="key", max_retries=0) as client:
        yield client


async def stream(client: openai.AsyncOpenAI, **options: Any) -> list[Any]:
    """Asks for a streamed answer and gives its chunks."""
    chunks, error = await stream_until_error(client, **options)
    if error is not None:
        raise error
    return chunks


async def stream_until_error(client: openai.AsyncOpenAI, **options: Any) -> tuple[list[Any], Exception | None]:
    """Asks for a streamed answer; gives the chunks that came before the error, if there was one."""
    completions: Any = client.chat.completions
    got = []
    try:
        async for chunk in await completions.create(model="fake-model", messages=ASK, stream=True, **options):
            got.append(chunk)  # noqa: PERF401 - what came before an error is wanted
    except Exception as error:  # noqa: BLE001 - given to the caller
        return got, error
    return got, None


def text_of(chunks: list[Any]) -> str:
    """Joins the chunks' text."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def test_streaming_and_whole() -> None:
    """Both forms give the scripted replies in order, the last one for ever, and the request is kept."""
    async with FakeLlm(["One,  two.\nThree.", "Bye."], timing=QUICK) as llm, client_of(llm) as client:
        chunks = await stream(client, stream_options={"include_usage": True})
        completions: Any = client.chat.completions
        whole = await completions.create(model="fake-model", messages=ASK)
        again = await stream(client)
    assert text_of(chunks) == "One,  two.\nThree."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 3
    assert whole.choices[0].message.content == text_of(again) == "Bye."
    assert llm.requests[0].messages == ASK
    assert llm.requests[0].authorization == "Bearer key"
    assert [request.outcome for request in llm.requests] == [LlmOutcome.FINISHED] * 3
    assert llm.requests[0].sent_text == "One,  two.\nThree."


async def test_a_function_answers() -> None:
    """Replies can be made from the messages."""

    def parrot(messages: list[dict[str, Any]]) -> str:
        return f"You said: {messages[-1]['content']}"

    async with FakeLlm(parrot, timing=QUICK) as llm, client_of(llm) as client:
        assert text_of(await stream(client)) == "You said: Hello?"


async def test_tool_calls_come_in_pieces() -> None:
    """A tool call is a name and arguments in pieces that join to the JSON given."""
    call = ToolCall("look_up", '{"city": "Bremen", "day": "today"}', "call_7")
    async with FakeLlm([Reply(tool_calls=(call,))], timing=QUICK) as llm, client_of(llm) as client:
        chunks = await stream(client)
    deltas = [tool for chunk in chunks for tool in chunk.choices[0].delta.tool_calls or ()]
    assert (deltas[0].id, deltas[0].function.name) == ("call_7", "look_up")
    assert len(deltas) > 2
    assert json.loads("".join(delta.function.arguments for delta in deltas))["city"] == "Bremen"
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_timing_is_kept() -> None:
    """The first token comes after ttft_ms, the others token_ms apart."""
    async with FakeLlm(["a b c d"], timing=LlmTiming(ttft_ms=60, token_ms=20)) as llm, client_of(llm) as client:
        start = time.monotonic()
        await stream(client)
        assert time.monotonic() - start >= 0.12
        request = llm.requests[0]
        assert request.first_token_ns is not None
        assert request.first_token_ns - request.asked_ns >= 59_000_000


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (503, openai.InternalServerError)],
)
async def test_refusals(status: int, error: type[openai.APIStatusError]) -> None:
    """A refusal is the error that the status means; it uses up no reply."""
    async with FakeLlm(["One.", "Two."], timing=QUICK) as llm, client_of(llm) as client:
        llm.faults.next(HttpFailure(status))
        with pytest.raises(error):
            await stream(client)
        assert text_of(await stream(client)) == "One."
        assert llm.requests[0].outcome is LlmOutcome.BROKEN


async def test_connection_closed_before_the_answer() -> None:
    """The client sees a broken connection, and the server goes on."""
    async with FakeLlm(["One."], timing=QUICK) as llm, client_of(llm) as client:
        llm.faults.next(CloseBeforeAnswer())
        with pytest.raises(openai.APIConnectionError):
            await stream(client)
        assert llm.open_requests == 0
        assert text_of(await stream(client)) == "One."


@pytest.mark.parametrize("fault", [DieAfterTokens(2), MalformedAfterTokens(2)])
async def test_death_mid_sentence(fault: DieAfterTokens | MalformedAfterTokens) -> None:
    """Exactly two tokens come, then the client gets an error instead of an end."""
    async with FakeLlm(["One two three."], timing=QUICK) as llm, client_of(llm) as client:
        llm.faults.next(fault)
        got, error = await stream_until_error(client)
        assert isinstance(error, openai.APIConnectionError | json.JSONDecodeError)
        assert text_of(got) == "One two"
        await llm.wait_until(lambda: llm.open_requests == 0)
        assert llm.requests[0].outcome is LlmOutcome.BROKEN


@pytest.mark.parametrize(("fault", "sent"), [(Hang(), ""), (StallAfterTokens(1), "One")])
async def test_hanging_until_the_peer_goes(fault: Hang | StallAfterTokens, sent: str) -> None:
    """A hanging request stays open until the client gives it up, and that is counted."""
    async with FakeLlm(["One two three."], timing=QUICK) as llm, client_of(llm) as client:
        llm.faults.next(fault)
        asking = asyncio.create_task(stream(client))
        await llm.wait_until(lambda: llm.open_requests == 1 and llm.requests[0].sent_text == sent)
        asking.cancel()
        await llm.wait_until(lambda: llm.disconnects == 1)
        assert llm.open_requests == 0


async def test_stopping_breaks_what_is_open_and_it_comes_back() -> None:
    """A stopped server refuses connections; started again it has its old address."""
    llm = FakeLlm(["One."], timing=QUICK)
    await llm.start()
    address = llm.base_url
    async with client_of(llm) as client:
        llm.faults.next(Hang())
        asking = asyncio.create_task(stream(client))
        await llm.wait_until(lambda: llm.open_requests == 1)
        await llm.stop()
        with pytest.raises(openai.APIConnectionError):
            await asking
        assert llm.requests[0].outcome is LlmOutcome.BROKEN
        with pytest.raises(openai.APIConnectionError):
            await stream(client)
        await llm.start()
        assert llm.base_url == address
        assert text_of(await stream(client)) == "One."
    await llm.stop()


async def test_models_and_health() -> None:
    """The model is listed and the health page answers."""
    async with FakeLlm(model="tiny") as llm, client_of(llm) as client, aiohttp.ClientSession() as session:
        assert [model.id async for model in client.models.list()] == ["tiny"]
        async with session.get(f"{llm.base_url}/health/ready") as response:
            assert response.status == 200


async def test_a_request_that_is_too_long_is_refused() -> None:
    """Prompt and longest reply together must fit what the list of models tells, if it tells; no reply is used up."""
    body = json.dumps({"messages": ASK}).encode()
    tokens = -(-len(body) // 3)
    async with FakeLlm(["Yes."], timing=QUICK, context_tokens=tokens + 10) as llm, client_of(llm) as client:
        (model,) = [model async for model in client.models.list()]
        assert (model.model_extra or {})["max_model_len"] == tokens + 10
        with pytest.raises(openai.BadRequestError, match=f"maximum context length is {tokens + 10} tokens"):
            await stream(client, max_tokens=11)
        assert text_of(await stream(client, max_tokens=10)) == "Yes."
    async with FakeLlm(context_tokens=1, tells_context=False) as llm, client_of(llm) as client:
        (model,) = [model async for model in client.models.list()]
        assert not model.model_extra
