"""One caller, in virtual time: when it speaks, and what it says of what it hears. Times in ms."""

import numpy as np
import pytest
from voice_client.load.caller import ANSWER_PATIENCE_MS, GAP_MS, SPOKEN_OVER_AFTER_MS, Caller
from voice_client.load.script import FRAME_BYTES, FRAME_MS, Utterance

NS_PER_MS = 1_000_000
SOUND = np.full(320, 5_000, dtype="<i2").tobytes()
QUIET = bytes(FRAME_BYTES)
UTTERANCE = Utterance((SOUND,) * 10, speech_start_samples=160, speech_end_samples=2_880)
"""200 ms, of which those from 10 to 180 ms are speech."""


def caller_at(first_ms: int, share: float = 0.0) -> Caller:
    caller = Caller((UTTERANCE,), share, seed=1)
    caller.begin(first_ms * NS_PER_MS, 60_000 * NS_PER_MS)
    return caller


def send(caller: Caller, from_ms: int, to_ms: int) -> list[int]:
    """Give it its frames; returns when it spoke."""
    return [due_ms for due_ms in range(from_ms, to_ms, FRAME_MS) if caller.frame(due_ms * NS_PER_MS) is not None]


def hear(caller: Caller, at_ms: int, *, offset: int = 0, is_last: bool = False, pcm: bytes = SOUND) -> None:
    caller.audio("r1", offset, pcm, at_ms * NS_PER_MS, is_last=is_last)


def test_client_load_caller_measures_from_the_last_speech_sample_to_the_first_sound() -> None:
    """Spoken from 980 ms on, the speech ends at 1160; 10 ms of silence lead the reply that comes at 1700: 550 ms."""
    caller = caller_at(1_000)
    assert send(caller, 20, 1_700) == list(range(1_000, 1_200, 20))
    hear(caller, 1_650, pcm=QUIET)
    hear(caller, 1_700, offset=320, pcm=bytes(320) + SOUND[320:])
    (turn,) = caller.turns
    assert turn.began_ns == 990 * NS_PER_MS
    assert turn.ended_ns == 1_160 * NS_PER_MS
    assert turn.answered_ns == 1_710 * NS_PER_MS


@pytest.mark.parametrize(("end_samples", "left_ms"), [(2_561, 1_160), (2_880, 1_160), (2_881, 1_180)])
def test_client_load_caller_knows_when_the_end_of_its_speech_left(end_samples: int, left_ms: int) -> None:
    """Its frames leave each 20 ms from 1000 on: the one with samples 2560 to 2879 as the ninth, at 1160."""
    caller = Caller((Utterance((SOUND,) * 10, 160, end_samples),), 0.0, seed=1)
    caller.begin(1_000 * NS_PER_MS, 60_000 * NS_PER_MS)
    send(caller, 20, 1_700)
    assert [turn.left_ns for turn in caller.turns] == [left_ms * NS_PER_MS]


def test_client_load_caller_hears_a_reply_out_and_leaves_a_natural_gap() -> None:
    """A reply of 20 ms that came whole at 1700 has been played by 1780; the next words come a gap later."""
    caller = caller_at(1_000)
    send(caller, 20, 1_700)
    hear(caller, 1_700, is_last=True)
    spoke_ms = send(caller, 1_700, 5_000)
    shortest_ms, longest_ms = GAP_MS
    assert 1_780 + shortest_ms <= spoke_ms[0] <= 1_780 + longest_ms + FRAME_MS


def test_client_load_caller_gives_up_an_answer_after_its_patience() -> None:
    """Without an answer it speaks again 10 s after its last speech sample, and the first turn stays unanswered."""
    caller = caller_at(1_000)
    spoke_ms = send(caller, 20, 1_160 + ANSWER_PATIENCE_MS + 40)
    assert spoke_ms[10] == 1_160 + ANSWER_PATIENCE_MS
    assert [turn.answered_ns for turn in caller.turns] == [None, None]


def test_client_load_caller_tells_a_reply_that_cuts_in_from_an_answer() -> None:
    """A reply that sounds at 1100, in mid-speech, is no answer."""
    caller = caller_at(1_000)
    send(caller, 20, 1_100)
    hear(caller, 1_100)
    (turn,) = caller.turns
    assert (turn.is_cut_in_on, turn.answered_ns) == (True, None)


def test_client_load_caller_takes_no_filler_for_an_answer() -> None:
    """Fillers, apologies and re-prompts leave the turn waiting."""
    caller = caller_at(1_000)
    send(caller, 20, 1_700)
    caller.no_answer("r1")
    hear(caller, 1_700)
    assert caller.turns[0].answered_ns is None


@pytest.mark.parametrize(("came_ms", "silent_ms"), [(None, 0), (300, 320), (395, 410)])
def test_client_load_caller_measures_the_time_to_silence(came_ms: int | None, silent_ms: int) -> None:
    """From the first speech sample of what is said over a reply to the last that is heard of it: 20 ms of sound that
    come 300 ms after it end at 320, and are cut short by the order at 410; 0 if nothing was heard any more.
    """
    caller = caller_at(1_000, share=1.0)
    send(caller, 20, 1_700)
    hear(caller, 1_700)
    (first_ms, *_) = send(caller, 1_700, 5_000)
    earliest_ms, latest_ms = SPOKEN_OVER_AFTER_MS
    assert 1_700 + earliest_ms <= first_ms <= 1_700 + latest_ms + FRAME_MS
    if came_ms:
        hear(caller, first_ms - 10 + came_ms, offset=320)
    caller.interrupted("r1", (first_ms + 400) * NS_PER_MS)
    (interruption,) = caller.interruptions
    assert interruption.is_obeyed
    assert max(0, interruption.silent_ns - interruption.began_ns) // NS_PER_MS == silent_ms


def test_client_load_caller_knows_a_reply_that_went_on_regardless() -> None:
    """A reply that comes to its end 501 ms after somebody spoke over it ignored that; one after 500 ms may not have."""
    for after_ms, by_itself in ((500, True), (501, False)):
        caller = caller_at(1_000, share=1.0)
        send(caller, 20, 1_700)
        hear(caller, 1_700)
        (first_ms, *_) = send(caller, 1_700, 5_000)
        hear(caller, first_ms - 10 + after_ms, offset=320, is_last=True)
        (interruption,) = caller.interruptions
        assert (interruption.is_obeyed, interruption.ended_by_itself) == (False, by_itself)


def test_client_load_caller_reports_a_pause_at_once_and_once() -> None:
    """The contract wants a final report of every pause; the next question for reports must not repeat it."""
    caller = caller_at(1_000)
    send(caller, 20, 1_700)
    hear(caller, 1_700)
    caller.paused("r1", 1_770 * NS_PER_MS)
    now_ns = 1_780 * NS_PER_MS
    assert [(one.played_samples, one.is_final) for one in caller.reports(now_ns)] == [(160, True)]
    assert caller.reports(now_ns) == []


def test_client_load_caller_begins_nothing_after_the_end_and_settles() -> None:
    """After the end of the run it waits for its last answer, and no longer than its patience."""
    caller = caller_at(1_000)
    send(caller, 20, 1_300)
    caller.stop(1_300 * NS_PER_MS)
    assert not caller.is_settled(1_300 * NS_PER_MS)
    assert caller.is_settled((1_160 + ANSWER_PATIENCE_MS) * NS_PER_MS)
    assert send(caller, 1_300, 20_000) == []
    hear(caller, 1_700)
    assert caller.is_settled(1_700 * NS_PER_MS)


def test_client_load_caller_goes_on_after_a_reply_that_says_nothing() -> None:
    """A reply of silence, and audio that comes after its reply was stopped, must not keep a caller quiet for ever."""
    caller = caller_at(1_000)
    send(caller, 20, 1_700)
    caller.audio("silent", 0, QUIET, 1_690 * NS_PER_MS, is_last=False)
    caller.finished("silent", 1_695 * NS_PER_MS)
    hear(caller, 1_700)
    caller.interrupted("r1", 1_750 * NS_PER_MS)
    hear(caller, 1_760, offset=320)
    assert send(caller, 1_760, 5_000)
