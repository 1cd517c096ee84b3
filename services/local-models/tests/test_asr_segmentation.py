"""Which audio is decoded for what, and when its words were spoken. Pure."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from local_models.engines.recognition import Recognition, TimedWord
from local_models.riva.endpointing import EndpointingPolicy
from local_models.riva.segmentation import (
    LEAD_FRAMES,
    PIECE_HARD_FRAMES,
    ClosePiece,
    DecodeAhead,
    DropAhead,
    Finish,
    Span,
    Step,
    Suspect,
    Tracker,
    quietest_frame,
)
from local_models.riva.word_times import timed_words


def track(script: str, policy: EndpointingPolicy | None = None, *, half_close: bool = True) -> list[Step]:
    """All steps for a script like "-10 w20 -15"."""
    tracker = Tracker(policy or EndpointingPolicy())
    steps: list[Step] = []
    for part in script.split():
        for _ in range(int(part[1:])):
            steps += tracker.frame(0.9 if part[0] == "w" else 0.1)
            assert all(step.span.start_frame >= 0 for step in steps if not isinstance(step, DropAhead))
    return steps + tracker.finish() if half_close else steps


def test_pause_first_pass_and_end_ask_for_the_same_audio() -> None:
    """The decode that begins at the first pause is the one that both passes use: same span, lead and tail included."""
    span = Span(20 - LEAD_FRAMES, 32, 20, 30)
    assert track("-20 w10 -20") == [DecodeAhead(span), Suspect(span, 37), Finish(span, 45)]


def test_speech_that_goes_on_drops_the_decode() -> None:
    """What was decoded ahead is void when speech resumes, and the next pause asks for all of the utterance."""
    steps = track("-20 w10 -5 w10 -20")
    assert [type(step) for step in steps] == [DecodeAhead, DropAhead, DecodeAhead, Suspect, Finish]
    assert steps[-1] == Finish(Span(14, 47, 20, 45), 60)


def test_half_close_ends_the_utterance_at_once() -> None:
    """The end of the audio makes what was heard final, without waiting for silence; silence alone gives nothing."""
    assert track("-20 w10") == [Finish(Span(14, 30, 20, 30), 30)]
    assert track("-50") == []
    assert track("w1") == []


def test_a_long_utterance_closes_its_piece_at_the_next_pause() -> None:
    """After 8 s a pause with speech after it closes the piece, with exactly the audio that was decoded ahead."""
    steps = track("w260 -4 w50 -20")
    assert steps[0] == DecodeAhead(Span(0, 262, 0, 260))
    assert steps[1:3] == [ClosePiece(Span(0, 262, 0, 260)), DropAhead()]
    assert steps[-1] == Finish(Span(262, 316, 264, 314), 329)


def test_speech_without_any_pause_is_cut_where_it_is_quietest() -> None:
    """After 12 s without a pause the cut falls into the only silent frame."""
    steps = track("w300 -1 w100 -20")
    assert steps[0] == ClosePiece(Span(0, 300, 0, 300))


def test_an_utterance_of_more_than_18_s_becomes_final_at_a_cut() -> None:
    """Nobody waits for a final for ever: the one who never pauses gets one within 30 s, and speech goes on after it."""
    steps = track("w2000")
    finals = [step for step in steps if isinstance(step, Finish)]
    ends = [0, *(step.at_frame for step in finals)]
    assert len(finals) > 2
    assert all(later - earlier <= 30_000 // 32 for earlier, later in pairwise(ends))


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 40)), min_size=1, max_size=12), st.integers(0, 9))
def test_every_speech_frame_is_decoded_exactly_once(runs: list[tuple[int, int]], seed: int) -> None:
    """No word is lost or doubled: over any speech, closed pieces and finals cover each speech frame once, in order."""
    tracker = Tracker(EndpointingPolicy(start_history_ms=32))
    rng = random.Random(seed)
    heard: list[bool] = []
    spans: list[Span] = []
    for speech_frames, silent_frames in runs:
        for spoken in [True] * speech_frames + [False] * silent_frames:
            heard.append(spoken)
            oldest = tracker.oldest_needed_frame
            steps = tracker.frame(rng.uniform(0.5, 1.0) if spoken else rng.uniform(0.0, 0.49))
            asked = [step.span for step in steps if not isinstance(step, DropAhead)]
            assert all(oldest <= span.start_frame < span.end_frame <= len(heard) for span in asked)
            spans += [step.span for step in steps if isinstance(step, ClosePiece | Finish)]
    spans += [step.span for step in tracker.finish() if isinstance(step, Finish)]
    assert all(earlier.end_frame <= later.start_frame for earlier, later in pairwise(spans))
    assert all(span.end_frame - span.start_frame <= PIECE_HARD_FRAMES + LEAD_FRAMES for span in spans)
    covered = {frame for span in spans for frame in range(span.start_frame, span.end_frame)}
    assert {frame for frame, spoken in enumerate(heard) if spoken} <= covered


def test_the_cut_prefers_the_longest_silence_and_then_the_least_likely_speech() -> None:
    """A longer pause beats a deeper one; without any, the middle of the weakest three frames is taken."""
    assert quietest_frame([0.9, 0.0, 0.9, 0.4, 0.4, 0.4, 0.9]) == 4
    assert quietest_frame([0.9, 0.9, 0.6, 0.5, 0.6, 0.9, 0.55, 0.9]) == 3


def test_words_without_times_are_spread_over_the_speech_by_their_letters() -> None:
    """The words of an engine that gives no times start with the speech, end with it, and never overlap."""
    words = timed_words(Recognition("it was wisdom"), Span(10, 50, 16, 38))
    assert words == (TimedWord("it", 512, 640), TimedWord("was", 640, 832), TimedWord("wisdom", 832, 1216))


def test_the_engines_own_times_are_moved_to_where_the_piece_starts() -> None:
    """Word times count from the start of the stream, not of the piece."""
    words = timed_words(Recognition("hello", (TimedWord("hello", 100, 400),)), Span(100, 150, 106, 140))
    assert words == (TimedWord("hello", 3300, 3600),)


def test_no_words_have_no_times() -> None:
    """An empty recognition is no error."""
    assert timed_words(Recognition(""), Span(0, 10, 0, 10)) == ()
