"""A chat model that says what a test told it to, and a real server round any model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from local_models.engines.recognition import EngineDescription
from local_models.openai_http.chat import ChatModel, ChatRequest, Finished, FinishReason, Piece, TextDelta
from local_models.openai_http.pacing import Pace
from local_models.openai_http.server import OpenAiServer
from openai import AsyncOpenAI


@dataclass
class ScriptedModel:
    """Give these pieces or raise these errors in order; `endless` goes on with words until it is closed."""

    script: Sequence[Piece | Exception] = ()
    endless: bool = False
    requests: list[ChatRequest] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    model_id: str = "scripted"

    async def reply(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        self.asked.set()
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                yield step
            while self.endless:
                yield TextDelta("word ")
                await asyncio.sleep(0.001)
        finally:
            self.closed.set()

    async def warm_up(self) -> None:
        return

    async def close(self) -> None:
        return

    def describe(self) -> tuple[EngineDescription, ...]:
        return ()


def said(*words: str) -> tuple[Piece, ...]:
    """Pieces of a whole reply: these words, then an ordinary end."""
    return (*(TextDelta(word) for word in words), Finished(FinishReason.STOP, 7, len(words)))


@asynccontextmanager
async def served(model: ChatModel, pace: Pace | None = None, *, is_ready: bool = True) -> AsyncIterator[str]:
    """Serve a model on a free loopback port; gives the base URL without /v1."""
    server = OpenAiServer(model, pace or Pace(), is_ready=is_ready)
    runner = web.AppRunner(server.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def openai_client(model: ChatModel, pace: Pace | None = None) -> AsyncIterator[AsyncOpenAI]:
    """Serve a model and give the real `openai` client, without its retries."""
    async with served(model, pace) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client
