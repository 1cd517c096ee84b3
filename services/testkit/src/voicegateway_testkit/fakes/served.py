"""The fakes of all backends together, on ports that are known beforehand, and what they have heard, over HTTP."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from voicegateway_testkit.fakes.asr import FakeAsr
from voicegateway_testkit.fakes.llm import FakeLlm
from voicegateway_testkit.fakes.llm_codec import JsonObject
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.fakes.tts import FakeTts

ORDER = "Always answer: "
"""What a system prompt begins with that this model obeys."""


def obey(messages: list[JsonObject], answer: str) -> str:
    """Gives what the system prompt orders to answer, `answer` if it orders nothing."""
    orders = [str(message["content"]) for message in messages if message["role"] == "system"]
    return next((order.removeprefix(ORDER) for order in orders if order.startswith(ORDER)), answer)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each fake listens; 0: the system chooses."""

    asr: int
    tts: int
    llm: int
    state: int


PORTS = Ports(asr=50061, tts=50062, llm=8061, state=8062)
"""The ports of the image."""


class ServedFakes:
    """A context manager; `GET /state` tells in JSON how many streams and requests there were and are."""

    def __init__(self, words: str, answer: str, host: str, ports: Ports) -> None:
        """Every utterance says `words`; `answer` is answered, unless the system prompt says what."""
        self.asr = FakeAsr([Utterance(words)], repeats=True, keeps_audio=False)
        self.tts = FakeTts()
        self.llm = FakeLlm(lambda messages: obey(messages, answer))
        self.asr.at(host, ports.asr)
        self.tts.at(host, ports.tts)
        self.llm.at(host, ports.llm)
        self.state_port = ports.state
        """Set once started."""
        self._host = host
        self._ends = AsyncExitStack()
        """Filled when all has started."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as ends:
            for fake in (self.asr, self.tts, self.llm):
                await ends.enter_async_context(fake)
            app = web.Application()
            app.router.add_get("/state", self._tell)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            ends.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, self._host, self.state_port).start()
            self.state_port = runner.addresses[0][1]
            self._ends = ends.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ends.aclose()

    async def _tell(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "asr_streams": len(self.asr.streams),
                "asr_open": self.asr.open_streams,
                "llm_requests": len(self.llm.requests),
                "tts_sentences": len(self.tts.sentences),
            }
        )
