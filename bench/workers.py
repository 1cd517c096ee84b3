"""What it costs to serve with two workers instead of one, by `voice-client load`: `make bench-workers`.

The gateway has one core, so that both have the same room, and tells by its metrics what all its processes used. The
same calls are held with one worker and with two, in turn. With four cores or more two workers get two of them, and the
most calls that each serves well are compared. Exit status 1: a limit was not kept.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.cores import cores_awake, take_cores
from bench.knee import Backends, call_tool
from bench.process import running

CALLS: Final = 60
PAIRS: Final = 3
MAX_COST: Final = 1.10
"""CPU of a call with two workers, in CPU of one with one."""
MIN_KNEE: Final = 1.8
"""Calls that two workers serve well, in calls of one."""
ENOUGH_CORES: Final = 4


async def measure(folder: Path, core: int, backends: Backends, workers: int, arguments: tuple[str, ...]) -> Any:
    """What the tool found at a gateway that has just started; raises SubprocessError if that does not end by itself."""
    ports, settings = folder / "gateway.json", {**backends.environment, "WORKERS": str(workers)}
    serve = ("-m", "voice_gateway", "serve", "--ports-file")
    async with running(core, serve, ports, settings) as gateway:
        await gateway.wait_ready()
        opened = json.loads(ports.read_text(encoding="utf-8"))
        meter = ("--metrics", f"http://127.0.0.1:{opened['metrics']}/metrics")
        await call_tool(folder, gateway.address, "--calls", str(2 * workers), "--seconds", "8", *meter)
        return await call_tool(folder, gateway.address, *arguments, *meter)


async def compare(folder: Path, core: int, seconds: int) -> list[tuple[str, bool]]:
    """What is to be kept, and whether it is."""
    backends, ratios = Backends(), list[float]()
    async with AsyncExitStack() as ends:
        await ends.enter_async_context(backends.listening())
        for pair in range(PAIRS):
            costs = {}
            for workers in (1, 2) if pair % 2 == 0 else (2, 1):
                print(f"pair {pair + 1}: {workers} workers, {CALLS} calls", file=sys.stderr, flush=True)
                arguments = ("--calls", str(CALLS), "--seconds", str(seconds))
                found = (await measure(folder, core, backends, workers, arguments))["runs"][0]
                costs[workers] = found["server"]["cpu_s_per_call_minute"]
                print(
                    f"{workers} workers: {costs[workers]:.3f} CPU-s, {found['unanswered']} turns unanswered", flush=True
                )
            ratios.append(costs[2] / costs[1])
        median = statistics.median(ratios)
        told = f"CPU of {CALLS} calls with two workers: {median:.2f} times that with one, at most {MAX_COST}"
        kept = [(told, median <= MAX_COST)]
        if (os.cpu_count() or 1) >= ENOUGH_CORES:
            kept.append(await _compare_knees(folder, core, backends))
    return kept


async def _compare_knees(folder: Path, core: int, backends: Backends) -> tuple[str, bool]:
    one, two = [
        (await measure(folder, core, backends, workers, ("--find-knee", "--max-calls", "400")))["knee"]["calls"]
        for workers in (1, 2)
    ]
    return f"knee of two workers: {two / one:.2f} times that of one, at least {MIN_KNEE}", two >= MIN_KNEE * one


def main() -> int:
    """Measure, print the verdicts, and give the exit status."""
    parser = argparse.ArgumentParser(prog="bench.workers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20, help="length of a run (default: %(default)s)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voice-gateway-workers-") as folder, cores_awake() as cores:
        print(cores, flush=True)
        core = take_cores()
        verdicts = uvloop.run(compare(Path(folder), core, wanted.seconds))
    for told, is_kept in verdicts:
        print(f"{'PASS' if is_kept else 'FAIL'} | {told}")
    if len(verdicts) == 1:
        print(f"skipped | knee of two workers: it needs {ENOUGH_CORES} cores, and here are {os.cpu_count()}")
    return 0 if all(is_kept for _, is_kept in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
