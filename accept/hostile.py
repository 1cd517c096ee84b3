"""Hostile clients and backends against a gateway that others use: `make accept` has it among its programs.

    .venv/bin/python -m accept.hostile [attack ...]

Each attack meets a fresh gateway on a core of its own, in which witnesses hold ordinary spoken conversations. A line
for each attack tells what the witnesses felt, what memory it took and gave back, how soon the next caller was served,
and how the attacker's calls ended. Takes about twelve minutes. Exit status 1: a limit was passed.
"""

import argparse
import asyncio
import json
import logging
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio
import uvloop
from voicegateway.v1 import client_pb2, policy_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import FakeAsr, FakeLlm, FakeTts, TtsTiming
from voicegateway_testkit.hostile import backends
from voicegateway_testkit.hostile.attacks import ATTACKS, HARMFUL_REPLIES
from voicegateway_testkit.hostile.calls import STILL_OPEN, HostileCall
from voicegateway_testkit.process_meter import cpu_s, resident_bytes

from bench.cores import cores_awake, take_cores
from bench.load import Callers, call, make_tracks
from bench.process import Server, running
from bench.report import MAX_LATE_SHARE, percentile

WITNESSES: Final = 16
"""They have some 30 turns, so that the 95th percentile is not the worst of them."""
WITNESS_S: Final = 16
ATTACK_S: Final = 10
WINDOW_MS: Final = 480
FIRST_SENTENCE_TOKENS: Final = 5
"""With the last of them it looks ended, and is given to synthesis."""
MAX_ADDED_MS: Final = 50
"""Added latency of the witnesses, p95."""
MAX_PEAK_MIB: Final = 96
"""Memory above that before the attack; 60 first messages of 1.3 MB that lack a byte are 75 MiB of it."""
MAX_LEFT_MIB: Final = 32
"""What is left of it five seconds after the attack."""
SETTLE_S: Final = 5
SAMPLE_S: Final = 0.1
INTERRUPTED: Final = 2_000
INTERRUPTED_FIRST: Final = 200
INTERRUPTED_AT_ONCE: Final = 10
MAX_LEAK_MIB: Final = 8
SLOW_SYNTHESIS: Final = TtsTiming(first_audio_ms=10, chunk_every_ms=90)
"""Hardly faster than it is played: every interruption meets a sentence that is still being synthesised."""
MIB: Final = 2**20
POLICY: Final = policy_pb2.TurnPolicy(stop_history_ms=WINDOW_MS, speculation=False)
CALM: Final = "nobody"
"""Not an attack: what the witnesses feel without one."""
LEAK: Final = "interrupted"
TOO_MUCH: Final = "RESOURCE_EXHAUSTED / RATE_EXCEEDED"
FULL: Final = "RESOURCE_EXHAUSTED / AT_CAPACITY"
TOO_LARGE: Final = "INVALID_ARGUMENT / MESSAGE_TOO_LARGE"
INVALID_TEXT: Final = "INVALID_ARGUMENT / TEXT_INVALID"
NO_START_IN_TIME: Final = "grpc-status 4"
"""DEADLINE_EXCEEDED, of calls whose HTTP/2 is made by hand."""
PLACES: Final = 100
"""The default of MAX_SESSIONS. Load refuses nobody here, so that an attack meets a gateway that takes it on."""
START_TIMEOUT_MS: Final = 3_000
"""Well within an attack, so that its end is seen."""
ENDS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("gaps", "loud", "loud-telephone", "reports", "tool-results"), frozenset({STILL_OPEN})),
    **dict.fromkeys(("keys", "garbage"), frozenset({INVALID_TEXT})),
    **dict.fromkeys(("few-keys", "updates", "policies", "texts", "commits", "interrupts"), frozenset({TOO_MUCH})),
    **dict.fromkeys((harm.replace(" ", "-") for harm in HARMFUL_REPLIES), frozenset({STILL_OPEN})),
    **dict.fromkeys(("interims", "finals"), frozenset({STILL_OPEN})),
    "half-starts": frozenset({NO_START_IN_TIME}),
    "never-read": frozenset({STILL_OPEN}),
    "too-large": frozenset({TOO_LARGE}),
    "newcomers": frozenset({STILL_OPEN, FULL}),
    "proxy": frozenset({STILL_OPEN, FULL}),
    "watchers": frozenset({STILL_OPEN, "RESOURCE_EXHAUSTED"}),
    "everything": frozenset({STILL_OPEN, TOO_MUCH, INVALID_TEXT, TOO_LARGE, NO_START_IN_TIME}),
}
"""How calls of an attack end, each of them at least once. `STILL_OPEN` and `FULL` are lawful ends of any other call:
its time was up, or the gateway was too busy to take it."""

LEAST: Final[dict[str, int]] = {
    "gaps": 20_000,
    "loud": 5,
    "keys": 5_000,
    "few-keys": 9_000,
    "updates": 13_000,
    "policies": 14_000,
    "texts": 11_000,
    "commits": 5_000,
    "interrupts": 11_000,
    "reports": 900,
    "tool-results": 500,
    "loud-telephone": 5,
    **dict.fromkeys((harm.replace(" ", "-") for harm in HARMFUL_REPLIES), 5),
    "garbage": 280,
    "interims": 90,
    "finals": 20,
    "half-starts": 60,
    "never-read": 100,
    "too-large": 280,
    "newcomers": 500,
    "proxy": 500,
    "watchers": 2_000,
    "everything": 16_000,
}
"""Messages, or calls, that an attack makes at least: of floods a tenth of what they made on two slow cores. The
attacker gives way to everybody, and one that does nothing hurts nobody."""
REFUSED_BY_HTTP2: Final = {"watchers": frozenset({"UNAVAILABLE"}), "proxy": frozenset({"UNAVAILABLE"})}
"""Calls on one connection that come before those that were refused are gone from it: REFUSED_STREAM, error 7."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attack came to."""

    name: str
    added_ms: tuple[float, ...]
    """Latency added to each turn of each witness but its first, over the serial floor; infinite: not answered."""
    late_share: float
    peak_mib: float
    left_mib: float
    next_caller_ms: float
    """From `start` to `started` of a caller who comes right after the attack."""
    cpu_share: float
    """Share of a core that the gateway used during the attack."""
    outcomes: dict[str, int]
    messages: int

    @property
    def verdict(self) -> str:
        """PASS, or FAIL, or INVALID: the attack hardly took place, or the witnesses' own lateness may be what failed.

        What they felt is counted from when a frame was due, so that their lateness hides nothing.
        """
        is_sound = (
            self.peak_mib <= MAX_PEAK_MIB
            and self.left_mib <= MAX_LEFT_MIB
            and self.next_caller_ms < math.inf
            and self._ends_are_right
        )
        if not is_sound:
            return "FAIL"
        if self._is_mild:
            return "INVALID"
        if percentile(self.added_ms, 95) < MAX_ADDED_MS:
            return "PASS"
        return "INVALID" if self.late_share >= MAX_LATE_SHARE else "FAIL"

    @property
    def _is_mild(self) -> bool:
        """Whether the attacker did too little: other work on its core, say."""
        return max(self.messages, sum(self.outcomes.values())) < LEAST.get(self.name, 0)

    @property
    def _why_invalid(self) -> str:
        if self._is_mild:
            return f"less than the {LEAST[self.name]} messages or calls that make an attack"
        return f"{self.late_share:.1%} of the witnesses' frames late"

    @property
    def _ends_are_right(self) -> bool:
        wanted, seen = ENDS.get(self.name, frozenset()), self.outcomes.keys()
        return wanted <= seen <= wanted | {STILL_OPEN, FULL} | REFUSED_BY_HTTP2.get(self.name, frozenset())

    def row(self) -> str:
        """The line of the table."""
        told = ", ".join(f"{count} {status}" for status, count in sorted(self.outcomes.items()))
        cells = (
            self.name,
            f"{percentile(self.added_ms, 50):.1f} / {percentile(self.added_ms, 95):.1f} ms",
            f"{sum(map(math.isinf, self.added_ms))} of {len(self.added_ms)}",
            f"+{self.peak_mib:.1f} MiB",
            f"+{self.left_mib:.1f} MiB",
            f"{self.next_caller_ms:.0f} ms",
            f"{self.cpu_share:.0%}",
            f"{self.messages} messages: {told or 'no call'}",
            self.verdict + (f": {self._why_invalid}" if self.verdict == "INVALID" else ""),
        )
        return " | ".join(cells)


HEAD: Final = (
    f"attack | witness added p50 / p95 (< {MAX_ADDED_MS} ms) | unanswered | memory, peak (<= {MAX_PEAK_MIB} MiB) "
    f"| left (<= {MAX_LEFT_MIB} MiB) | next caller | CPU | attacker | verdict"
)


class Fakes:
    """The backends, which do harm to whom asks for it."""

    def __init__(self, synthesis: TtsTiming = TtsTiming()) -> None:  # noqa: B008  a frozen value
        self.asr: FakeAsr = backends.recogniser("what is the time")
        self.tts: FakeTts = backends.synthesizer(synthesis)
        self.llm: FakeLlm = backends.model()

    @property
    def floor_ms(self) -> int:
        """From the frame that completes the window to the first audio, if nobody took any time but the backends."""
        timing = self.llm.timing
        first_sentence_ms = timing.ttft_ms + (FIRST_SENTENCE_TOKENS - 1) * timing.token_ms
        return self.asr.timing.final_ms + first_sentence_ms + self.tts.timing.first_audio_ms

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, str]]:
        """Listen; gives the settings of a gateway in front of them."""
        async with self.asr, self.tts, self.llm:
            yield {"ASR_URI": self.asr.address, "TTS_URI": self.tts.address, "LLM_SERVICE_URL": self.llm.base_url}


async def attacked(name: str, folder: Path, core: int) -> Outcome:
    """Let one attack loose on a gateway with witnesses."""
    fakes = Fakes()
    async with AsyncExitStack() as ends:
        environment = await ends.enter_async_context(fakes.serving())
        environment |= {"START_TIMEOUT_MS": str(START_TIMEOUT_MS), "MAX_SESSIONS": str(PLACES)}
        server = running(core, ("-m", "voice_gateway", "serve", "--ports-file"), folder / f"{name}.json", environment)
        gateway = await ends.enter_async_context(server)
        await gateway.wait_ready()
        await call(gateway, 1, make_tracks(5, WINDOW_MS, 0)[:1], POLICY)  # what is imported or opened at first use
        memory = Memory(gateway.pid)
        tracks = make_tracks(WITNESS_S, WINDOW_MS, 7)
        attack = await ends.enter_async_context(_attacker(name, gateway))
        witnesses = asyncio.create_task(call(gateway, WITNESSES, tracks, POLICY))
        await asyncio.sleep(3)
        used_s, began_s = cpu_s(gateway.pid), time.monotonic()
        damage = await attack()
        cpu_share = (cpu_s(gateway.pid) - used_s) / (time.monotonic() - began_s)
        next_caller_ms = await _next_caller_ms(gateway)
        added_ms, late_share = await _felt(witnesses, fakes.floor_ms)
        await asyncio.sleep(SETTLE_S)
        await memory.stop()
    return Outcome(
        name,
        added_ms,
        late_share,
        peak_mib=(memory.peak_bytes - memory.before_bytes) / MIB,
        left_mib=max(0, memory.left_bytes - memory.before_bytes) / MIB,
        next_caller_ms=next_caller_ms,
        cpu_share=cpu_share,
        outcomes=damage["outcomes"],
        messages=damage["messages"],
    )


class Memory:
    """Resident memory of a process, watched from the making of this to `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.before_bytes = self.peak_bytes = self.left_bytes = resident_bytes(pid)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look for the last time."""
        self._task.cancel()
        await asyncio.wait({self._task})
        self.left_bytes = resident_bytes(self._pid)
        self.peak_bytes = max(self.peak_bytes, self.left_bytes)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            self.peak_bytes = max(self.peak_bytes, resident_bytes(self._pid))


@asynccontextmanager
async def _attacker(name: str, gateway: Server) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """A process that attacks when it is called. It is made before, as that alone stops this process for 50 ms."""
    if name == CALM:
        yield _stay_calm
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicegateway_testkit.hostile"),
        *(name, gateway.address, "--seconds", str(ATTACK_S), "--waits"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    async def attack() -> dict[str, Any]:
        told, trouble = await process.communicate(b"\n")
        if process.returncode:
            raise subprocess.SubprocessError(f"the attack {name} failed:\n{trouble.decode()[-2_000:]}")
        damage: dict[str, Any] = json.loads(told)
        return damage

    try:
        yield attack
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _stay_calm() -> dict[str, Any]:
    await asyncio.sleep(ATTACK_S)
    return {"messages": 0, "outcomes": {}}


async def _next_caller_ms(gateway: Server) -> float:
    began_s = time.monotonic()
    async with HostileCall(gateway.address) as caller:
        started = await caller.wait_for("started", timeout_s=10)
    return math.inf if started is None else (time.monotonic() - began_s) * 1_000


async def _felt(witnesses: Awaitable[Callers], floor_ms: int) -> tuple[tuple[float, ...], float]:
    """What each turn took over the serial floor, and the share of frames that the witnesses themselves sent late."""
    try:
        callers = await witnesses
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        print(f"    a witness was cut off: {error}", flush=True)
        return (math.inf,), 0.0
    latencies = callers.latencies_ms(lambda caller: caller.due_ns)
    return tuple(latency - floor_ms for turns in latencies for latency in turns[1:]), callers.late_share


async def interrupted(folder: Path, core: int) -> bool:
    """Interrupt a reply in each of 2,000 sessions; what memory that leaves behind."""
    async with AsyncExitStack() as ends:
        environment = await ends.enter_async_context(Fakes(SLOW_SYNTHESIS).serving())
        server = running(core, ("-m", "voice_gateway", "serve", "--ports-file"), folder / "leak.json", environment)
        gateway = await ends.enter_async_context(server)
        await gateway.wait_ready()
        await _interrupt(gateway, INTERRUPTED_FIRST)
        first = resident_bytes(gateway.pid)
        await _interrupt(gateway, INTERRUPTED - INTERRUPTED_FIRST)
        grown_mib = (resident_bytes(gateway.pid) - first) / MIB
    verdict = "PASS" if grown_mib <= MAX_LEAK_MIB else "FAIL"
    said = f"{INTERRUPTED} interrupted sessions, memory above that after {INTERRUPTED_FIRST}"
    print(f"{said} | <= {MAX_LEAK_MIB} MiB | {grown_mib:+.1f} MiB | {verdict}", flush=True)
    return verdict == "PASS"


async def _interrupt(gateway: Server, sessions: int) -> None:
    """Hold `sessions` sessions, some at a time: each hears the beginning of a long reply and interrupts it."""
    numbers = iter(range(sessions))

    async def hold() -> None:
        for _ in numbers:
            async with HostileCall(gateway.address) as caller:
                await caller.send(service_pb2.ConverseRequest(text=client_pb2.TextInput(text="long")))
                if await caller.wait_for("reply_audio", timeout_s=30) is None:
                    raise subprocess.SubprocessError(f"no reply: {await caller.outcome()}")
                await caller.send(
                    service_pb2.ConverseRequest(interrupt=client_pb2.Interrupt()),
                    service_pb2.ConverseRequest(end=client_pb2.End()),
                )
                await caller.wait_for("ended", timeout_s=30)

    await asyncio.gather(*(hold() for _ in range(INTERRUPTED_AT_ONCE)))


async def accept(names: Sequence[str]) -> int:
    """Run what was asked for, print a line each, return the exit status."""
    core = take_cores()
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="voice-gateway-hostile-") as folder:
        if names != [LEAK]:
            print(HEAD, flush=True)
        for name in names:
            if name == LEAK:
                verdicts.append(await interrupted(Path(folder), core))
                continue
            outcome = await attacked(name, Path(folder), core)
            print(outcome.row(), flush=True)
            verdicts.append(outcome.verdict == "PASS")
    return 0 if all(verdicts) else 1


def main() -> int:
    """Read the command line and run the attacks."""
    everything = [CALM, *ATTACKS, LEAK]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("attacks", nargs="*", choices=[*everything, []], help="all when none is named")
    names = parser.parse_args().attacks or everything
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # replies that are cut off are what is wanted here
    with cores_awake():
        return uvloop.run(accept(names))


if __name__ == "__main__":
    sys.exit(main())
