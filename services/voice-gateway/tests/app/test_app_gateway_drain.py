"""How a serving process leaves: its backends are fakes on real sockets, its calls go through a real channel."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from app.gateway_process import BOUND_S, Gateway, is_serving, serving
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2, voice_gateway_service_pb2_grpc
from voicegateway.v1.voice_gateway_service_pb2 import ConverseRequest, ConverseResponse
from voicegateway_testkit.fakes.asr import FakeAsr
from voicegateway_testkit.fakes.llm import FakeLlm
from voicegateway_testkit.fakes.tts import FakeTts
from voicegateway_testkit.faults import Hang

START = ConverseRequest(
    start=client_pb2.Start(
        audio_in=audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=16_000),
        language_code="en-US",
    )
)
QUESTION = ConverseRequest(text=client_pb2.TextInput(text="Tell me something."))


@asynccontextmanager
async def ready_gateway(tmp_path: Path, llm: FakeLlm, **environment: str) -> AsyncIterator[Gateway]:
    """A gateway whose backends are fakes and have answered."""
    async with FakeAsr() as asr, FakeTts() as tts, llm:
        addresses = {"ASR_URI": asr.address, "TTS_URI": tts.address, "LLM_SERVICE_URL": llm.base_url}
        async with serving(tmp_path / "ports.json", addresses | environment) as gateway:
            await gateway.told("readiness", is_ready=True)
            yield gateway


class Caller:
    """One conversation."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call: Any = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(channel).Converse(timeout=BOUND_S)
        self.received: list[str] = []

    async def say(self, *requests: ConverseRequest) -> None:
        """Send in order."""
        for request in requests:
            await self._call.write(request)

    async def hears(self, kind: str) -> ConverseResponse:
        """Read up to a message of that kind and return it."""
        while isinstance(response := await self._call.read(), ConverseResponse):
            self.received.append(str(response.WhichOneof("payload")))
            if self.received[-1] == kind:
                return response
        raise AssertionError(f"ended without {kind}: {self.received}")

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Read to the end; the call's code and its reason. Unread messages would hold the status back."""
        with suppress(grpc.aio.AioRpcError):
            while await self._call.read() is not grpc.aio.EOF:
                pass
        code = await self._call.code()
        return code, await _reason(self._call)


async def _reason(call: Any) -> str:
    status = await rpc_status.aio.from_call(call)
    info = error_details_pb2.ErrorInfo()
    if status is not None and status.details:
        status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_running_turn_finishes_and_nobody_new_gets_in(tmp_path: Path) -> None:
    """SIGTERM loses no word of a reply, and a client that comes now is sent elsewhere at once."""
    llm = FakeLlm(["Here is one sentence. And here is the other."])
    async with ready_gateway(tmp_path, llm) as gateway, gateway.channel() as channel:
        for name in ("liveness", "readiness", ""):
            assert await is_serving(channel, name)
        caller = Caller(channel)
        await caller.say(START, QUESTION)
        await caller.hears("reply_audio")
        gateway.process.send_signal(signal.SIGTERM)
        going = await caller.hears("going_away")
        assert 0 < going.going_away.deadline_ms <= 30_000
        assert await is_serving(channel, "liveness")
        assert not await is_serving(channel, "readiness")
        late = Caller(channel)
        await late.say(START)
        assert await late.status() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        finished = await caller.hears("reply_finished")
        assert finished.reply_finished.outcome == server_pb2.REPLY_OUTCOME_COMPLETED
        ended = await caller.hears("ended")
        assert ended.ended.reason == server_pb2.END_REASON_DRAINING
        assert await caller.status() == (grpc.StatusCode.OK, "")
        assert await gateway.ended() == 0
        assert gateway.events[-1] == "stopped"


async def test_an_idle_call_is_told_and_ends_well(tmp_path: Path) -> None:
    """Who says nothing when the pod leaves connects to the next one at once; the call has not failed."""
    async with (
        ready_gateway(tmp_path, FakeLlm(), SHUTDOWN_GRACE_PERIOD="3600") as gateway,
        gateway.channel() as channel,
    ):
        caller = Caller(channel)
        await caller.say(START)
        await caller.hears("started")
        gateway.process.send_signal(signal.SIGTERM)
        ended = await caller.hears("ended")
        assert caller.received[-2:] == ["going_away", "ended"]
        assert ended.ended.reason == server_pb2.END_REASON_DRAINING
        assert await caller.status() == (grpc.StatusCode.OK, "")
        assert await gateway.ended() == 0


async def test_at_the_deadline_a_turn_is_cut(tmp_path: Path) -> None:
    """A backend that hangs does not hold a pod beyond its grace period; the client is told why it lost the call."""
    llm = FakeLlm(["Never."])
    llm.faults.always(Hang())
    async with (
        ready_gateway(tmp_path, llm, SHUTDOWN_GRACE_PERIOD="1") as gateway,
        gateway.channel() as channel,
    ):
        caller = Caller(channel)
        await caller.say(START, QUESTION)
        await llm.wait_until(lambda: llm.open_requests == 1)
        gateway.process.send_signal(signal.SIGTERM)
        assert await caller.status() == (grpc.StatusCode.UNAVAILABLE, "DRAIN_DEADLINE")
        assert await gateway.ended() == 0
        assert "sessions outlived the drain" not in gateway.events


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(tmp_path: Path, first: signal.Signals) -> None:
    """Whoever presses Ctrl-C twice does not want to wait for the grace period, here an hour."""
    llm = FakeLlm(["Never."])
    llm.faults.always(Hang())
    patient = {"SHUTDOWN_GRACE_PERIOD": "3600", "LLM_FIRST_TOKEN_DEADLINE_MS": "120000"}
    async with ready_gateway(tmp_path, llm, **patient) as gateway, gateway.channel() as channel:
        caller = Caller(channel)
        await caller.say(START, QUESTION)
        await llm.wait_until(lambda: llm.open_requests == 1)
        gateway.process.send_signal(first)
        await caller.hears("going_away")
        gateway.process.send_signal(signal.SIGINT)
        code, _ = await caller.status()
        assert code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert await gateway.ended() == 0
        await llm.wait_until(lambda: llm.open_requests == 0)


async def test_an_idle_gateway_leaves_without_waiting(tmp_path: Path) -> None:
    """A rollout does not take a grace period per pod when nobody is talking."""
    async with ready_gateway(tmp_path, FakeLlm(), SHUTDOWN_GRACE_PERIOD="3600") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            assert await gateway.ended() == 0
