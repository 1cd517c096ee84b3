"""From samples heard to words heard, and back to the model's own text. Always whole words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voice_gateway.domain.transcript import SpokenWord

CHARS_PER_SECOND = 15
"""Speaking rate assumed for a sentence whose audio is not complete; about 180 words a minute."""
RECENT_WORDS, RECENT_CHARS = 400, 6_000
"""The end of what was said aloud that is compared with what is heard (`text/echo.py`): more than two minutes."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """One sentence and where its audio stands."""

    text: str
    """As the model wrote it."""
    spoken: str
    """As it is read aloud; empty for a sentence that is shown only."""
    samples: int | None = None
    """Length of its audio; None while that is not known."""
    words: tuple[SpokenWord, ...] = ()
    """When its words sound, where the synthesis tells."""
    word_ends: tuple[int, ...] = ()
    """Where in `text` each word of `spoken` ends."""
    is_skipped: bool = False
    """Whether synthesis had no sound for it: it was shown, and is not heard."""


def heard_text(sentences: Sequence[SpokenSentence], heard_samples: int, rate_hz: int) -> str:
    """The model's text up to the last word that ends within the first `heard_samples` of the reply's timeline.

    A sentence that is meant to be shown only counts as heard once all audio before it was heard.
    """
    heard, start = "", 0
    for sentence in sentences:
        samples = _length(sentence, rate_hz)
        if start + samples > heard_samples or sentence.samples is None:
            return (heard + _heard_part(sentence, heard_samples - start, samples)).rstrip()
        heard += "" if sentence.is_skipped else sentence.text
        start += samples
    return heard.rstrip()


def last_heard(sentences: Sequence[SpokenSentence], heard_samples: int, rate_hz: int) -> str:
    """The whole last sentence of which a word was heard; "" if nothing was heard."""
    last, start = "", 0
    for sentence in sentences:
        samples = _length(sentence, rate_hz)
        if sentence.spoken and start + samples > heard_samples:
            return sentence.text if _heard_part(sentence, heard_samples - start, samples) else last
        last, start = sentence.text if sentence.spoken else last, start + samples
    return last


def spoken_text(sentences: Sequence[SpokenSentence], until_samples: int, rate_hz: int) -> str:
    """What is read aloud up to `until_samples` of the reply's timeline, the word begun there included.

    Of a long reply only the end: at least `RECENT_WORDS` words or `RECENT_CHARS` characters.
    """
    begun, start = list[tuple[SpokenSentence, int]](), 0
    for sentence in sentences:
        if start > until_samples:
            break
        begun.append((sentence, start))
        start += _length(sentence, rate_hz)
    if not begun:
        return ""
    last, start = begun.pop()
    words = [match.group() for match in _WORD.finditer(last.spoken)]
    ends = _told_ends(last, words) or _even_ends(last.spoken, _length(last, rate_hz))
    parts = [words[: 1 + sum(start + end <= until_samples for end in ends)]]
    count, chars = len(parts[0]), len(last.spoken)
    while begun and count < RECENT_WORDS and chars < RECENT_CHARS:
        spoken = begun.pop()[0].spoken
        parts.append(spoken.split())
        count, chars = count + len(parts[-1]), chars + len(spoken)
    return " ".join(word for part in reversed(parts) for word in part)


def _length(sentence: SpokenSentence, rate_hz: int) -> int:
    if sentence.samples is not None:
        return sentence.samples
    return max(1, len(sentence.spoken)) * rate_hz // CHARS_PER_SECOND


def _heard_part(sentence: SpokenSentence, heard_samples: int, samples: int) -> str:
    spoken = [match.group() for match in _WORD.finditer(sentence.spoken)]
    ends = _told_ends(sentence, spoken) or _even_ends(sentence.spoken, samples)
    count = sum(end <= heard_samples for end in ends)
    return sentence.text[: sentence.word_ends[count - 1]] if count else ""


def _told_ends(sentence: SpokenSentence, spoken: list[str]) -> list[int]:
    if len(sentence.words) != len(spoken):
        return []
    return [word.end_samples for word in sentence.words]


def _even_ends(spoken: str, samples: int) -> list[int]:
    return [match.end() * samples // len(spoken) for match in _WORD.finditer(spoken)]
