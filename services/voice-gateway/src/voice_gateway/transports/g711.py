"""G.711 as lookup tables: ITU-T Recommendation G.711 (11/88), tables 1 and 2, scaled to 16 bits."""

from typing import Final

import numpy as np
import numpy.typing as npt

from voice_gateway.domain.audio import Encoding

_MULAW_BIAS: Final = 33
"""Added to the 14-bit magnitude so that each segment starts at a power of two."""
_MULAW_MAX: Final = 8_191
"""Largest biased 14-bit magnitude; G.711 clips above it."""


def _decode_mulaw() -> npt.NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    segment, mantissa = code >> 4 & 7, code & 0xF
    magnitude = (((mantissa << 1) + _MULAW_BIAS << segment) - _MULAW_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _decode_alaw() -> npt.NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment, mantissa = code >> 4 & 7, code & 0xF
    magnitude = np.where(segment == 0, (mantissa << 1) + 1, (mantissa << 1) + 33 << np.maximum(segment - 1, 0)) << 3
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


def _encode_mulaw() -> npt.NDArray[np.uint8]:
    sample = np.arange(65_536, dtype=np.uint16).view("<i2").astype(np.int32) >> 2
    magnitude = np.minimum(np.abs(sample) + _MULAW_BIAS, _MULAW_MAX)
    segment = np.log2(magnitude).astype(np.int32) - 5
    code = segment << 4 | magnitude >> segment + 1 & 0xF
    coded: npt.NDArray[np.uint8] = np.where(sample < 0, code ^ 0x7F, code ^ 0xFF).astype(np.uint8)
    return coded


def _encode_alaw() -> npt.NDArray[np.uint8]:
    sample = np.arange(65_536, dtype=np.uint16).view("<i2").astype(np.int32) >> 3
    magnitude = np.where(sample < 0, ~sample, sample)
    segment = np.maximum(np.log2(np.maximum(magnitude, 1)).astype(np.int32) - 4, 0)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & 0xF
    return np.where(sample < 0, code ^ 0x55, code ^ 0xD5).astype(np.uint8)


_DECODE: Final = {Encoding.MULAW: _decode_mulaw(), Encoding.ALAW: _decode_alaw()}
_ENCODE: Final = {Encoding.MULAW: _encode_mulaw(), Encoding.ALAW: _encode_alaw()}


def decode(data: bytes, encoding: Encoding) -> npt.NDArray[np.int16]:
    """Samples of `data`; LINEAR_PCM is viewed, not copied."""
    if encoding is Encoding.LINEAR_PCM:
        return np.frombuffer(data, "<i2")
    return _DECODE[encoding][np.frombuffer(data, np.uint8)]


def encode(pcm: bytes, encoding: Encoding) -> bytes:
    """LINEAR_PCM in `encoding`; itself, not a copy, when that is LINEAR_PCM."""
    if encoding is Encoding.LINEAR_PCM:
        return pcm
    coded: bytes = _ENCODE[encoding][np.frombuffer(pcm, "<u2")].tobytes()
    return coded
