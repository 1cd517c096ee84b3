"""Audio as numpy samples and as s16le bytes; one channel always."""

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
