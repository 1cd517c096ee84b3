"""Measures the gateway with `voice-client load`, as anybody can: `make knee`, or `make knee BASE=COMMIT`.

The gateway runs on one core with its defaults; the tool and the backends' fakes run on another. Three things are asked:
what a lone caller waits for the gateway itself, what a hundred callers cost beside the bare echo of as many, and how
many callers it serves well. Takes about five minutes a version and pair, best alone. Exit status 1: a limit was not
kept, or nothing can be said.
"""

import argparse
import asyncio
import json
import math
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
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
LIMIT_MS: Final = 50
"""For p95 of all callers, over the window and the final: with the defaults all else is ready by then."""
MAX_ECHOES: Final = 2.0
MIN_CALLS: Final = 1.25
MAX_ADDED: Final = 0.5
"""Of the base's."""
SERIAL: Final = {"TURN_SPECULATION": "false"}
"""Nothing is prepared early: all that the gateway adds is on the way to the first sound."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured of one version."""

    loop_ms: float
    """The machine's speed, as the tool measured it around each question: the mean."""
    added_ms: float
    """Median of a lone caller's turns."""
    cpu_s: float
    """CPU-seconds for each of `CALLS` calls and minute."""
    echo_cpu_s: float
    knee: float
    is_certain: bool
    """Whether the knee is the gateway's, and not that of the tool or of the search."""

    @classmethod
    def of(cls, lone: Any, crowd: Any, search: Any) -> "Found":
        """Out of what the tool found."""
        return cls(
            loop_ms=statistics.mean(run["loop_ms"] for run in (lone, crowd, search)),
            added_ms=lone["runs"][0]["added"]["p50_ms"],
            cpu_s=crowd["runs"][0]["server"]["cpu_s_per_call_minute"],
            echo_cpu_s=crowd["echo"]["cpu_s_per_call_minute"],
            knee=search["knee"]["calls"],
            is_certain=search["knee"]["is_certain"],
        )

    @property
    def echoes(self) -> float:
        """The cost in bare echoes."""
        return self.cpu_s / self.echo_cpu_s

    def row(self, name: str) -> str:
        """A row of the table."""
        more = "" if self.is_certain else " or more"
        return (
            f"{name} | {self.loop_ms:.2f} | {self.added_ms:.1f} | {self.cpu_s:.3f} | {self.echo_cpu_s:.3f} | "
            f"{self.echoes:.2f} | {self.knee:g}{more}"
        )


def median(found: Sequence[Found]) -> Found:
    """Each number's median; certain if all are."""
    numbers = ("loop_ms", "added_ms", "cpu_s", "echo_cpu_s", "knee")
    medians = {name: statistics.median(getattr(each, name) for each in found) for name in numbers}
    return Found(**medians, is_certain=all(each.is_certain for each in found))


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
        return self.prepared_ms + sentence_ms + self.tts.timing.first_audio_ms

    @property
    def prepared_ms(self) -> int:
        """The same if everything behind the final is ready before it."""
        return WINDOW_MS + self.asr.timing.final_ms

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Backends"]:
        """Serve until it is left."""
        async with self.asr, self.tts, self.llm:
            yield self

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

    async def lone(self, name: str, python: Path) -> Any:
        """A single caller, for whom nothing is prepared early."""
        async with Backends().listening() as backends:
            floor = ("--floor-ms", str(backends.floor_ms))
            return await self._load(name, python, backends, SERIAL, "--calls", "1", *floor, times=2.5)

    async def crowd(self, name: str, python: Path) -> Any:
        """`CALLS` callers, beside the bare echo."""
        async with Backends().listening() as backends:
            return await self._load(name, python, backends, {}, "--calls", str(CALLS), "--echo")

    async def search(self, name: str, python: Path) -> Any:
        """The most callers that are served well."""
        async with Backends().listening() as backends:
            limit = ("--floor-ms", str(backends.prepared_ms), "--limit-ms", str(LIMIT_MS))
            return await self._load(name, python, backends, {}, "--find-knee", *limit)

    async def _load(
        self,
        name: str,
        python: Path,
        backends: Backends,
        settings: Mapping[str, str],
        *arguments: str,
        times: float = 1,
    ) -> Any:
        """What one call of the tool found, against a gateway that has just started."""
        print(f"{name}: voice-client load {' '.join(arguments)}", file=sys.stderr, flush=True)
        serve, ports = ("-m", "voice_gateway", "serve", "--ports-file"), self.folder / "gateway.json"
        async with running(self.core, serve, ports, {**backends.environment, **settings}, python) as gateway:
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


def judged(new: Found, base: Found | None) -> list[tuple[str, str]]:
    """What is to be kept, and a verdict: PASS, FAIL, or INVALID where the base says nothing."""

    def verdict(*, is_kept: bool, is_valid: bool = True) -> str:
        return ("PASS" if is_kept else "FAIL") if is_valid else "INVALID"

    kept = [
        (
            f"CPU of {CALLS} calls: {new.echoes:.2f} echoes, at most {MAX_ECHOES}",
            verdict(is_kept=new.echoes <= MAX_ECHOES),
        )
    ]
    if base is not None:
        more = new.knee / base.knee if base.knee else math.inf
        is_valid = base.is_certain and base.knee > 0
        told = f"knee: {more:.2f} times the base's, at least {MIN_CALLS}"
        kept.append((told, verdict(is_kept=more >= MIN_CALLS, is_valid=is_valid)))
        less = new.added_ms / base.added_ms if base.added_ms else math.inf
        told = f"added p50 of a lone caller: {less:.2f} times the base's, at most {MAX_ADDED}"
        kept.append((told, verdict(is_kept=less <= MAX_ADDED, is_valid=base.added_ms > 0)))
    return kept


async def _measure(sitting: Sitting, versions: Mapping[str, Path], pairs: int) -> dict[str, Found]:
    """Each thing is asked of one version right after the other, as the machine's speed changes within minutes."""
    found: dict[str, list[Found]] = {name: [] for name in versions}
    for pair in range(pairs):
        order = list(versions) if pair % 2 == 0 else [*versions][::-1]  # who is the first has no advantage
        runs: dict[str, list[Any]] = {name: [] for name in versions}
        for ask in (sitting.lone, sitting.crowd, sitting.search):
            for name in order:
                runs[name].append(await ask(name, versions[name]))
        for name in order:
            found[name].append(Found.of(*runs[name]))
            print(found[name][-1].row(name), flush=True)
    return {name: median(each) for name, each in found.items()}


def main() -> int:
    """Measure, print the table and the verdicts, and give the exit status."""
    parser = argparse.ArgumentParser(prog="bench.knee", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("base", nargs="?", help="commit to compare with")
    parser.add_argument("--seconds", type=int, default=20, help="length of a run (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=1, help="how often each is measured (default: %(default)s)")
    wanted = parser.parse_args()
    versions = {"new": Path(sys.executable).absolute()}
    if wanted.base:
        versions["base"] = set_up(wanted.base)
    with tempfile.TemporaryDirectory(prefix="voice-gateway-knee-") as folder, cores_awake() as cores:
        print(cores)
        print("version | loop ms | added p50 ms, 1 call | CPU-s per call-minute, 100 calls | bare echo | echoes | knee")
        core = take_cores()
        found = uvloop.run(_measure(Sitting(Path(folder), core, wanted.seconds), versions, wanted.pairs))
    print("\nmedians")
    print("\n".join(each.row(name) for name, each in found.items()))
    verdicts = judged(found["new"], found.get("base"))
    print("\n".join(f"{verdict} | {told}" for told, verdict in verdicts))
    return 0 if all(verdict == "PASS" for _, verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
