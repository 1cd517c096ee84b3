"""The whole gateway in this process, on real sockets, with the test kit's fakes behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import grpc.aio
from gateway_kit.journals import assert_all_replay
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice_gateway import config
from voice_gateway.app.gateway import Gateway
from voicegateway_testkit import FakeAsr, FakeLlm, FakeTts, LlmTiming, Reply, TtsTiming, Utterance

NOWHERE = "127.0.0.1:1"
"""Nobody listens there."""
APOLOGY = "Sorry, please ask again."
FAST_TTS = TtsTiming(first_audio_ms=5, chunk_every_ms=1, ms_per_char=30)
FAST_LLM = LlmTiming(ttft_ms=5, token_ms=1)


@dataclass
class World:
    """A serving gateway and its backends."""

    asr: FakeAsr
    tts: FakeTts
    llm: FakeLlm
    gateway: Gateway
    address: str

    async def wait_quiet(self) -> None:
        """Return when no backend call is open; raises TimeoutError."""
        await self.asr.wait_until(lambda: self.asr.open_streams == 0)
        await self.tts.wait_until(lambda: self.tts.open_calls == 0)
        await self.llm.wait_until(lambda: self.llm.open_requests == 0)


PATIENT = {
    "TURN_VAD_END_MS": "10000",
    "TURN_INPUT_STALL_MS": "10000",
    "TURN_FINAL_GRACE_MS": "5000",
    "TURN_SPECULATION": "false",
}
"""A busy machine that stands still for a second must not look like a user, or a recogniser, that does; nor may it
decide how often the model is asked."""


@asynccontextmanager
async def world(
    *said: str,
    replies: tuple[Reply | str, ...] = ("Certainly. It is done.",),
    settings: Mapping[str, str] | None = None,
    first_asr: FakeAsr | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    context_tokens: int | None = None,
    tells_context: bool = False,
) -> AsyncIterator[World]:
    """A gateway that is ready; `said` is what the user's utterances say, `settings` are further ones of the gateway.
    `first_asr` is a started recogniser that is listed before the world's own. `credentials` are those of a client,
    where the settings ask for TLS. The model takes `context_tokens`, and lists them if it `tells_context`.

    At the end every session's journal is replayed.
    """
    asr = FakeAsr([Utterance(words) for words in said])
    tts = FakeTts(timing=FAST_TTS)
    llm = FakeLlm(replies, timing=FAST_LLM, context_tokens=context_tokens, tells_context=tells_context)
    with TemporaryDirectory() as journals:
        async with asr, tts, llm:
            environment = {
                "ASR_URI": asr.address if first_asr is None else f"{first_asr.address},{asr.address}",
                "TTS_URI": tts.address,
                "LLM_SERVICE_URL": llm.base_url,
                "LLM_APOLOGY": APOLOGY,
                "ASR_APOLOGY": "off",  # is made ready when a session begins; tests count what is synthesised
                "GRPC_PORT": "0",
                "METRICS_PORT": "0",
                "JOURNAL_DIR": journals,
                **PATIENT,
                **(settings or {}),
            }
            gateway = Gateway(config.load(environment))
            port = await gateway.start()
            watching = asyncio.create_task(gateway.watch())
            try:
                if not any(NOWHERE in value for value in environment.values()):
                    await _wait_ready(f"localhost:{port}", credentials)
                yield World(asr, tts, llm, gateway, f"127.0.0.1:{port}")
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                await gateway.stop()
        assert_all_replay(Path(journals))


async def _wait_ready(address: str, credentials: grpc.ChannelCredentials | None) -> None:
    secure = credentials and grpc.aio.secure_channel(address, credentials)
    async with secure or grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        watch.cancel()
