"""The command line of the verb `load`, understood."""

import argparse
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_client.link import Target
from voice_client.load.doors import DOORS
from voice_client.load.gates import Limits
from voice_client.load.server import ServerMeter

LOAD_STATUSES: Final = (
    "exit status: 0 measured, and every gate kept; 1 a gate failed; 2 wrong usage, or nothing was measured that can "
    "be trusted"
)
DEFAULT_LIMIT_MS: Final = 30.0


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The command line, understood."""

    target: Target
    door: str
    calls: int
    seconds: float
    wavs: tuple[Path, ...]
    spoken_over_share: float
    meter: ServerMeter
    floor_ms: float | None
    limit_ms: float | None
    """Of the search for the knee; None: no search."""
    max_calls: int
    max_minutes: float
    has_echo: bool
    json: Path | None
    html: Path | None
    limits: Limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `load`, in the order in which one thinks of them."""
    add = parser.add_argument
    add("address", nargs="?", metavar="ADDRESS", help="HOST:PORT of the gateway")
    add("--calls", type=_number(1), default=1, metavar="N", help="calls at the same time (default %(default)s)")
    add("--seconds", type=_positive, default=30.0, metavar="S", help="length of a run (default 30)")
    add("--wav", type=Path, nargs="+", default=[], metavar="FILE", help="say these; default: synthetic speech")
    add("--interruptions", type=_share, default=0.0, metavar="SHARE", help="of the replies, 0 to 1, are spoken over")
    add("--door", choices=sorted(DOORS), default="native", help="the contract (default %(default)s)")
    add(
        "--metrics",
        type=_url,
        metavar="URL",
        help="the server's metrics port, such as http://HOST:PORT/metrics",
    )
    add("--pid", type=_number(1), metavar="PID", help="the server's process, if it runs on this machine")
    add(
        "--floor-ms",
        type=_positive,
        metavar="MS",
        help="what the backends alone take; what is above it is told as added",
    )
    add("--echo", action="store_true", help="measure a bare gRPC echo of as many calls, too, as a baseline")
    add("--find-knee", action="store_true", help="look for the largest number of calls that is served well")
    add("--limit-ms", type=_positive, metavar="MS", help="of p95 over the floor, for --find-knee (default 30)")
    add("--max-calls", type=_number(1), default=200, metavar="N", help="bound of --find-knee (default %(default)s)")
    add("--max-minutes", type=_positive, default=30.0, metavar="M", help="bound of --find-knee (default 30)")
    add("--max-p95-ms", type=_positive, metavar="MS", help="gate: p95 of voice to voice, or added with --floor-ms")
    add("--max-unanswered", type=_number(0), metavar="N", help="gate: turns without an answer")
    add("--max-failed", type=_number(0), metavar="N", help="gate: calls that failed")
    add("--max-gaps", type=_number(0), metavar="N", help="gate: gaps in replies")
    add("--json", type=Path, metavar="FILE", help="write what was measured")
    add("--html", type=Path, metavar="FILE", help="write a report with plots")
    add("--compare", type=Path, nargs=2, metavar="FILE", help="compare two files of --json; measures nothing")


def load_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace, target: Target) -> LoadOptions:
    """What was asked for; ends the program with a line where that makes no sense."""
    if not arguments.address:
        parser.error("load needs the ADDRESS of a gateway, or --compare")
    if arguments.limit_ms and not arguments.find_knee:
        parser.error("--limit-ms needs --find-knee")
    for path in filter(None, (arguments.json, arguments.html)):
        if not path.parent.is_dir():
            parser.error(f"cannot write {path}: there is no folder {path.parent}")
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            parser.error(f"cannot write {path}: it is a folder, or not yours to write")
    return LoadOptions(
        target=target,
        door=arguments.door,
        calls=arguments.calls,
        seconds=arguments.seconds,
        wavs=tuple(arguments.wav),
        spoken_over_share=arguments.interruptions,
        meter=ServerMeter(arguments.metrics or "", arguments.pid),
        floor_ms=arguments.floor_ms,
        limit_ms=(arguments.limit_ms or DEFAULT_LIMIT_MS) if arguments.find_knee else None,
        max_calls=arguments.max_calls,
        max_minutes=arguments.max_minutes,
        has_echo=arguments.echo,
        json=arguments.json,
        html=arguments.html,
        limits=Limits(arguments.max_p95_ms, arguments.max_unanswered, arguments.max_failed, arguments.max_gaps),
    )


def _number(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isdecimal() else -1
        if number < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} on")
        return number

    return parse


def _positive(text: str) -> float:
    return _float(text, math.ulp(0.0), math.inf, "a number above 0")


def _share(text: str) -> float:
    return _float(text, 0.0, 1.0, "a share from 0 to 1")


def _float(text: str, lowest: float, highest: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not lowest <= number <= highest or math.isinf(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is not an http URL")
    return text
