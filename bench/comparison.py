"""What `make bench-compare` makes of the runs of two versions. No clock, no process: values in, lines out."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.report import Comparison

MAX_COST_RATIO: Final = 1.05
"""Ratio of processor time, each side as a multiple of its own rulers."""
MAX_ADDED_MS: Final = 1.0
"""Added latency may grow by this."""
LEAST_PAIRS: Final = 3
"""Fewer runs tell no spread. Of five runs of the same version the median of one side is worse than all of the other
once in twelve lines, so that the base's worst run alone would be a limit that every comparison breaks somewhere."""
HEADING: Final = "what | base | new | base by its ruler | new by its ruler | new / base | limit | verdict"


@dataclass(frozen=True, slots=True)
class Measured:
    """A line of one run, as `--json` wrote it."""

    name: str
    measured: float
    unit: str
    ruler: str | None
    """What `ratio` counts."""
    ratio: float | None
    comparison: Comparison
    verdict: str

    @classmethod
    def of(cls, line: dict[str, Any]) -> "Measured":
        """Read a line of the file; raises KeyError or ValueError for one of another shape."""
        return cls(
            line["name"],
            line["measured"],
            line["unit"],
            line["ruler"],
            line["ratio"],
            Comparison(line["comparison"]),
            line["verdict"],
        )


Run = Sequence[Measured]


@dataclass(frozen=True, slots=True)
class Pairs:
    """One line of all runs that were valid: what the base made of it, and what the new version did."""

    base: tuple[Measured, ...]
    new: tuple[Measured, ...]

    @property
    def ratio(self) -> float:
        """Median of the new version by that of the base, each in its rulers where it has some; of nothing, infinity."""
        base, new = (_median_ratio(side) for side in (self.base, self.new))
        if base is None or new is None:
            base, new = _median(self.base), _median(self.new)
        if base == 0:
            return 1.0 if new == 0 else float("inf")
        return new / base

    @property
    def growth(self) -> float:
        """Median of the new version less that of the base, in the unit of the line."""
        return _median(self.new) - _median(self.base)

    def judge(self) -> tuple[str, str]:
        """The limit in words, and PASS, FAIL, INVALID, NO ROOM or, where nothing is judged, nothing."""
        if not self.base or not self.new:
            return "", "INVALID"
        if any(run.verdict == "NO ROOM" for run in self.base + self.new):
            return "", "NO ROOM"
        match self.new[0].comparison:
            case Comparison.COST:
                return f"{MAX_COST_RATIO:g} times", _verdict(is_good=self.ratio <= MAX_COST_RATIO)
            case Comparison.ADDED:
                return f"{MAX_ADDED_MS:g} ms more", _verdict(is_good=self.growth <= MAX_ADDED_MS)
            case Comparison.SPREAD if min(len(self.base), len(self.new)) >= LEAST_PAIRS:
                measured = [run.measured for run in self.base]
                limit = 2 * max(measured) - min(measured)
                return f"base's worst and its spread, {limit:.4g}", _verdict(is_good=_median(self.new) <= limit)
            case Comparison.SPREAD:
                return f"needs {LEAST_PAIRS} pairs", ""
        return "", ""


def compare(base: Sequence[Run], new: Sequence[Run]) -> tuple[list[str], bool]:
    """Every line of either side with its verdict, and whether none of them is FAIL or INVALID.

    Args:
        base: runs of the version to compare with, one for each pair.
        new: runs of the new version.
    """
    told, is_good = [HEADING], True
    for name in dict.fromkeys(line.name for run in (*new, *base) for line in run):
        pairs = Pairs(_valid(base, name), _valid(new, name))
        limit, verdict = pairs.judge()
        told.append(_row(name, pairs, limit, verdict))
        is_good = is_good and verdict not in ("FAIL", "INVALID")
    return told, is_good


def _valid(runs: Sequence[Run], name: str) -> tuple[Measured, ...]:
    return tuple(line for run in runs for line in run if line.name == name and line.verdict != "INVALID")


def _row(name: str, pairs: Pairs, limit: str, verdict: str) -> str:
    sides = (pairs.base, pairs.new)
    measured = (_cell(side, _median, side[0].unit if side else "") for side in sides)
    ratios = (_cell(side, _median_ratio, side[0].ruler or "" if side else "") for side in sides)
    by_base = f"{pairs.ratio:.3f}" if all(sides) else ""
    return " | ".join((name, *measured, *ratios, by_base, limit, verdict))


def _cell(side: Sequence[Measured], value: Callable[[Sequence[Measured]], float | None], unit: str) -> str:
    found = value(side) if side else None
    return "" if found is None else f"{found:.4g} {unit}"


def _median(side: Sequence[Measured]) -> float:
    return statistics.median(line.measured for line in side)


def _median_ratio(side: Sequence[Measured]) -> float | None:
    ratios = [line.ratio for line in side if line.ratio is not None]
    return statistics.median(ratios) if ratios else None


def _verdict(*, is_good: bool) -> str:
    return "PASS" if is_good else "FAIL"
