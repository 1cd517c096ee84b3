"""What a speech synthesiser must offer, and the values it deals in.

An engine is a plain blocking object: `speak` gives an iterator, and each step of it makes the next piece of speech
(about a sentence) on whichever thread takes the step. It is never run by two threads at the same time, and nothing runs
between steps, so an abandoned iterator costs nothing more. `local_models.riva.speech_pool` decides on the thread.

For the start-up table: every engine answers `describe()` with `EngineDescription` rows, as recognisers do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local_models.audio import Samples
from local_models.engines.recognition import EngineDescription

_SILENCE_AMPLITUDE = 10 ** (-55 / 20)  # hibari fades in from -140 dBFS through 0.1 s of faint breath below -60
_LEAD_MS = 20  # kept before the first sound, so that a soft consonant is not clipped


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice. `family` and `variant` are Riva's voice_name and subvoice; clients ask for either or both joined."""

    family: str
    variant: str
    language_code: str

    @property
    def name(self) -> str:
        return f"{self.family}.{self.variant}"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word as it is written in the text, punctuation attached, and when it is heard: ms from the audio's start."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class SpokenPiece:
    """A piece of speech, about a sentence: mono samples at the engine's rate, and its words in order.

    `processed_text` is `text` as it was read out, numbers and abbreviations spelled where the engine tells.
    """

    text: str
    processed_text: str
    samples: Samples
    words: tuple[SpokenWord, ...]


class SynthesisEngine(Protocol):
    """A loaded synthesiser. Loading happens in the constructor, so that a missing model fails at start."""

    @property
    def rate_hz(self) -> int:
        """The rate of the samples it makes."""
        ...

    @property
    def voices(self) -> tuple[Voice, ...]:
        """All its voices; the first of a language is that language's default."""
        ...

    def speak(self, text: str, voice: Voice) -> Iterator[SpokenPiece]:
        """Read `text` out, piece by piece; text without anything to say gives no piece. Raises SynthesisError."""
        ...

    def describe(self) -> tuple[EngineDescription, ...]:
        """Rows for the start-up table."""
        ...


class SynthesisError(RuntimeError):
    """The engine gave up on a text that it should have been able to read."""


def share_out(words: Sequence[str], start_ms: float, end_ms: float) -> tuple[SpokenWord, ...]:
    """Give each word its share of the time by its letters: for words that the engine did not time one by one."""
    ms_per_letter = (end_ms - start_ms) / max(1, sum(map(len, words)))
    edges_ms = [start_ms]
    for word in words:
        edges_ms.append(edges_ms[-1] + len(word) * ms_per_letter)
    return tuple(
        SpokenWord(word, round(edges_ms[index]), round(edges_ms[index + 1])) for index, word in enumerate(words)
    )


def without_lead(piece: SpokenPiece, rate_hz: int) -> SpokenPiece:
    """The same piece beginning `_LEAD_MS` before its first sound, its word times moved along.

    Engines begin with up to 0.4 s of digital silence (hibari: 300 to 375 ms, measured 2026-11-21), which a listener
    would add to the answer's latency. They end with as much, and count it to the last word (hibari: 270 to 410 ms);
    here a word ends with its sound, lest a listener who heard it all be said to have missed it.
    """
    loud = np.abs(piece.samples) > _SILENCE_AMPLITUDE
    first = int(np.argmax(loud)) if loud.any() else 0
    sound_end = loud.size - int(np.argmax(loud[::-1])) if loud.any() else loud.size
    cut = max(0, first - rate_hz * _LEAD_MS // 1000)
    cut_ms, length_ms = round(cut * 1000 / rate_hz), round((sound_end - cut) * 1000 / rate_hz)
    words = tuple(
        SpokenWord(word.text, *(min(max(0, time_ms - cut_ms), length_ms) for time_ms in (word.start_ms, word.end_ms)))
        for word in piece.words
    )
    return SpokenPiece(piece.text, piece.processed_text, piece.samples[cut:], words)
