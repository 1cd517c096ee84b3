"""Measures the gateway under load against the test kit: `make bench`. Takes about eight minutes, best alone.

The gateway runs on one core; the callers and the backends' fakes run in this process, on another. Targets are those of
the design. Every session outside the load section keeps a journal, and each is replayed at the end. Exit status 1: a
target was missed, or a run was not valid. docs/how-to/measure-the-gateway.md tells how to read it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.cores import cores_awake, take_cores
from bench.leak import measure_leak
from bench.load import TURN_MS, measure_load, measure_speculation
from bench.process import Bench
from bench.refusals import measure_refusals
from bench.report import Line, judged
from bench.talk import measure_barge_in, measure_heard
from bench.text import measure_text
from bench.traces import measure_traces

SECTIONS: Final[dict[str, Callable[[Bench], Coroutine[Any, Any, tuple[list[str], list[Line]]]]]] = {
    "load": measure_load,
    "speculation": measure_speculation,
    "barge-in": measure_barge_in,
    "heard": measure_heard,
    "text": measure_text,
    "refusals": measure_refusals,
    "leak": measure_leak,
    "traces": measure_traces,
}
ASKED_FOR: Final = frozenset({"traces"})
"""Sections that are measured only when they are named: they take as long as all others."""


def replay(bench: Bench) -> list[Line]:
    """What `voice-gateway replay` says of every journal that was kept; all cores may help."""
    journals = sorted(bench.journals.glob("*"))
    if not journals:
        return []
    bench.say(f"replaying {len(journals)} sessions")
    command = [str(bench.python), "-m", "voice_gateway", "replay", *map(str, journals)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    sys.stderr.write(done.stderr)
    others = max(len(done.stderr.splitlines()), int(done.returncode != 0))
    return [Line(f"sessions that replay otherwise, of {len(journals)}", others, "sessions", 0)]


async def measure(bench: Bench, sections: Sequence[str]) -> list[Line]:
    """Run the sections and print what they tell beside the lines."""
    lines: list[Line] = []
    for section in sections:
        told, found = await SECTIONS[section](bench)
        if told:
            print("\n".join(told), end="\n\n", flush=True)
        lines += found
    return lines + replay(bench)


def counts(text: str) -> tuple[int, ...]:
    return tuple(int(count) for count in text.split(","))


def read_command_line() -> argparse.Namespace:
    """What is to be measured; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help=f"what to measure: {', '.join(SECTIONS)} (default: all but traces)",
    )
    parser.add_argument(
        "--sessions", type=counts, default="1,10,50,100", help="callers, one run each (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=int, default=30, help="length of a run, at least 13 (default: %(default)s)")
    parser.add_argument(
        "--playback-reports", action="store_true", help="callers of the load section report what they have played"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines into a file, too")
    parser.add_argument(
        "--gateway",
        type=Path,
        default=Path(sys.executable),
        metavar="PYTHON",
        help="interpreter that has the gateway (default: this one); text and leak measure this one's in any case",
    )
    arguments = parser.parse_args()
    if min(arguments.sessions) < 1 or arguments.seconds * 1_000 < 2 * TURN_MS + TURN_MS // 2:
        parser.error("each run needs a session and 13 seconds")
    if unknown := set(arguments.sections) - SECTIONS.keys():
        parser.error(f"no section {', '.join(unknown)}")
    return arguments


def main() -> int:
    """Measure, print the lines with their verdicts, and give the exit status."""
    wanted = read_command_line()
    with tempfile.TemporaryDirectory(prefix="voice-gateway-bench-") as folder, cores_awake() as cores:
        print(cores, flush=True)
        # absolute, but not resolved: the interpreter of a virtual environment is a link
        python, core = wanted.gateway.absolute(), take_cores()
        bench = Bench(Path(folder), core, wanted.sessions, wanted.seconds, wanted.playback_reports, python)
        bench.journals.mkdir()
        lines = uvloop.run(measure(bench, wanted.sections or [each for each in SECTIONS if each not in ASKED_FOR]))
    told, is_good = judged(lines)
    print("\n".join(told))
    if wanted.json:
        wanted.json.write_text(json.dumps([line.as_json() for line in lines], indent=1) + "\n", encoding="utf-8")
    return 0 if is_good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.SubprocessError as error:
        sys.exit(f"bench: {error}")
