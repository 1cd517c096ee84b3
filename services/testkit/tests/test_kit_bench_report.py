"""The report of `make bench`: what counts as met, and by which runs."""

import math
from dataclasses import replace

from bench.report import (
    Line,
    LoadRun,
    Ruler,
    barge_in_lines,
    estimate_lines,
    interrupt_lines,
    judged,
    load_lines,
    load_table,
    percentile,
    speculation_lines,
)

RUN = LoadRun(
    sessions=50,
    first_added_ms=(9.0,) * 50,
    added_ms=(3.0,) * 100,
    loop_lag_p99_ms=2.5,
    cpu_s=0.4,
    echo_cpu_s=0.2,
    loop_ms=1.0,
    resident_mib=0.3,
    audio_frames=1000,
    late_audio_frames=0,
    late_share=0.001,
)


def verdicts(lines: list[Line]) -> set[str]:
    """The verdicts among these lines that are judged."""
    return {line.verdict for line in lines} - {""}


def test_a_run_that_meets_every_target_passes() -> None:
    """The bench says yes when everything is as the design wants it."""
    assert verdicts(load_lines(RUN)) == {"PASS"}
    told, is_good = judged(load_lines(RUN))
    assert is_good
    assert told[1] == "N = 50: unanswered | 0 turns |  | 0 turns | PASS"
    assert told[3] == "N = 50: added p95 | 3 ms | 3 loops | 15 loops | PASS"
    assert told[4] == "N = 50: CPU per session-minute | 0.4 s | 2 echoes | 3 echoes | PASS"


def test_one_missed_target_fails_the_whole() -> None:
    """A turn without an answer, a slow tail, a costly session, a late frame: each alone is enough."""
    for run in (
        replace(RUN, first_added_ms=(math.inf,) * 50),
        replace(RUN, added_ms=(3.0,) * 90 + (16.0,) * 10),
        replace(RUN, cpu_s=0.61),
        replace(RUN, late_audio_frames=1),
        replace(RUN, sessions=100, cpu_s=0.57),
        replace(RUN, sessions=1, added_ms=(5.1,) * 5),
    ):
        assert verdicts(load_lines(run)) == {"PASS", "FAIL"}
        assert not judged(load_lines(run))[1]


def test_the_same_code_passes_on_a_slow_machine() -> None:
    """Where everything takes twice as long, the echo and the loop do too, and the limits hold as before."""
    slow = replace(RUN, added_ms=(28.0,) * 100, cpu_s=0.91, echo_cpu_s=0.45, loop_ms=2.0)
    assert verdicts(load_lines(slow)) == {"PASS"}
    assert verdicts(load_lines(replace(slow, loop_ms=1.8))) == {"PASS", "FAIL"}  # 15.6 loops
    assert verdicts(load_lines(replace(slow, echo_cpu_s=0.3))) == {"PASS", "FAIL"}  # 3.03 echoes


def test_a_limit_counts_rulers() -> None:
    """The measured value stays in its unit, and the limit is compared with how many rulers it is."""
    line = Line("refusal", 12.0, "ms", 1.5, ruler=Ruler("bare servers", 8.0))
    assert (line.ratio, line.verdict) == (1.5, "PASS")
    assert replace(line, measured=12.1).verdict == "FAIL"
    assert replace(line, ruler=None).verdict == "FAIL"
    assert judged([line])[0][1] == "refusal | 12 ms | 1.5 bare servers | 1.5 bare servers | PASS"


def test_more_callers_than_the_machine_can_hold_are_not_judged_by_their_wait() -> None:
    """At 0.5 CPU-seconds a minute 50 callers take 42 % of a core from a bare echo: only costs are judged."""
    crowded = replace(RUN, added_ms=(1_600.0,) * 100, cpu_s=1.08, echo_cpu_s=0.5, late_audio_frames=8)
    assert [line.verdict for line in load_lines(crowded)] == [*["NO ROOM"] * 3, "PASS", "PASS", "NO ROOM"]
    assert judged(load_lines(crowded))[1]
    assert "NO ROOM" not in verdicts(load_lines(replace(crowded, echo_cpu_s=0.48)))  # 40 %
    assert "FAIL" in verdicts(load_lines(replace(crowded, cpu_s=1.51)))


def test_numbers_of_callers_without_limits_are_told() -> None:
    """A comparison of two versions needs every number of every run, judged or not."""
    lines = load_lines(replace(RUN, sessions=7, added_ms=(99.0,)))
    assert [line.name for line in lines] == [line.name.replace("N = 50", "N = 7") for line in load_lines(RUN)]
    assert {line.verdict for line in lines} == {""}


def test_a_run_under_a_late_load_proves_nothing() -> None:
    """Numbers of a load generator that could not keep up are neither met nor missed."""
    late = replace(RUN, late_share=0.005)
    assert verdicts(load_lines(late)) == {"INVALID"}
    assert not judged(load_lines(late))[1]
    assert load_table([late], 208, 480)[-1].endswith("0.50% | INVALID")
    assert verdicts(speculation_lines("stability", [444.0], 400, 0.1)) == {"INVALID"}
    assert verdicts(barge_in_lines([100.0], 96, 0.1)) == {"INVALID"}


def test_an_answer_before_the_end_was_confirmed_is_no_speed() -> None:
    """A gateway that answered each suspicion at once would be the fastest of all, and talk into every pause."""
    assert verdicts(speculation_lines("stability", [444.0] * 20, 400, 0.0)) == {"PASS"}
    assert verdicts(speculation_lines("stability", [380.0] * 20, 400, 0.0)) == {"PASS", "FAIL"}
    assert verdicts(speculation_lines("stability", [444.0] * 19 + [math.inf], 400, 0.0)) == {"PASS", "FAIL"}


def test_what_has_no_target_is_told_and_not_judged() -> None:
    """The error of an estimate is what it is; that of clients that report has a limit, and so has a barge-in."""
    assert verdicts(estimate_lines([80.0])) == set()
    assert judged(estimate_lines([80.0]))[1]
    assert verdicts(interrupt_lines([0.0], [3.0, 21.0])) == {"PASS", "FAIL"}
    assert [line.verdict for line in barge_in_lines([150.0] * 19 + [157.0], 96, 0.0)] == ["", "PASS"]
    assert [line.verdict for line in barge_in_lines([157.0] * 20, 96, 0.0)] == ["", "FAIL"]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """With few values the 95th is the largest, infinite ones included; nothing measured is nothing met."""
    assert percentile([3.0, 1.0, 2.0, math.inf], 50) == 2.0
    assert math.isinf(percentile([3.0, 1.0, 2.0, math.inf], 95))
    assert math.isinf(percentile([], 50))
