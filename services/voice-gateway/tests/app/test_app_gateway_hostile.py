"""Hostile clients and backends against a whole gateway: how calls end, what memory they take, who is served after.

The short form of accept/hostile.py, which measures what others feel meanwhile.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from app.gateway_process import serving
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voicegateway.v1 import client_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit.hostile import attacks, backends
from voicegateway_testkit.hostile.calls import OWN_CONNECTION, STILL_OPEN, HostileCall, start
from voicegateway_testkit.hostile.half_sent import HalfSentCalls
from voicegateway_testkit.process_meter import resident_bytes

BOUND_S = 60.0
"""Of every wait; far above what it takes."""
MAX_GROWN_MIB = 48
"""What one attack may add to the gateway's memory: 4,000 of the gaps alone were 250 MiB."""
MIB = 2**20
TOO_MUCH = "RESOURCE_EXHAUSTED / RATE_EXCEEDED"
SESSIONS = 20
WATCHERS = 25
"""Of one account."""


@dataclass
class Attacked:
    """A serving gateway."""

    pid: int
    port: int

    @property
    def address(self) -> str:
        """As gRPC takes it."""
        return f"127.0.0.1:{self.port}"

    def resident_mib(self) -> float:
        """Its memory now."""
        return resident_bytes(self.pid) / MIB

    async def has_room(self) -> None:
        """Return when the places of calls that were given up are free again; raises TimeoutError."""
        async with asyncio.timeout(BOUND_S):
            while True:
                async with HostileCall(self.address) as caller:
                    if await caller.wait_for("started", timeout_s=BOUND_S) is not None:
                        return

    async def serves(self) -> bool:
        """Whether a caller who types a turn is answered."""
        async with HostileCall(self.address) as caller:
            await caller.send(text("hello"))
            return await caller.wait_for("reply_finished", timeout_s=BOUND_S) is not None


def text(words: str) -> service_pb2.ConverseRequest:
    """A typed turn."""
    return service_pb2.ConverseRequest(text=client_pb2.TextInput(text=words))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    """One gateway for all attacks, as a pod has them."""
    folder: Path = tmp_path_factory.mktemp("attacked")
    asr, tts, llm = backends.recogniser("what is the time"), backends.synthesizer(), backends.model()
    async with asr, tts, llm:
        environment = {
            "ASR_URI": asr.address,
            "TTS_URI": tts.address,
            "LLM_SERVICE_URL": llm.base_url,
            "START_TIMEOUT_MS": "1000",
            "MAX_SESSIONS": str(SESSIONS),
            # the machine that runs this may be slow, and who is refused for that is not what is asked here
            "ADMIT_MAX_CPU_PERCENT": "0",
            "ADMIT_MAX_ADDED_MS": "0",
            "TURN_STALL_MS": "120000",
        }
        async with serving(folder / "ports.json", environment) as gateway:
            await gateway.told("readiness", is_ready=True)
            reading = asyncio.create_task(_read_log(gateway.process))
            made = Attacked(gateway.process.pid, int(json.loads((folder / "ports.json").read_text())["grpc"]))
            assert await made.serves()
            yield made
            gateway.process.terminate()
            await gateway.process.wait()
            await reading


async def _read_log(process: asyncio.subprocess.Process) -> None:
    """Nobody reads what is told during an attack, and a full pipe would stop the gateway."""
    assert process.stderr is not None
    while await process.stderr.read(65_536):
        pass


FLOODS: dict[str, tuple[Callable[[], Iterator[service_pb2.ConverseRequest]], int, str]] = {
    "gaps": (attacks.gaps, 2_000, STILL_OPEN),
    "loud": (attacks.loud, 10, STILL_OPEN),
    "keys": (lambda: attacks.keys("#" * 4_000), 1, "INVALID_ARGUMENT / TEXT_INVALID"),
    "few keys": (lambda: attacks.keys("#" * 16), 1_000, TOO_MUCH),
    "updates": (attacks.updates, 2_000, TOO_MUCH),
    "policies": (attacks.policies, 2_000, TOO_MUCH),
    "texts": (lambda: attacks.texts("hello"), 2_000, TOO_MUCH),
    "commits": (attacks.commits, 4_000, TOO_MUCH),
    "interrupts": (attacks.interrupts, 2_000, TOO_MUCH),
    "reports": (attacks.reports, 2_000, STILL_OPEN),
    "tool results": (attacks.tool_results, 500, STILL_OPEN),
}
"""Messages, how many of them at most, and how the call then stands."""


@pytest.mark.parametrize(("messages", "count", "outcome"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_ends_its_own_call_or_waits(
    attacked: Attacked, messages: Callable[[], Iterator[service_pb2.ConverseRequest]], count: int, outcome: str
) -> None:
    """A client that pours messages in takes no memory to speak of; who does too much is told, the next is served."""
    before_mib = attacked.resident_mib()
    async with HostileCall(attacked.address) as call:
        for request in islice(messages(), count):
            if not await call.send(request):
                break
        assert await call.outcome(timeout_s=0 if outcome is STILL_OPEN else BOUND_S) == outcome
        assert attacked.resident_mib() - before_mib < MAX_GROWN_MIB
    assert await attacked.serves()


@pytest.mark.parametrize("harm", sorted(set(backends.HARMS) - {"long"}))
async def test_a_model_out_of_its_mind_ends_its_reply_at_most(attacked: Attacked, harm: str) -> None:
    """Whatever the model writes, the reply comes to an end, the call goes on, and others are served."""
    before_mib = attacked.resident_mib()
    async with HostileCall(attacked.address) as call:
        await call.send(text(harm))
        assert await call.wait_for("reply_text", timeout_s=BOUND_S) is not None
        assert await attacked.serves()
        await call.send(service_pb2.ConverseRequest(interrupt=client_pb2.Interrupt()))
        assert await call.wait_for("reply_finished", timeout_s=BOUND_S) is not None
        assert await call.outcome() == STILL_OPEN
        assert attacked.resident_mib() - before_mib < MAX_GROWN_MIB


async def test_a_telephone_that_pours_audio_in_is_made_to_wait(attacked: Attacked) -> None:
    """Messages of a megabyte of mu-law, two minutes each, take no memory to speak of and nobody's service."""
    before_mib = attacked.resident_mib()
    async with HostileCall(attacked.address, start(is_telephone=True)) as call:
        for request in islice(attacks.loud(sample_bytes=1), 4):
            if not await call.send(request):
                break
        assert await attacked.serves()
        assert await call.outcome(timeout_s=0) == STILL_OPEN
        assert attacked.resident_mib() - before_mib < MAX_GROWN_MIB


@pytest.mark.parametrize("language_code", [backends.FLOODED_LANGUAGE, backends.LANGUAGE_OF_FINALS])
async def test_results_without_end_hurt_nobody(attacked: Attacked, language_code: str) -> None:
    """A recogniser that tells interims, or finals, as fast as it can takes neither memory nor the others' service."""
    before_mib = attacked.resident_mib()
    async with HostileCall(attacked.address, start(language_code)) as call:
        await call.send(service_pb2.ConverseRequest(audio=client_pb2.AudioInput(data=bytes(6_400))))
        assert await call.wait_for("transcript", count=5, timeout_s=BOUND_S) is not None
        assert await attacked.serves()
        assert await call.outcome() == STILL_OPEN
        assert attacked.resident_mib() - before_mib < MAX_GROWN_MIB


async def test_a_start_that_never_comes_whole_is_not_waited_for(attacked: Attacked) -> None:
    """Calls that sent all but the last byte of a large first message are ended, and their memory is given back."""
    before_mib = attacked.resident_mib()
    half_sent = HalfSentCalls("127.0.0.1", attacked.port, message_bytes=1_000_000)
    await half_sent.hold(15, BOUND_S)
    assert list(half_sent.statuses.values()) == ["grpc-status 4"] * 15  # DEADLINE_EXCEEDED
    assert attacked.resident_mib() - before_mib < MAX_GROWN_MIB
    assert await attacked.serves()


async def test_newcomers_are_served_or_told_at_once(attacked: Attacked) -> None:
    """Of more callers than there are places, those who come first are served and every other one is told why not."""
    async with AsyncExitStack() as ends:
        calls = [await ends.enter_async_context(HostileCall(attacked.address)) for _ in range(SESSIONS + 15)]
        started = await asyncio.gather(*(call.wait_for("started", timeout_s=BOUND_S) for call in calls))
        outcomes = Counter([await call.outcome() for call in calls])
    assert sum(answer is not None for answer in started) == SESSIONS
    assert outcomes == {STILL_OPEN: SESSIONS, "RESOURCE_EXHAUSTED / AT_CAPACITY": 15}
    await attacked.has_room()
    assert await attacked.serves()


async def test_watchers_of_health_are_bounded(attacked: Attacked) -> None:
    """A crowd that watches the health of the gateway is refused beyond what probes and proxies need."""
    async with grpc.aio.insecure_channel(attacked.address, options=OWN_CONNECTION) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # its published types say nothing of its methods
        watches = [health.Watch(health_pb2.HealthCheckRequest(service="readiness")) for _ in range(WATCHERS + 10)]
        answers = await asyncio.gather(*(watch.read() for watch in watches), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(refused) == 10
        for watch in watches:
            watch.cancel()
    assert await attacked.serves()
