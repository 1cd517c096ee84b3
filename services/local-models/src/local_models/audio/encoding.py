"""Synthesised speech to what a client asked for: LINEAR_PCM (s16le, no header) or OGGOPUS."""

import io
from typing import Protocol

import numpy as np
import soundfile
import soxr

from local_models.audio.values import AudioEncoding, BadAudio, Samples, checked_rate_hz, empty, encoding_name

ENCODABLE = (AudioEncoding.LINEAR_PCM, AudioEncoding.OGGOPUS)
"""What synthesis can answer in."""

MAX_OUTPUT_RATE_HZ = 48_000
"""Speech holds nothing above it, and Riva's own voices are at most 44.1 kHz."""

_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)  # RFC 6716 section 2, table 1
_OPUS_FALLBACK_HZ = 48_000  # RFC 7845 section 4: every Ogg Opus stream decodes at 48 kHz


class _Sink(Protocol):
    def feed(self, pcm: Samples) -> bytes: ...
    def finish(self) -> bytes: ...


class _PcmSink:
    def feed(self, pcm: Samples) -> bytes:
        return (np.clip(pcm, -1.0, 1.0) * 32_767.0).round().astype("<i2").tobytes()

    def finish(self) -> bytes:
        return b""


class _OggOpusSink:
    """libsndfile writes whole pages, about one per second of audio, into memory; what is new is handed on."""

    def __init__(self, rate_hz: int) -> None:
        self._written = io.BytesIO()
        self._file = soundfile.SoundFile(self._written, "w", rate_hz, 1, format="OGG", subtype="OPUS")
        self._sent_bytes = 0

    def _news(self) -> bytes:
        # libsndfile keeps its own position in this file, so reading must not move it.
        fresh = self._written.getbuffer()[self._sent_bytes :].tobytes()
        self._sent_bytes += len(fresh)
        return fresh

    def feed(self, pcm: Samples) -> bytes:
        self._file.write(np.clip(pcm, -1.0, 1.0))
        return self._news()

    def finish(self) -> bytes:
        self._file.close()
        return self._news()


def opus_rate_hz(rate_hz: int) -> int:
    """The rate to encode at: the one asked for where Opus has it, else 48 kHz (the decoder picks its own anyway)."""
    return rate_hz if rate_hz in _OPUS_RATES_HZ else _OPUS_FALLBACK_HZ


class StreamEncoder:
    """Encodes one utterance as it is made; all results concatenated are one valid stream.

    `source_rate_hz` is the engine's rate, `rate_hz` the one the client asked for (0: the engine's own). Raises BadAudio
    for an encoding or a rate that cannot be answered in.
    """

    def __init__(self, encoding: int, rate_hz: int, source_rate_hz: int) -> None:
        self.encoding = _encodable(encoding)
        asked_hz = _output_rate_hz(rate_hz or source_rate_hz)
        self.rate_hz = opus_rate_hz(asked_hz) if self.encoding is AudioEncoding.OGGOPUS else asked_hz
        self._resampler = (
            None
            if self.rate_hz == source_rate_hz
            else soxr.ResampleStream(source_rate_hz, self.rate_hz, 1, dtype="float32", quality="HQ")
        )
        self._sink: _Sink = _PcmSink() if self.encoding is AudioEncoding.LINEAR_PCM else _OggOpusSink(self.rate_hz)

    def feed(self, pcm: Samples) -> bytes:
        """float32 mono at `source_rate_hz`, shape (n,), to the bytes that are ready (possibly none)."""
        return self._sink.feed(self._resample(pcm, last=False))

    def finish(self) -> bytes:
        tail = self._resample(empty(), last=True)
        return self._sink.feed(tail) + self._sink.finish()

    def _resample(self, pcm: Samples, *, last: bool) -> Samples:
        if self._resampler is None:
            return pcm
        resampled: Samples = self._resampler.resample_chunk(pcm, last=last)
        return resampled


def _encodable(number: int) -> AudioEncoding:
    """UNSPECIFIED is LINEAR_PCM: what Riva's own synthesis answers in when nothing was asked for."""
    encoding = number or AudioEncoding.LINEAR_PCM
    if encoding not in ENCODABLE:
        names = ", ".join(each.name for each in ENCODABLE)
        raise BadAudio(f"speech cannot be encoded as {encoding_name(encoding)}; supported encodings are {names}")
    return AudioEncoding(encoding)


def _output_rate_hz(rate_hz: int) -> int:
    checked = checked_rate_hz(rate_hz)
    if checked > MAX_OUTPUT_RATE_HZ:
        raise BadAudio(f"sample rate {rate_hz} Hz is not supported for speech; use 8000 to {MAX_OUTPUT_RATE_HZ} Hz")
    return checked


def encode(pcm: Samples, rate_hz: int, encoding: int) -> bytes:
    """A whole utterance at `rate_hz` in one go, at the same rate. Raises BadAudio."""
    encoder = StreamEncoder(encoding, rate_hz, rate_hz)
    return encoder.feed(pcm) + encoder.finish()
