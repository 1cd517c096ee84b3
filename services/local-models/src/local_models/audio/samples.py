"""Raw sample formats to float32 mono: linear PCM of every common width, IEEE float, G.711."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from local_models.audio.values import BadAudio, Samples, empty

_MULAW_BIAS = 0x84  # ITU-T G.711, mu-law: the bias added before the segment search, at 16-bit scale
_FULL_SCALE_16 = 32_768.0


def _mulaw_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _MULAW_BIAS) << ((code >> 4) & 0x07)) - _MULAW_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) / _FULL_SCALE_16).astype(np.float32)


def _alaw_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55  # G.711 inverts the even bits of A-law on the line
    mantissa, segment = (code & 0x0F) << 4, (code >> 4) & 0x07
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / _FULL_SCALE_16).astype(np.float32)


_MULAW = _mulaw_table()
_ALAW = _alaw_table()


def _unsigned_8(data: bytes) -> Samples:
    return (np.frombuffer(data, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0


def _signed_16(data: bytes) -> Samples:
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE_16)


def _signed_24(data: bytes) -> Samples:
    widened = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    widened[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
    return (widened.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


def _signed_32(data: bytes) -> Samples:
    return (np.frombuffer(data, dtype="<i4") / 2.0**31).astype(np.float32)


def _float_32(data: bytes) -> Samples:
    pcm: Samples = np.nan_to_num(np.frombuffer(data, dtype="<f4"))
    return np.clip(pcm, -1.0, 1.0)


def _mulaw(data: bytes) -> Samples:
    return _MULAW[np.frombuffer(data, dtype=np.uint8)]


def _alaw(data: bytes) -> Samples:
    return _ALAW[np.frombuffer(data, dtype=np.uint8)]


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How one sample looks in bytes."""

    name: str
    width_bytes: int
    convert: Callable[[bytes], Samples]


PCM_U8 = SampleFormat("8-bit PCM", 1, _unsigned_8)
PCM_S16 = SampleFormat("16-bit PCM", 2, _signed_16)
PCM_S24 = SampleFormat("24-bit PCM", 3, _signed_24)
PCM_S32 = SampleFormat("32-bit PCM", 4, _signed_32)
FLOAT_32 = SampleFormat("32-bit float", 4, _float_32)
MULAW = SampleFormat("mu-law", 1, _mulaw)
ALAW = SampleFormat("A-law", 1, _alaw)


class SampleSource:
    """Bytes of one sample format to mono samples, however the bytes were split; channels are averaged."""

    def __init__(self, sample_format: SampleFormat, rate_hz: int, channels: int = 1) -> None:
        self.rate_hz = rate_hz
        self._format = sample_format
        self._channels = channels
        self._frame_bytes = sample_format.width_bytes * channels
        self._left_over = b""

    def feed(self, data: bytes) -> Samples:
        whole = self._left_over + data
        cut = len(whole) - len(whole) % self._frame_bytes
        self._left_over = whole[cut:]
        pcm = self._format.convert(whole[:cut])
        if self._channels == 1:
            return pcm
        mono: Samples = pcm.reshape(-1, self._channels).mean(axis=1, dtype=np.float32)
        return mono

    def finish(self) -> Samples:
        """Nothing is held back; raises BadAudio when the last sample is incomplete."""
        if self._left_over:
            raise BadAudio(
                f"audio ends inside a sample of {self._format.name}: "
                f"{len(self._left_over)} of {self._frame_bytes} bytes"
            )
        return empty()
