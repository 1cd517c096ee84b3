"""The judgement of `make bench-compare`: what counts as no worse, in numbers worked out by hand."""

import json
from dataclasses import replace

import pytest

from bench.comparison import Measured, Run, compare
from bench.loop import FASTEST_MS, work
from bench.report import Comparison, Line, Ruler

CPU = Measured("CPU", 0.5, "s", "echoes", 2.5, Comparison.COST, "")
ADDED = Measured("added", 5.0, "ms", "loops", 5.0, Comparison.ADDED, "PASS")
SPREAD = Measured("barge-in", 140.0, "ms", None, None, Comparison.SPREAD, "PASS")


def runs(line: Measured, *values: float, ruler: float = 1.0) -> list[Run]:
    """A run for each value, each with that line alone."""
    ratio = line.ratio is not None
    return [[replace(line, measured=value, ratio=value / ruler if ratio else None)] for value in values]


def verdict(base: list[Run], new: list[Run]) -> str:
    """Of the only line."""
    told, is_good = compare(base, new)
    found = told[1].rpartition(" | ")[2]
    assert is_good is (found not in ("FAIL", "INVALID"))
    return found


def test_processor_time_is_compared_by_its_echoes() -> None:
    """Twice the time beside twice the echo is the same cost; a twentieth more is granted, and no more."""
    base = runs(CPU, 0.40, 0.50, 0.60, ruler=0.2)  # median 2.5 echoes
    assert verdict(base, runs(CPU, 0.80, 1.00, 1.20, ruler=0.4)) == "PASS"
    assert verdict(base, runs(CPU, 1.04, 1.04, 1.04, ruler=0.4)) == "PASS"  # 2.6 of 2.625
    assert verdict(base, runs(CPU, 1.06, 1.06, 0.40, ruler=0.4)) == "FAIL"  # 2.65


def test_added_latency_may_grow_by_a_millisecond() -> None:
    """It is the medians that count, in milliseconds."""
    base = runs(ADDED, 4.0, 5.0, 30.0)
    assert verdict(base, runs(ADDED, 1.0, 6.0, 6.5)) == "PASS"
    assert verdict(base, runs(ADDED, 1.0, 6.1, 6.1)) == "FAIL"


def test_what_varies_may_be_as_bad_as_the_base_was() -> None:
    """The median of the new version may be beyond the worst run of the base by as much as its runs differ: 144 and 6.

    Fewer than three runs tell no spread.
    """
    base = runs(SPREAD, 138.0, 140.0, 144.0)
    assert verdict(base, runs(SPREAD, 160.0, 150.0, 120.0)) == "PASS"
    assert verdict(base, runs(SPREAD, 160.0, 150.1, 120.0)) == "FAIL"
    assert verdict(base[:2], runs(SPREAD, 150.0, 150.0)) == ""


def test_runs_that_prove_nothing_are_left_out() -> None:
    """A run under a late load counts for neither side, and a line that only one side has is not compared."""
    base, new = runs(ADDED, 5.0, 5.0, 5.0), runs(ADDED, 5.5, 5.5)
    invalid: list[Run] = [[replace(ADDED, measured=90.0, verdict="INVALID")]] * 3
    assert verdict(base, new + invalid) == "PASS"
    assert verdict(base, invalid) == "INVALID"
    assert verdict(base, []) == "INVALID"
    assert verdict(base, [[replace(ADDED, measured=900.0, verdict="NO ROOM")]]) == "NO ROOM"


@pytest.mark.parametrize(("base", "new", "found"), [(0.0, 0.0, "PASS"), (0.0, 1.0, "FAIL")])
def test_nothing_is_compared_with_nothing(base: float, new: float, found: str) -> None:
    """A count that was zero in the base has no ratio, and may not become one."""
    assert verdict(runs(SPREAD, *[base] * 3), runs(SPREAD, *[new] * 3)) == found


def test_the_table_has_both_sides_and_their_ratio() -> None:
    """Who reads it sees each median, each as rulers, and one by the other."""
    told, _ = compare(runs(CPU, 0.5, ruler=0.2), runs(CPU, 1.0, ruler=0.4))
    assert told[1] == "CPU | 0.5 s | 1 s | 2.5 echoes | 2.5 echoes | 1.000 | 1.05 times | PASS"


def test_what_the_bench_writes_is_what_the_comparison_reads() -> None:
    """The file between the two programs loses nothing that is judged."""
    line = Line("CPU", 0.5, "s", 3.0, ruler=Ruler("echoes", 0.2), comparison=Comparison.COST)
    assert Measured.of(json.loads(json.dumps(line.as_json()))) == replace(CPU, verdict="PASS")


def test_the_loop_is_always_the_same_work() -> None:
    """Who changes it changes every limit that counts loops."""
    assert work() == 6_599  # squares by 7 leave 14 in each seven rounds, 471 times, and 5 in the last three
    assert FASTEST_MS == 1.0
