"""A client of a language model, and what it is asked: for tests of the backend."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Role
from voice_gateway.domain.ids import SessionId
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming

REPLY = "It is noon. The sun is high, café open."
MESSAGES = (ChatMessage(Role.SYSTEM, "Be brief."), ChatMessage(Role.USER, "What time is it?"))
SESSION = SessionId("s1")
SETTINGS = OpenAiChatSettings("http://unset", model="fake-model")


def fake_llm() -> FakeLlm:
    """A model without delays."""
    return FakeLlm([REPLY], timing=LlmTiming(ttft_ms=0, token_ms=0))


@asynccontextmanager
async def llm(base_url: str, settings: OpenAiChatSettings = SETTINGS) -> AsyncGenerator[OpenAiChat, None]:
    """A client of this endpoint."""
    client = OpenAiChat(replace(settings, base_url=base_url))
    try:
        yield client
    finally:
        await client.pool.close()


async def collect(client: OpenAiChat, written: list[str] | None = None) -> list[str]:
    """All pieces of the reply; `written` keeps those before an error."""
    pieces = [] if written is None else written
    async for piece in client.reply(SESSION, MESSAGES):
        assert isinstance(piece, str)
        pieces.append(piece)
    return pieces
