"""How much a model takes, and what a server says of a question that is longer."""

import json
from dataclasses import replace

import pytest
from aiohttp import web
from gateway_kit.backend_watch import FakeWatch
from gateway_kit.chat_caller import REPLY, SETTINGS, collect, llm
from gateway_kit.http_peer import answering
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.errors import BackendError, QuestionTooLong
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming


async def test_what_the_model_takes_is_learnt_with_the_health_check() -> None:
    """VLLM and NIM list `max_model_len`: nobody has to set it, and no turn waits for the question."""
    fake = FakeLlm([REPLY], timing=LlmTiming(ttft_ms=0, token_ms=0), context_tokens=32_768)
    async with fake, llm(fake.base_url) as client:
        assert client.prompt_tokens == 8_192 - 512
        await client.pool.probe()
        assert client.prompt_tokens == 32_768 - 512
        await collect(client)
        assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("settings", "prompt_tokens"),
    [
        (replace(SETTINGS, context_tokens=4_096), 3_584),
        (replace(SETTINGS, context_tokens=4_096, max_tokens=None), 3_584),
        (replace(SETTINGS, context_tokens=4_096, max_tokens=4_000), 1_024),
        (replace(SETTINGS, max_tokens=2_768), 30_000),
        (replace(SETTINGS, model="an alias"), 8_192 - 512),
    ],
)
async def test_the_room_for_the_prompt(settings: OpenAiChatSettings, prompt_tokens: int) -> None:
    """The reply has its place in what the model takes, three quarters of it at most; what is configured counts before
    what an endpoint tells, and that only of the model that is asked for.
    """
    async with FakeLlm(context_tokens=32_768) as fake, llm(fake.base_url, settings) as client:
        await client.pool.probe()
        assert client.prompt_tokens == prompt_tokens


async def test_a_question_that_is_too_long_is_told_as_that() -> None:
    """Whoever asked can ask for less at once, so no address is to blame and none is asked a second time."""
    fake = FakeLlm([REPLY], timing=LlmTiming(ttft_ms=0, token_ms=0), context_tokens=20, tells_context=False)
    async with fake, llm(fake.base_url) as client:
        client.pool.watch(watch := FakeWatch())
        await client.pool.probe()
        with pytest.raises(QuestionTooLong):
            await collect(client)
        assert len(fake.requests) == 1
        assert client.pool.is_healthy
        assert watch.failures == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (413, "<html>Request Entity Too Large</html>", QuestionTooLong),
        (422, '{"detail": "prompt is too long: 9 tokens > 8 maximum"}', QuestionTooLong),
        (400, '{"error": {"code": "context_length_exceeded"}}', QuestionTooLong),
        (400, '{"error": {"message": "no such model"}}', BackendError),
        (400, "x" * 20_000, BackendError),
        (404, '{"error": {"code": "context_length_exceeded"}}', BackendError),
        (500, "maximum context length", BackendError),
    ],
)
async def test_only_refusals_of_a_question_can_be_too_long(status: int, body: str, error: type[BackendError]) -> None:
    """A server that fails, and one that has no such page, is told as before; 413 is about the length in itself."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with answering(answer) as url, llm(url) as client:
        with pytest.raises(BackendError) as caught:
            await collect(client)
    assert type(caught.value) is error


async def test_a_refusal_for_length_may_come_inside_the_stream() -> None:
    """SGLang accepts what is streamed, and refuses then."""
    refusal = {"error": {"message": "The input is longer than the model's context length (8192 tokens).", "code": 400}}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=f"data: {json.dumps(refusal)}\n\n", content_type="text/event-stream")

    async with answering(answer) as url, llm(url) as client:
        with pytest.raises(QuestionTooLong):
            await collect(client)
