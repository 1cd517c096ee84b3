"""Audio formats. There is always one channel."""

from dataclasses import dataclass
from enum import Enum


class Encoding(Enum):
    """How samples are coded on a client's wire. Inside the gateway audio is always LINEAR_PCM."""

    LINEAR_PCM = "LINEAR_PCM"
    """Signed 16-bit little-endian."""
    MULAW = "MULAW"
    ALAW = "ALAW"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 2 if self is Encoding.LINEAR_PCM else 1


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Coding and rate of one direction of audio."""

    encoding: Encoding
    rate_hz: int


PCM_SAMPLE_BYTES = Encoding.LINEAR_PCM.sample_bytes
INPUT_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Rates accepted from clients."""
OUTPUT_RATES_HZ = INPUT_RATES_HZ
"""Rates offered to clients: the older contract has one rate for both ways."""


def pcm_bytes(duration_ms: int, rate_hz: int) -> int:
    """Bytes of `duration_ms` milliseconds of LINEAR_PCM at `rate_hz`, whole samples."""
    return rate_hz * duration_ms // 1_000 * PCM_SAMPLE_BYTES
