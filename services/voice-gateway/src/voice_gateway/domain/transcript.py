"""What a recogniser hears."""

from dataclasses import dataclass
from typing import Final

MAX_RESULT_CHARS: Final = 4_000
"""Text of one transcript; a typed turn may be as long. In a minute, the default `max_turn_ms`, nobody speaks 1,500."""
MAX_RESULT_WORDS: Final = 1_000
"""Words of one transcript that come with their times: a minute has 300."""
MAX_WORD_CHARS: Final = 100
"""Text of a word that comes with its time."""
MAX_SENTENCE_WORDS: Final = 1_000
"""Words of one sentence that come with their times."""


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; positions are samples of whatever timeline the holder names."""

    text: str
    start_samples: int
    end_samples: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class RecognitionResult:
    """One result of a recognition stream; positions are samples of the stream's own audio at its own rate."""

    text: str
    is_final: bool
    stability: float
    """Range [0, 1]; 1.0 when the recogniser suspects the end of the utterance, 0.0 when it does not say."""
    end_samples: int
    """How much of the stream's audio the result covers."""
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """When a synthesised word sounds, in samples of its sentence's audio."""

    text: str
    start_samples: int
    end_samples: int
