"""Measures the gateway with `voice-client load`, as anybody can: `make knee`, or `make knee BASE=COMMIT`.

The gateway runs on one core with its defaults; the tool and the backends' fakes run on another. Three things are asked:
what a lone caller waits for the gateway itself, what a hundred callers cost beside the bare echo of as many, and how
many callers it serves well. Takes about seven minutes a version, best alone. Exit status 1: a limit was not kept.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop
from voicegateway_testkit import FakeAsr, FakeLlm, FakeTts, LlmTiming, Utterance

from bench.compare import set_up
from bench.cores import cores_awake, take_cores
from bench.process import running

ANSWER: Final = "It is twelve o'clock now. The sun is high."
FIRST_SENTENCE_TOKENS: Final = 5
"""The fifth ends the first sentence."""
LLM: Final = LlmTiming(ttft_ms=60, token_ms=10)
WINDOW_MS: Final = 480
"""End-of-utterance window: the gateway's default."""
CALLS: Final = 100
LIMIT_MS: Final = 30
MAX_ECHOES: Final = 2.0
MIN_CALLS: Final = 1.25
MAX_ADDED: Final = 0.5
"""Of the base's."""
SERIAL: Final = {"TURN_SPECULATION": "false"}
"""Nothing is prepared early: all that the gateway adds is on the way to the first sound."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured of one version."""

    name: str
    loop_ms: float
    added_ms: float
    """Median of a lone caller's turns."""
    cpu_s: float
    """CPU-seconds for each of `CALLS` calls and minute."""
    echo_cpu_s: float
    knee: int
    is_certain: bool

    @property
    def told(self) -> str:
        """A row of the table."""
        more = "" if self.is_certain else " or more"
        return (
            f"{self.name} | {self.loop_ms:.2f} | {self.added_ms:.1f} | {self.cpu_s:.3f} | {self.echo_cpu_s:.3f} | "
            f"{self.cpu_s / self.echo_cpu_s:.2f} | {self.knee}{more}"
        )


class Backends:
    """The fakes."""

    def __init__(self) -> None:
        self.asr = FakeAsr([Utterance("what is the time")], repeats=True, keeps_audio=False)
        self.tts = FakeTts()
        self.llm = FakeLlm(lambda _: ANSWER, timing=LLM)

    @property
    def floor_ms(self) -> int:
        """Voice to voice if nobody took any time but the backends, one after the other."""
        sentence_ms = LLM.ttft_ms + (FIRST_SENTENCE_TOKENS - 1) * LLM.token_ms
        return WINDOW_MS + self.asr.timing.final_ms + sentence_ms + self.tts.timing.first_audio_ms

    async def start(self, ends: AsyncExitStack) -> None:
        """Listen until `ends` is left."""
        for fake in (self.asr, self.tts, self.llm):
            await ends.enter_async_context(fake)

    @property
    def environment(self) -> dict[str, str]:
        """Where the gateway finds them."""
        return {
            "ASR_URI": self.asr.address,
            "TTS_URI": self.tts.address,
            "LLM_SERVICE_URL": self.llm.base_url,
            "LLM_MODEL": "fake",
        }


@dataclass(frozen=True, slots=True)
class Sitting:
    """What all measurements share."""

    folder: Path
    core: int
    seconds: int
    backends: Backends

    async def measure(self, name: str, python: Path) -> Found:
        """All of one version."""
        lone = await self._load(
            name, python, SERIAL, "--calls", "1", "--floor-ms", str(self.backends.floor_ms), times=2.5
        )
        crowd = await self._load(name, python, {}, "--calls", str(CALLS), "--echo")
        search = await self._load(name, python, {}, "--find-knee", "--limit-ms", str(LIMIT_MS))
        return Found(
            name,
            loop_ms=search["loop_ms"],
            added_ms=lone["runs"][0]["added"]["p50_ms"],
            cpu_s=crowd["runs"][0]["server"]["cpu_s_per_call_minute"],
            echo_cpu_s=crowd["echo"]["cpu_s_per_call_minute"],
            knee=search["knee"]["calls"],
            is_certain=search["knee"]["is_certain"],
        )

    async def _load(
        self, name: str, python: Path, settings: Mapping[str, str], *arguments: str, times: float = 1
    ) -> Any:
        """What one call of the tool found, against a gateway that has just started."""
        print(f"{name}: voice-client load {' '.join(arguments)}", file=sys.stderr, flush=True)
        serve, ports = ("-m", "voice_gateway", "serve", "--ports-file"), self.folder / "gateway.json"
        async with running(self.core, serve, ports, {**self.backends.environment, **settings}, python) as gateway:
            await gateway.wait_ready()
            pid = ("--pid", str(gateway.pid))
            # what is imported or opened at first use
            await call_tool(self.folder, gateway.address, "--calls", "1", "--seconds", "8", *pid)
            seconds = ("--seconds", str(self.seconds * times))
            return await call_tool(self.folder, gateway.address, *arguments, *seconds, *pid)


async def call_tool(folder: Path, address: str, *arguments: str) -> Any:
    """What `voice-client load` found."""
    kept = folder / "load.json"
    kept.unlink(missing_ok=True)
    command = (sys.executable, "-m", "voice_client", "load", address, *arguments, "--json", str(kept))
    process = await asyncio.create_subprocess_exec(*command)
    await process.wait()
    if not kept.exists():
        raise SystemExit("nothing was measured")
    return json.loads(kept.read_text(encoding="utf-8"))


def judged(new: Found, base: Found | None) -> list[tuple[str, bool]]:
    """What is to be kept, and whether it is."""
    echoes = new.cpu_s / new.echo_cpu_s
    kept = [(f"CPU of {CALLS} calls: {echoes:.2f} echoes, at most {MAX_ECHOES}", echoes <= MAX_ECHOES)]
    if base is not None and base.knee:
        more = new.knee / base.knee
        kept.append((f"knee: {more:.2f} times the base's, at least {MIN_CALLS}", more >= MIN_CALLS))
    if base is not None:
        less = new.added_ms / base.added_ms
        kept.append(
            (f"added p50 of a lone caller: {less:.2f} times the base's, at most {MAX_ADDED}", less <= MAX_ADDED)
        )
    return kept


async def _measure(sitting: Sitting, versions: Mapping[str, Path]) -> list[Found]:
    async with AsyncExitStack() as ends:
        await sitting.backends.start(ends)
        return [await sitting.measure(name, python) for name, python in versions.items()]


def main() -> int:
    """Measure, print the table and the verdicts, and give the exit status."""
    parser = argparse.ArgumentParser(prog="bench.knee", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("base", nargs="?", help="commit to compare with")
    parser.add_argument("--seconds", type=int, default=20, help="length of a run (default: %(default)s)")
    wanted = parser.parse_args()
    versions = {"new": Path(sys.executable).absolute()}
    if wanted.base:
        versions["base"] = set_up(wanted.base)
    with tempfile.TemporaryDirectory(prefix="voice-gateway-knee-") as folder, cores_awake() as cores:
        print(cores, flush=True)
        core = take_cores()
        sitting = Sitting(Path(folder), core, wanted.seconds, Backends())
        found = uvloop.run(_measure(sitting, versions))
    print(f"serial floor: {sitting.backends.floor_ms} ms from the last word to the first sound")
    print("version | loop ms | added p50 ms, 1 call | CPU-s per call-minute, 100 calls | bare echo | echoes | knee")
    print("\n".join(each.told for each in found))
    verdicts = judged(found[0], found[1] if wanted.base else None)
    for told, is_kept in verdicts:
        print(f"{'PASS' if is_kept else 'FAIL'} | {told}")
    return 0 if all(is_kept for _, is_kept in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
