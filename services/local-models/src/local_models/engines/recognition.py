"""What a speech recogniser must offer, and the values it deals in.

An engine is a plain blocking object: it turns one piece of speech into text, on whichever thread calls it. It knows
nothing of streams, pauses or protocols; `local_models.riva.asr_stream` decides what it hears and when, and
`engines.pool.InferencePool` which thread waits for it.

For the start-up table: every engine answers `describe()` with one `EngineDescription` per language it serves.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
"""Everything past the audio decoder is at this rate: both Moonshine and Silero were trained on it."""

Samples = NDArray[np.float32]
"""Mono samples in [-1, 1] at `SAMPLE_RATE_HZ`, shape [n]."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word and where it was spoken, in ms from the first sample of the audio it belongs to."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was said in one piece of audio.

    `words` is empty when the engine gives no times; whoever needs them then spreads the words over the speech.
    """

    text: str
    words: tuple[TimedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """One row of the table printed at start."""

    service: str
    language: str
    engine: str
    model: str
    source: str


class RecognitionEngine(Protocol):
    """A loaded recogniser. Loading happens in the constructor, so that a missing model fails at start."""

    @property
    def model_name(self) -> str:
        """The name clients may ask for in `RecognitionConfig.model`."""
        ...

    @property
    def language_codes(self) -> tuple[str, ...]:
        """The BCP-47 codes it serves, the preferred one first."""
        ...

    def recognize(self, samples: Samples) -> Recognition:
        """Transcribe a whole piece of speech; blocking, called by as many threads at once as the pool has workers.

        Raises RecognitionError when the engine itself reports an error.
        """
        ...

    def describe(self) -> tuple[EngineDescription, ...]:
        """Rows for the start-up table."""
        ...


class EngineUnavailableError(RuntimeError):
    """The engine or its weights are not on this machine; the message says what to install or where to point."""


class RecognitionError(RuntimeError):
    """The engine gave up on a piece of audio that it should have been able to read."""
