"""Several replicas of a backend behind one name, on loopback addresses and real sockets, found by a fake resolver."""

import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.domain.chat import ChatMessage, Role
from voice_gateway.domain.ids import SessionId
from voicegateway_testkit.fakes.asr import AsrTiming, FakeAsr
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming
from voicegateway_testkit.fakes.script import Utterance

SESSION = SessionId("s1")
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
MESSAGES = (ChatMessage(Role.USER, "What time is it?"),)
REPLY = "It is noon."


def free_port() -> int:
    """A port that is free on every loopback address."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


class Names:
    """Resolves one name as the test says."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses."""
        del host, port
        return self.hosts


@asynccontextmanager
async def llms(
    count: int, settings: OpenAiChatSettings | None = None, *, context_tokens: int | None = None
) -> AsyncGenerator[tuple[OpenAiChat, list[FakeLlm]], None]:
    """A client of so many models behind one name, all found in good health."""
    port, at_once = free_port(), LlmTiming(ttft_ms=0, token_ms=0)
    fakes = [FakeLlm([REPLY], timing=at_once, context_tokens=context_tokens).at(host, port) for host in HOSTS[:count]]
    settings = replace(settings or OpenAiChatSettings("http://unset", model="m"), base_url=f"http://llm.test:{port}")
    async with AsyncExitStack() as stack:
        for fake in fakes:
            await stack.enter_async_context(fake)
        client = OpenAiChat(settings, Names(*HOSTS[:count]))
        stack.push_async_callback(client.pool.close)
        await client.pool.probe()
        yield client, fakes


async def reply(client: OpenAiChat, session: SessionId = SESSION) -> str:
    """The whole reply."""
    return "".join([str(piece) async for piece in client.reply(session, MESSAGES)])


@asynccontextmanager
async def recognizers(*scripts: str) -> AsyncGenerator[tuple[RivaRecognizer, list[FakeAsr], Names], None]:
    """A client of as many recognisers behind one name as there are scripts, all found in good health."""
    port = free_port()
    at_once = AsrTiming(interim_ms=0, first_pass_ms=0, final_ms=0)
    names = Names(*HOSTS[: len(scripts)])
    async with AsyncExitStack() as stack:
        fakes = [
            await stack.enter_async_context(FakeAsr([Utterance(script)] * 8, timing=at_once).at(host, port))
            for host, script in zip(names.hosts, scripts, strict=True)
        ]
        client = RivaRecognizer(RivaSettings((f"asr.test:{port}",)), names)
        stack.push_async_callback(client.pool.close)
        await client.pool.probe()
        yield client, fakes, names
