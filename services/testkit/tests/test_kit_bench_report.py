"""The report of `make bench`: what counts as met, and by which runs."""

import math
from dataclasses import replace

from bench_report import Interruptions, LoadRun, percentile, report

RUN = LoadRun(
    sessions=50,
    first_added_ms=(9.0,) * 50,
    added_ms=(3.0,) * 100,
    cpu_s=0.4,
    echo_cpu_s=0.2,
    resident_mib=0.3,
    audio_frames=1000,
    late_audio_frames=0,
    late_share=0.001,
)
INTERRUPTIONS = Interruptions((0.0, 12.0), (0.0, 3.0))


def verdicts(run: LoadRun, interruptions: Interruptions = INTERRUPTIONS) -> tuple[set[str], bool]:
    """The verdicts of all targets, and the whole one."""
    lines, is_good = report([run], interruptions, 208, 480)
    return {
        line.rpartition(" | ")[2] for line in lines[lines.index("target | measured | limit | verdict") + 1 :]
    }, is_good


def test_a_run_that_meets_every_target_passes() -> None:
    """The bench says yes when everything is as the design wants it."""
    assert verdicts(RUN) == ({"PASS"}, True)


def test_one_missed_target_fails_the_whole() -> None:
    """A turn without an answer, a slow tail, a wrong memory of what was heard: each alone is enough."""
    for run in (
        replace(RUN, first_added_ms=(math.inf,) * 50),
        replace(RUN, added_ms=(3.0,) * 90 + (16.0,) * 10),
        replace(RUN, cpu_s=0.61),
        replace(RUN, late_audio_frames=1),
    ):
        assert verdicts(run) == ({"PASS", "FAIL"}, False)
    assert verdicts(RUN, Interruptions((0.0,), (21.0,))) == ({"PASS", "FAIL"}, False)


def test_a_run_under_a_late_load_proves_nothing() -> None:
    """Numbers of a load generator that could not keep up are neither met nor missed."""
    assert verdicts(replace(RUN, late_share=0.005)) == ({"INVALID", "PASS"}, False)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """With few values the 95th is the largest, infinite ones included."""
    assert percentile([3.0, 1.0, 2.0, math.inf], 50) == 2.0
    assert math.isinf(percentile([3.0, 1.0, 2.0, math.inf], 95))
