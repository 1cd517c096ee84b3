"""The voice of the fake synthesiser: each text has its own sound, so that samples tell which sentence they are of."""

import zlib
from dataclasses import dataclass

from voicegateway_testkit.fakes.script import TimedWord
from voicegateway_testkit.pcm import to_pcm
from voicegateway_testkit.speech import speech

DEFAULT_MS_PER_CHAR = 60
"""About 16 characters a second, as English is spoken."""
MIN_SENTENCE_MS = 100
MADE_MS = 6_000
"""A longer sound says this again and again: 24 s of it would stop whoever else is in the loop for 30 to 120 ms."""


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A text and its sound."""

    text: str
    rate_hz: int
    pcm: bytes
    """S16le, the whole sentence."""
    words: tuple[TimedWord, ...]
    """The words, side by side, positions in samples at `rate_hz`."""

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.pcm) // 2


def speak(text: str, rate_hz: int, ms_per_char: int = DEFAULT_MS_PER_CHAR) -> SpokenText:
    """Gives the sound of `text`: a word lasts `ms_per_char` for each letter and for the space after it."""
    duration_ms = max(MIN_SENTENCE_MS, len(text) * ms_per_char)
    made = to_pcm(speech(min(duration_ms, MADE_MS), rate_hz, seed=zlib.crc32(text.encode())))
    size = 2 * (duration_ms * rate_hz // 1000)
    pcm = (made * (size // len(made) + 1))[:size]
    return SpokenText(text, rate_hz, pcm, _time_words(text, len(pcm) // 2))


def locate(pcm: bytes, sentences: list[SpokenText]) -> tuple[SpokenText, int] | None:
    """Finds which sentence `pcm` was cut from, and its first sample there; None if from none. 10 ms are enough.

    In a sentence that is longer than `MADE_MS` it is the first place where this is said.
    """
    for sentence in sentences:
        at = sentence.pcm.find(pcm)
        while at > 0 and at % 2:  # a match at odd bytes is chance
            at = sentence.pcm.find(pcm, at + 1)
        if at >= 0:
            return sentence, at // 2
    return None


def _time_words(text: str, samples: int) -> tuple[TimedWord, ...]:
    """Shares the samples among the words by their place in the text."""
    words = []
    at_char = 0
    for word in text.split():
        start_char = text.index(word, at_char)
        at_char = start_char + len(word)
        words.append(TimedWord(word, samples * start_char // len(text), samples * at_char // len(text)))
    return tuple(words)
