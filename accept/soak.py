"""Ten minutes of everything at once, and what is left of it afterwards: `make soak`, or `make soak HOURS=1`.

Spoken, typed and older calls, interruptions, hang-ups and refused calls, while backends fail, are restarted one after
the other, and the certificate and the tokens change. Then nothing may be left: no memory that grows, no descriptor,
thread, task, session or backend call. Exit status 1: something is.
"""

import argparse
import asyncio
import gc
import itertools
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import trustme
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from voicegateway.v1 import client_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import (
    CallEndedError,
    ConverseClient,
    FakeAsr,
    FakeLlm,
    FakeTts,
    LegacyClient,
    Utterance,
    faults,
    utterance_pcm,
)

from bench.cores import take_cores
from bench.loop import loop_ms
from bench.process import running

CALLERS: Final = 12
WARM_UP_S: Final = 60.0
REST_S: Final = 20.0
"""What was begun has ended by then: finals that are owed, health checks, messages of calls that were cut off."""
FAULT_EVERY_S: Final = 5.0
RESTART_EVERY_S: Final = 40.0
DOWN_S: Final = 2.0
RELOAD_EVERY_S: Final = 30.0
SAMPLE_EVERY_S: Final = 5.0
MAX_SLOPE_MIB_A_MINUTE: Final = 1.0
MAX_MORE: Final = 0.05
"""How much more may be left than there was at rest before."""
PATIENCE_S: Final = 20.0
MIB: Final = 2**20
TOKEN: Final = "soak"  # noqa: S105  of a server that lives for some minutes, on loopback
QUESTION: Final = utterance_pcm(speech_ms=900, silence_ms=800)
INTERRUPTION: Final = utterance_pcm(speech_ms=1_200, silence_ms=800)
HELD: Final = {
    "resident MiB": "process_resident_memory_bytes",
    "descriptors": "process_open_fds",
    "tasks": "voicegateway_tasks",
    "sessions": "voicegateway_sessions_in_progress",
    "backend calls": "voicegateway_backend_calls_in_progress",
}
THREADS: Final = "threads"
POOL_THREADS: Final = 2
"""So many more threads are none that is left: gRPC and asyncio make those of their pools as they need them."""
EXACT: Final = ("sessions", "backend calls")
"""Of these nothing at all may be left."""

Held = dict[str, float]


@dataclass(frozen=True, slots=True)
class Door:
    """Where and how the gateway is called."""

    address: str
    credentials: grpc.ChannelCredentials
    metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {TOKEN}"),)

    def converse(self) -> ConverseClient:
        """A client of v1."""
        return ConverseClient(self.address, metadata=self.metadata, own_connection=True, credentials=self.credentials)


# --- calls -----------------------------------------------------------------------------------------------------------


async def speak(door: Door, rng: random.Random) -> str:
    """One to three spoken turns, some of them cut short by the user."""
    async with door.converse() as client:
        await client.start()
        client.turn_microphone_on()
        for _ in range(rng.randint(1, 3)):
            await client.say(QUESTION)
            if rng.random() < 0.4:  # noqa: PLR2004  a share
                await client.wait_for("reply_audio", timeout_s=PATIENCE_S)
                await client.say(INTERRUPTION)
            await client.wait_for("reply_finished", timeout_s=PATIENCE_S)
        await client.half_close()
        return (await client.wait_end(PATIENCE_S)).code.name


async def type_turns(door: Door, rng: random.Random) -> str:
    """Typed turns, one of them withdrawn."""
    async with door.converse() as client:
        await client.start()
        for _ in range(rng.randint(1, 3)):
            client.send_text("What time is it?")
            await client.wait_for("reply_audio", timeout_s=PATIENCE_S)
            if rng.random() < 0.3:  # noqa: PLR2004  a share
                client.interrupt()
            await client.wait_for("reply_finished", timeout_s=PATIENCE_S)
        client.end()
        return (await client.wait_end(PATIENCE_S)).code.name


async def call_as_before(door: Door, _: random.Random) -> str:
    """A call of the older contract, whose audio comes faster than real time."""
    async with LegacyClient(door.address, metadata=door.metadata, credentials=door.credentials) as client:
        client.configure()
        await client.push(QUESTION, speed=12.8)
        await client.half_close()
        return (await client.wait_end(PATIENCE_S)).code.name


async def hang_up(door: Door, rng: random.Random) -> str:
    """A client that vanishes while it speaks, or is spoken to."""
    async with door.converse() as client:
        await client.start()
        client.send_audio(QUESTION[: rng.randrange(2, len(QUESTION), 2)])
        if rng.random() < 0.5:  # noqa: PLR2004  a share
            client.send_text("What time is it?")
            await client.wait_for("reply_audio", timeout_s=PATIENCE_S)
        await client.vanish()
    return "vanished"


async def be_refused(door: Door, rng: random.Random) -> str:
    """A call that cannot begin: a wrong token, no start, or a language that nobody speaks."""
    metadata = (("authorization", "Bearer wrong"),) if rng.random() < 0.3 else door.metadata  # noqa: PLR2004  a share
    client = ConverseClient(door.address, metadata=metadata, credentials=door.credentials)
    async with client:
        if rng.random() < 0.5:  # noqa: PLR2004  a share
            client.send(service_pb2.ConverseRequest(interrupt=client_pb2.Interrupt()))
        else:
            client.send(service_pb2.ConverseRequest(start=client_pb2.Start(language_code="tlh")))
        return (await client.wait_end(PATIENCE_S)).code.name


Call = Callable[[Door, random.Random], Awaitable[str]]
CALLS: Final[tuple[tuple[Call, int], ...]] = (
    (speak, 5),
    (type_turns, 2),
    (call_as_before, 2),
    (hang_up, 2),
    (be_refused, 1),
)
"""Each with its weight."""


# --- what happens to them --------------------------------------------------------------------------------------------


@dataclass
class Backends:
    """Two of each speech service, and a model."""

    asr: Sequence[FakeAsr] = field(
        default_factory=lambda: [
            FakeAsr([Utterance("what is the time")], repeats=True, keeps_audio=False) for _ in range(2)
        ]
    )
    tts: Sequence[FakeTts] = field(default_factory=lambda: [FakeTts() for _ in range(2)])
    llm: FakeLlm = field(default_factory=lambda: FakeLlm(["It is noon. The sun is high, and the shop is open."]))

    @property
    def all(self) -> list[Any]:
        """Each of them."""
        return [*self.asr, *self.tts, self.llm]

    @property
    def environment(self) -> dict[str, str]:
        """Where the gateway finds them."""
        return {
            "ASR_URI": ",".join(each.address for each in self.asr),
            "TTS_URI": ",".join(each.address for each in self.tts),
            "LLM_SERVICE_URL": self.llm.base_url,
        }

    async def fail(self, rng: random.Random) -> None:
        """Let the next request of a backend meet a fault, again and again."""
        ways: tuple[tuple[Sequence[Any], Sequence[Any]], ...] = (
            (self.asr, (faults.Refuse(), faults.DieAfterAudio(500), faults.NeverFinalise())),
            (self.tts, (faults.Refuse(), faults.NoSound(), faults.DieAfterSamples(2_000))),
            ([self.llm], (faults.HttpFailure(503), faults.DieAfterTokens(3), faults.CloseBeforeAnswer())),
        )
        while True:
            await asyncio.sleep(FAULT_EVERY_S)
            fakes, kinds = rng.choice(ways)
            rng.choice(fakes).faults.next(rng.choice(kinds))

    async def restart(self) -> None:
        """Take each down for a moment, one after the other, for ever."""
        for fake in itertools.cycle(self.all):
            await asyncio.sleep(RESTART_EVERY_S)
            await fake.stop()
            await asyncio.sleep(DOWN_S)
            await fake.start()


def write_secrets(folder: Path, authority: trustme.CA, number: int) -> None:
    """A new certificate of the same authority, and tokens of which one stays."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
    contents = {
        "key.pem": issued.private_key_pem.bytes(),
        "cert.pem": chain,
        "tokens": f"{TOKEN},other{number}".encode(),
    }
    for name, content in contents.items():
        partial = folder / f"{name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / name)


async def change_secrets(folder: Path, authority: trustme.CA) -> None:
    """Certificates and tokens change under running calls, for ever."""
    for number in itertools.count(1):
        await asyncio.sleep(RELOAD_EVERY_S)
        write_secrets(folder, authority, number)


# --- what is held ----------------------------------------------------------------------------------------------------


def held(pid: int, metrics_url: str) -> Held:
    """What the gateway holds now."""
    with urllib.request.urlopen(metrics_url, timeout=10) as page:  # noqa: S310  our own, on loopback
        families = text_string_to_metric_families(page.read().decode())
    sums: dict[str, float] = defaultdict(float)
    for family in families:
        for sample in family.samples:
            sums[sample.name] += sample.value
    told = {what: sums[name] for what, name in HELD.items()}
    told["resident MiB"] /= MIB
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (threads,) = [line.split()[1] for line in status.splitlines() if line.startswith("Threads:")]
    return told | {THREADS: float(threads)}


def slope_a_minute(samples: Sequence[tuple[float, float]]) -> float:
    """How much a value rises in a minute: the line of least squares through (seconds, value)."""
    mean_s, mean = (sum(each[axis] for each in samples) / len(samples) for axis in (0, 1))
    spread = sum((at_s - mean_s) ** 2 for at_s, _ in samples)
    return 60 * sum((at_s - mean_s) * (value - mean) for at_s, value in samples) / spread if spread else 0.0


def least_of_parts(samples: Sequence[tuple[float, Held]], parts: int = 10) -> list[float]:
    """The least resident MiB of equal parts of the time: what is left behind grows from part to part."""
    size = max(1, len(samples) // parts)
    return [
        min(each["resident MiB"] for _, each in samples[first : first + size])
        for first in range(0, len(samples) - size + 1, size)
    ]


async def hold_calls(door: Door, seconds: float, seed: int, outcomes: Counter[str]) -> None:
    """Call after call by CALLERS callers, until the time is over and the last has ended."""
    until_s = time.monotonic() + seconds
    calls, weights = zip(*CALLS, strict=True)

    async def calling(number: int) -> None:
        rng = random.Random(seed * CALLERS + number)  # noqa: S311  which call comes next
        while time.monotonic() < until_s:
            call = rng.choices(calls, weights)[0]
            try:
                outcome = await call(door, rng)
            except CallEndedError as error:
                outcome = error.status.code.name
            except (TimeoutError, AssertionError) as error:  # a fault was met, and the call was given up
                outcome = type(error).__name__
            outcomes[f"{call.__name__}: {outcome}"] += 1

    await asyncio.gather(*(calling(number) for number in range(CALLERS)))
    gc.collect()  # a channel that waits for the collector keeps its connection, and the gateway's descriptor with it


async def watch(pid: int, metrics_url: str, samples: list[tuple[float, Held]]) -> None:
    """Look at what is held, for ever."""
    while True:
        samples.append((time.monotonic(), await asyncio.to_thread(held, pid, metrics_url)))
        await asyncio.sleep(SAMPLE_EVERY_S)


async def soak(folder: Path, core: int, seconds: float) -> tuple[Held, Held, list[tuple[float, Held]], Counter[str]]:
    """What the gateway holds at rest before and after, and in between; and how the calls ended."""
    authority, backends, rng = trustme.CA(), Backends(), random.Random(0)  # noqa: S311  which fault comes next
    write_secrets(folder, authority, 0)
    outcomes, samples = Counter[str](), list[tuple[float, Held]]()
    async with AsyncExitStack() as ends:
        for fake in backends.all:
            await ends.enter_async_context(fake)
        environment = backends.environment | {
            "GRPC_TLS_CERT": str(folder / "cert.pem"),
            "GRPC_TLS_KEY": str(folder / "key.pem"),
            "AUTH_TOKENS_FILE": str(folder / "tokens"),
        }
        ports = folder / "soak.json"
        server = await ends.enter_async_context(
            running(core, ("-m", "voice_gateway", "serve", "--ports-file"), ports, environment)
        )
        url = f"http://127.0.0.1:{metrics_port(ports)}/metrics"
        door = Door(server.address, grpc.ssl_channel_credentials(authority.cert_pem.bytes()))
        harm = [backends.fail(rng), backends.restart(), change_secrets(folder, authority)]
        harming = [asyncio.create_task(each) for each in harm]
        await hold_calls(door, WARM_UP_S, 1, Counter())
        await asyncio.sleep(REST_S)
        before = held(server.pid, url)
        watching = asyncio.create_task(watch(server.pid, url, samples))
        await hold_calls(door, seconds, 2, outcomes)
        for task in (watching, *harming):
            task.cancel()
        await asyncio.gather(watching, *harming, return_exceptions=True)
        await asyncio.sleep(REST_S)
        return before, held(server.pid, url), samples, outcomes


def metrics_port(ports: Path) -> int:
    """Where the gateway that has written this file serves its metrics."""
    return int(json.loads(ports.read_text())["metrics"])


def judged(before: Held, after: Held, samples: Sequence[tuple[float, Held]]) -> tuple[list[str], bool]:
    """The table, and whether nothing is left."""
    told, is_good = ["what | at rest before | at most | at rest after | verdict"], True
    for what in before:
        most = max(each[what] for _, each in samples)
        pool = POOL_THREADS if what == THREADS else 0
        allowed = 0.0 if what in EXACT else max(before[what] * (1 + MAX_MORE), before[what] + pool)
        is_met = after[what] <= allowed
        is_good = is_good and is_met
        told.append(f"{what} | {before[what]:.4g} | {most:.4g} | {after[what]:.4g} | {'PASS' if is_met else 'FAIL'}")
    told.append(f"resident MiB, least of each tenth: {', '.join(f'{least:.0f}' for least in least_of_parts(samples))}")
    slope = slope_a_minute([(at_s, each["resident MiB"]) for at_s, each in samples])
    is_flat = slope < MAX_SLOPE_MIB_A_MINUTE
    told.append(f"resident memory rises by {slope:.3f} MiB a minute | {'PASS' if is_flat else 'FAIL'}")
    return told, is_good and is_flat


def main() -> int:
    """Soak, print what is left, and give the exit status."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long, after a minute (default: %(default)s)")
    minutes = parser.parse_args().minutes
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # a fake that is stopped breaks its answers off
    core = take_cores()
    with tempfile.TemporaryDirectory(prefix="voice-gateway-soak-") as folder:
        before, after, samples, outcomes = uvloop.run(soak(Path(folder), core, minutes * 60))
    told, is_good = judged(before, after, samples)
    calls = sum(outcomes.values())
    print(f"{calls} calls in {minutes:g} minutes, {CALLERS} at once; a loop of Python takes {loop_ms(core):.2f} ms")
    print("\n".join(f"  {count} x {outcome}" for outcome, count in sorted(outcomes.items())))
    print("\n".join(told))
    return 0 if is_good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.SubprocessError as error:
        sys.exit(f"soak: {error}")
