"""Audio as numpy samples, as s16le bytes and as WAV files; one channel always."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""One channel of signed 16-bit samples, shape [n]."""


def to_pcm(samples: Samples) -> bytes:
    """Gives the samples as s16le bytes, 2 bytes each."""
    return samples.astype("<i2").tobytes()


def from_pcm(pcm: bytes) -> Samples:
    """Gives s16le bytes as samples; raises ValueError when a sample is cut."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.int16)


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """Writes a one-channel 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(to_pcm(samples))


def read_wav(path: Path) -> tuple[Samples, int]:
    """Reads a one-channel 16-bit WAV file: the samples and their rate in Hz; raises ValueError for any other."""
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:  # noqa: PLR2004 - two bytes are 16 bits
            message = f"{path} is not one channel of 16-bit samples"
            raise ValueError(message)
        return from_pcm(file.readframes(file.getnframes())), file.getframerate()
