"""The words of this package: encodings, sample types, limits, the one error."""

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
"""Mono samples in [-1, 1], shape (n,)."""

DECODED_RATE_HZ = 16_000
"""The rate every decoder delivers: what the recognisers and the VAD were trained on."""

MIN_RATE_HZ = 8_000
"""Riva's RecognitionConfig calls anything below 8 kHz meaningless (riva_asr.proto, sample_rate_hertz)."""

MAX_RATE_HZ = 192_000
"""The highest rate in common sound files; beyond it a header is more likely damaged than true."""


class AudioEncoding(IntEnum):
    """Riva's numbers for audio encodings (riva_audio.proto, enum AudioEncoding)."""

    UNSPECIFIED = 0
    LINEAR_PCM = 1
    FLAC = 2
    MULAW = 3
    OGGOPUS = 4
    ALAW = 20


class BadAudio(ValueError):  # noqa: N818  (the name is the interface promised to callers: what it is, not "an error")
    """The client's audio or its description cannot be used. `reason` is a sentence fit to show to the client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def empty() -> Samples:
    return np.zeros(0, dtype=np.float32)


def encoding_name(number: int) -> str:
    """Riva's name for the number, or the number itself where Riva has none."""
    return AudioEncoding(number).name if number in set(AudioEncoding) else str(number)


def known_encoding(number: int) -> AudioEncoding:
    """Riva's number as an encoding; raises BadAudio naming the supported ones."""
    try:
        return AudioEncoding(number)
    except ValueError:
        names = ", ".join(encoding.name for encoding in AudioEncoding)
        raise BadAudio(f"encoding {number} is not supported; supported encodings are {names}") from None


def checked_rate_hz(rate_hz: int) -> int:
    """The same rate; raises BadAudio outside MIN_RATE_HZ to MAX_RATE_HZ."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadAudio(f"sample rate {rate_hz} Hz is not supported; use {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    return rate_hz
