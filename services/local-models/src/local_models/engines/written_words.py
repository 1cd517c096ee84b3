"""From the words an engine read out to the words that were written, which is what a caller can match. Pure."""

import difflib
from collections.abc import Sequence

from local_models.engines.synthesis import SpokenWord, share_out


def time_written_words(written: Sequence[str], spoken: Sequence[SpokenWord]) -> tuple[SpokenWord, ...]:
    """One SpokenWord per written word, in order, times never going back.

    `spoken` is the normalised text ("seven thirty p.m.") with its times, `written` the original ("7:30 pm"). Words in
    both keep their times; where they differ the written words share the time of what was said in their place. Written
    words that were not read out get no time of their own; spoken words that nobody wrote lengthen the word before.
    """
    matcher = difflib.SequenceMatcher(None, written, [word.text for word in spoken], autojunk=False)
    timed: list[SpokenWord] = []
    for operation, written_from, written_to, spoken_from, spoken_to in matcher.get_opcodes():
        said = spoken[spoken_from:spoken_to]
        if operation == "equal":
            timed += said
        elif operation == "insert":
            if timed:
                timed[-1] = SpokenWord(timed[-1].text, timed[-1].start_ms, said[-1].end_ms)
        else:
            now_ms = timed[-1].end_ms if timed else 0
            start_ms, end_ms = (said[0].start_ms, said[-1].end_ms) if said else (now_ms, now_ms)
            timed += share_out(written[written_from:written_to], start_ms, end_ms)
    return tuple(timed)
