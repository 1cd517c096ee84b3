"""From what callers heard to numbers: values worked out by hand."""

import math

import pytest
from load_samples import NS_PER_MS, summary
from voice_client.load.caller import Caller, Interruption, Turn
from voice_client.load.gates import Limits, judge
from voice_client.load.knee import KneeSearch, Limit, lone_floor_ms
from voice_client.load.scores import (
    Failure,
    Frames,
    Heard,
    Spread,
    lost_words,
    percentile,
    spread,
    summarise,
    words,
)
from voice_client.load.script import Utterance

SAID = Utterance((b"\1\0" * 320,), 0, 320, "What time is it?")


def heard_by(caller: Caller, ended_ms: int = 30_000) -> Heard:
    return Heard(
        [caller], [Frames(sent=1_500, late=15)], [Failure("UNAVAILABLE / DRAINING")], 1, 0, ended_ms * NS_PER_MS, 0.2
    )


def turn(ended_ms: int, answered_ms: int | None, heard: str = "") -> Turn:
    answered_ns = None if answered_ms is None else answered_ms * NS_PER_MS
    began_ns, ended_ns, left_ns = ((ended_ms + after_ms) * NS_PER_MS for after_ms in (-20, 0, 5))
    return Turn(SAID, began_ns, ended_ns, left_ns, answered_ns, heard=[heard])


def test_client_load_scores_percentiles_are_values_that_occurred() -> None:
    """Of 1 to 100 the p95 is 95; of three values the p50 is the middle one and the p99 the largest."""
    assert percentile(range(1, 101), 95) == 95
    assert spread([30.0, 10.0, 20.0]) == Spread(3, 20.0, 30.0, 30.0)
    assert math.isnan(percentile([], 50))


def test_client_load_scores_an_unanswered_turn_is_infinitely_late() -> None:
    """One of four turns without an answer makes p95 infinite and p50 the second of the three others; else a server that
    answers nobody would look fast. Added counts from 5 ms after the end, when the frame left.
    """
    caller = Caller((SAID,), 0.0, 0)
    caller.turns = [turn(1_000, 1_500), turn(3_000, 3_600), turn(5_000, None), turn(16_000, 16_400)]
    found = summarise(heard_by(caller), floor_ms=480)
    assert (found.turns, found.unanswered) == (4, 1)
    assert (found.voice_to_voice.p50_ms, found.voice_to_voice.p95_ms) == (500, math.inf)
    assert found.added is not None
    assert (found.added.p50_ms, found.added.p95_ms) == (15, math.inf)
    assert found.voice_to_voice_points == ((1.0, 500.0), (3.0, 600.0), (16.0, 400.0))


def test_client_load_scores_a_turn_that_nobody_waited_for_does_not_count() -> None:
    """A run stopped at 14,999 ms has not waited 10 s for the answer to what ended at 5000; one at 15,000 has."""
    caller = Caller((SAID,), 0.0, 0)
    caller.turns = [turn(5_000, None)]
    assert summarise(heard_by(caller, 14_999), None).turns == 0
    assert summarise(heard_by(caller, 15_000), None).unanswered == 1


def test_client_load_scores_interruptions() -> None:
    """Only those that were obeyed have a time to silence; one that met the end of a reply is neither."""
    caller = Caller((SAID,), 0.0, 0)
    at = 10_000 * NS_PER_MS
    caller.interruptions = [
        Interruption("a", at, at + 140 * NS_PER_MS, is_obeyed=True),
        Interruption("b", at, at, is_obeyed=True),
        Interruption("c", at, at + 2_000 * NS_PER_MS),
        Interruption("d", at, at + 100 * NS_PER_MS, ended_by_itself=True),
    ]
    found = summarise(heard_by(caller), None)
    assert (found.silence.count, found.silence.p50_ms, found.silence.p95_ms) == (2, 0.0, 140.0)
    assert found.ignored_interruptions == 1


def test_client_load_scores_failures_and_own_lateness() -> None:
    """Failed calls are counted by reason; 15 of 1500 own frames late are 1 %, which is still valid, and 16 are not."""
    caller = Caller((SAID,), 0.0, 0)
    found = summarise(heard_by(caller), None)
    assert (found.failed, found.failed_calls) == ({"UNAVAILABLE / DRAINING": 1}, 1)
    assert (found.late_share, found.is_in_time) == (0.01, True)
    assert not summary(frames=1_500, late_frames=16).is_in_time


def test_client_load_scores_say_why_a_run_tells_nothing() -> None:
    """Nobody answered, a slow tool and no turn are told apart: only one of them is the tool's fault."""
    assert summary().invalid_because == ""
    assert summary(frames=0, turns=0).invalid_because == "no call was answered"
    assert summary(frames=100, late_frames=2).invalid_because == "2.0% of this tool's own frames were late"
    assert summary(turns=0).invalid_because == "no turn was heard out"


@pytest.mark.parametrize(
    ("said", "heard", "lost"),
    [
        ("what time is it", "What time is it?", 0),
        ("what time is it", "time it is", 2),
        ("don't go", "dont go there", 0),
        ("eins zwei drei", "", 3),
    ],
)
def test_client_load_scores_lost_words(said: str, heard: str, lost: int) -> None:
    """Words that are not heard in their order are lost; case, punctuation and words too many are not."""
    assert lost_words(words(said), words(heard)) == lost


def test_client_load_scores_words_of_a_run() -> None:
    """Of twice four words two are lost where one transcript is `what is it` and the other `what time it`."""
    caller = Caller((SAID,), 0.0, 0)
    caller.turns = [turn(1_000, 1_500, "What is it."), turn(3_000, 3_600, "what time it")]
    found = summarise(heard_by(caller), None)
    assert (found.said_words, found.lost_words) == (8, 2)


def test_client_load_gates_judge_what_they_name() -> None:
    """A limit is kept by what is equal to it, not by more; what was not asked for is not judged."""
    run = summary(unanswered=1, gaps=2, failed={"X": 1})
    kept = {gate.name: gate.is_kept for gate in judge(run, Limits(600.0, 0, 1, None))}
    assert kept == {"voice to voice p95, ms": True, "turns unanswered": False, "calls failed": True}
    assert judge(run, Limits()) == ()


def test_client_load_gates_use_added_latency_where_the_floor_is_known() -> None:
    """With a serial floor the gate is on what the gateway adds."""
    (gate,) = judge(summary(added=Spread(50, 10.0, 31.0, 40.0)), Limits(max_p95_ms=30.0))
    assert (gate.name, gate.is_kept) == ("added p95, ms", False)


def test_client_load_gates_fail_without_a_measurement() -> None:
    """A run without a turn keeps no limit of its latency, and has not answered everybody."""
    nobody = summary(turns=0, voice_to_voice=spread([]))
    assert [gate.is_kept for gate in judge(nobody, Limits(max_p95_ms=30.0, max_unanswered=0))] == [False, False]


def search(knee: int, max_calls: int) -> tuple[list[int], KneeSearch]:
    """Looks for a knee that is known; returns what was tried."""
    found, tried = KneeSearch(max_calls), []
    while (calls := found.next_calls()) is not None:
        tried.append(calls)
        found.tell(calls, is_good=calls <= knee)
    return tried, found


def test_client_load_knee_doubles_then_halves() -> None:
    """A knee at 11: 16 is the first that is bad, then between 8 and 16; what is bad is tried twice."""
    tried, found = search(11, 200)
    assert tried == [1, 2, 4, 8, 16, 16, 12, 12, 10, 11]
    assert found.good_calls == 11


def test_client_load_knee_is_as_exact_as_it_claims() -> None:
    """At 100 calls a step of 5 % is exact enough: the answer is never above the knee, and at most 5 % below."""
    for knee in range(1, 150):
        _, found = search(knee, 200)
        assert knee / 1.06 <= found.good_calls <= knee


def test_client_load_knee_keeps_its_bound() -> None:
    """It tries the bound itself, nothing above it, and ends there; where one call is too many it ends at once."""
    assert search(1_000, 50)[0] == [1, 2, 4, 8, 16, 32, 50]
    tried, found = search(0, 50)
    assert (tried, found.good_calls) == ([1, 1], 0)


def test_client_load_knee_forgives_a_machine_that_was_busy_for_a_moment() -> None:
    """Two calls that are bad at first and good when they are tried again are good, and four are tried next."""
    found = KneeSearch(200)
    found.tell(1, is_good=True)
    found.tell(2, is_good=False)
    assert (found.next_calls(), found.bad_calls) == (2, None)
    found.tell(2, is_good=True)
    assert (found.next_calls(), found.good_calls, found.bad_calls) == (4, 2, None)


def test_client_load_knee_limits() -> None:
    """Each thing that may not happen is named; p95 counts over the floor."""
    limit = Limit(limit_ms=30.0, floor_ms=570.0)
    assert limit.broken(summary()) == []
    assert limit.broken(summary(after_frame=Spread(50, 550.0, 601.0, 610.0))) == ["p95 31 ms over the floor of 570 ms"]
    assert limit.broken(summary(unanswered=2, gaps=3, failed={"X": 1})) == [
        "1 calls failed",
        "2 of 50 turns unanswered",
        "3 gaps",
    ]
    assert limit.broken(summary(turns=0)) == ["0 of 0 turns unanswered"]


def test_client_load_knee_floor_of_a_lone_call() -> None:
    """The floor is the median of a single call; without any turn nothing can be within it."""
    assert lone_floor_ms(summary(1)) == 550.0
    assert lone_floor_ms(summary(1, after_frame=spread([]))) == math.inf
