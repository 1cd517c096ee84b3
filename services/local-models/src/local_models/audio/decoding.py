"""What a client sends, in any encoding and any split, to 16 kHz mono."""

from typing import Protocol

import numpy as np
import soxr

from local_models.audio import samples
from local_models.audio.compressed import FlacSource, OggSource
from local_models.audio.riff import WavSource
from local_models.audio.samples import SampleSource
from local_models.audio.values import (
    DECODED_RATE_HZ,
    AudioEncoding,
    BadAudio,
    Samples,
    checked_rate_hz,
    empty,
    known_encoding,
)

_G711_RATE_HZ = 8_000  # ITU-T G.711 section 2: the sampling rate is 8000 samples a second
_SNIFF_BYTES = 4  # RIFF, fLaC and OggS all take four


class _Source(Protocol):
    """Bytes to mono samples at the source's own rate, which is None until its header has been read."""

    @property
    def rate_hz(self) -> int | None: ...
    def feed(self, data: bytes) -> Samples: ...
    def finish(self) -> Samples: ...


class _Resampler:
    """Any rate to 16 kHz, with state across blocks; 16 kHz passes untouched and undelayed.

    soxr's high quality holds back up to 37 ms of audio (measured 2026-11-21) until `last`.
    """

    def __init__(self, rate_hz: int) -> None:
        self._stream = (
            None
            if rate_hz == DECODED_RATE_HZ
            else soxr.ResampleStream(rate_hz, DECODED_RATE_HZ, 1, dtype="float32", quality="HQ")
        )

    def convert(self, pcm: Samples, *, last: bool) -> Samples:
        if self._stream is None:
            return pcm
        resampled: Samples = self._stream.resample_chunk(pcm, last=last)
        return np.clip(resampled, -1.0, 1.0)


class StreamDecoder:
    """Decodes one client's audio as it arrives.

    `encoding` is Riva's number, `sample_rate_hz` the rate the client states (0: not stated; G.711 is then 8 kHz, and
    headerless LINEAR_PCM is refused). UNSPECIFIED reads the encoding and the rate from a RIFF, FLAC or Ogg header and
    takes anything else for LINEAR_PCM; a RIFF header in front of LINEAR_PCM, MULAW or ALAW is understood too, and must
    then agree with what the client stated. FLAC and Ogg Opus are decoded incrementally (see `compressed`), so interim
    results work with them; Ogg delivers per page, FLAC per frame. Channels are averaged to one.

    Every method raises BadAudio; after that the decoder is not to be used again. Not safe for use from two threads at
    the same time; FLAC and Ogg pages cost some milliseconds of CPU per second of audio, all else microseconds.
    """

    def __init__(self, encoding: int, sample_rate_hz: int) -> None:
        self.encoding = known_encoding(encoding)
        self._stated_rate_hz = checked_rate_hz(sample_rate_hz) if sample_rate_hz else 0
        self._head = b""
        self._source: _Source | None = None
        self._resampler: _Resampler | None = None
        self._agreed = False

    def feed(self, data: bytes) -> Samples:
        """float32 mono at 16 kHz, shape (n,); n may be 0 while a header, a page or the resampler waits for more."""
        if self._source is None:
            self._head += data
            if not self._head or (len(self._head) < _SNIFF_BYTES and not self._is_headerless()):
                return empty()
            self._source, data, self._head = self._choose(self._head), self._head, b""
        return self._convert(self._source, self._source.feed(data), last=False)

    def finish(self) -> Samples:
        """What was held back, same shape; raises BadAudio when the audio ends inside a header, a page or a sample."""
        if self._source is None:
            if not self._head:
                return empty()
            self._source = self._choose(self._head)
            pcm = np.concatenate([self._source.feed(self._head), self._source.finish()])
        else:
            pcm = self._source.finish()
        return self._convert(self._source, pcm, last=True)

    def _is_headerless(self) -> bool:
        return not any(magic.startswith(self._head) for magic in (b"RIFF", b"fLaC", b"OggS"))

    def _choose(self, head: bytes) -> _Source:
        magic, encoding = head[:_SNIFF_BYTES], self.encoding
        unstated = encoding is AudioEncoding.UNSPECIFIED
        if magic == b"fLaC" and (unstated or encoding is AudioEncoding.FLAC):
            return FlacSource()
        if magic == b"OggS" and (unstated or encoding is AudioEncoding.OGGOPUS):
            return OggSource()
        if encoding in {AudioEncoding.FLAC, AudioEncoding.OGGOPUS}:
            raise BadAudio(
                f"config format doesn't match with header format: the audio does not begin as {encoding.name}"
            )
        return WavSource() if magic == b"RIFF" else self._headerless()

    def _headerless(self) -> SampleSource:
        if self.encoding is AudioEncoding.MULAW:
            return SampleSource(samples.MULAW, self._stated_rate_hz or _G711_RATE_HZ)
        if self.encoding is AudioEncoding.ALAW:
            return SampleSource(samples.ALAW, self._stated_rate_hz or _G711_RATE_HZ)
        if not self._stated_rate_hz:
            raise BadAudio("the audio has no header and no sample rate was given: set sample_rate_hertz")
        return SampleSource(samples.PCM_S16, self._stated_rate_hz)

    def _convert(self, source: _Source, pcm: Samples, *, last: bool) -> Samples:
        if source.rate_hz is None:
            return pcm
        if not self._agreed:
            self._agreed = True
            self._check_agreement(source)
        if self._resampler is None:
            self._resampler = _Resampler(source.rate_hz)
        return self._resampler.convert(pcm, last=last)

    def _check_agreement(self, source: _Source) -> None:
        """A WAV header that contradicts the request is refused in Riva's own words (NVIDIA forum thread 197641)."""
        if not isinstance(source, WavSource) or source.header is None or self.encoding is AudioEncoding.UNSPECIFIED:
            return
        header = source.header
        companded = {AudioEncoding.MULAW: samples.MULAW, AudioEncoding.ALAW: samples.ALAW}
        linear = header.sample_format not in companded.values()
        agrees = (
            linear if self.encoding is AudioEncoding.LINEAR_PCM else header.sample_format is companded[self.encoding]
        )
        if agrees and self._stated_rate_hz in {0, header.rate_hz}:
            return
        raise BadAudio(
            "config format doesn't match with header format: the request says "
            f"{self.encoding.name} at {self._stated_rate_hz} Hz, the WAV header {header.sample_format.name} "
            f"at {header.rate_hz} Hz"
        )
