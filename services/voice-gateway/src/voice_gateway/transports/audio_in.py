"""Turns a client's audio into what the session hears: LINEAR_PCM at the recogniser's rate."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import soxr

from voice_gateway.domain.audio import AudioFormat, Encoding
from voice_gateway.transports import g711

SLICE_SAMPLES: Final = 8_192
"""At most this much of one message is taken at once, a second at 8 kHz: to decode it and to bring it to another rate
takes 0.4 ms (measured 2026-11-28). The largest message, 1 MiB of mu-law, would take 50 ms."""

Hear = Callable[[bytes, int], None]
"""Takes LINEAR_PCM and the position of its first sample in the client's input clock."""


@dataclass(frozen=True, slots=True)
class AudioIn:
    """The way in of one client's audio."""

    feed: Hear
    """Takes data in the client's format; it must be whole samples and must not overlap what came before."""
    flush: Callable[[], None]
    """Hands on what a filter still holds: the input pauses or has ended."""


def slices(data: bytes, offset_samples: int, encoding: Encoding) -> Iterator[tuple[bytes, int]]:
    """Parts of a message's audio and where they begin, each small enough to be taken at once."""
    for first in range(0, len(data) // encoding.sample_bytes, SLICE_SAMPLES):
        start = first * encoding.sample_bytes
        yield data[start : start + SLICE_SAMPLES * encoding.sample_bytes], offset_samples + first


def open_audio_in(client: AudioFormat, asr_rate_hz: int, hear: Hear) -> AudioIn:
    """A way in that ends in `hear`; for LINEAR_PCM at the right rate it is `hear` itself and costs nothing."""
    if client.rate_hz != asr_rate_hz:
        resampler = _Resampler(client, asr_rate_hz, hear)
        return AudioIn(resampler.feed, resampler.flush)
    if client.encoding is Encoding.LINEAR_PCM:
        return AudioIn(hear, _hold_nothing)
    return AudioIn(lambda data, offset: hear(g711.decode(data, client.encoding).tobytes(), offset), _hold_nothing)


def _hold_nothing() -> None:
    """There is no filter."""


class _Resampler:
    """Resamples without a seam; a gap in the client's clock empties the filter and starts it afresh.

    The filter is soxr's variable-rate one: its delay is constant (10 ms from 24 kHz, 12.5 ms from 48 kHz, 30 ms from
    8 kHz), while the other works in blocks and holds up to 37 ms, 37 ms and 115 ms back (measured 2026-11-21, 20 ms
    frames), all of which a caller would wait for at the end of each turn. Both keep images and aliases below -69 dB.
    """

    def __init__(self, client: AudioFormat, asr_rate_hz: int, hear: Hear) -> None:
        self._client = client
        self._asr_rate_hz = asr_rate_hz
        self._hear = hear
        self._filter = soxr.ResampleStream(client.rate_hz, asr_rate_hz, 1, dtype="int16", vr=True)
        self._start_samples = 0
        """Where the running stretch of contiguous audio began, input clock."""
        self._in_samples = 0
        self._out_samples = 0
        """How much of the stretch went in and came out."""

    def feed(self, data: bytes, offset_samples: int) -> None:
        """Take the next audio."""
        if offset_samples != self._start_samples + self._in_samples:
            self.flush()
            self._start_samples = offset_samples
        samples = g711.decode(data, self._client.encoding)
        self._in_samples += len(samples)
        self._hand_on(self._filter.resample_chunk(samples))

    def flush(self) -> None:
        """Empty the filter; the next audio starts a new stretch."""
        if self._in_samples == 0:
            return
        self._hand_on(self._filter.resample_chunk(np.zeros(0, np.int16), last=True))
        self._filter.clear()
        self._start_samples += self._in_samples
        self._in_samples = self._out_samples = 0

    def _hand_on(self, samples: np.ndarray) -> None:
        if len(samples) == 0:
            return
        # rounded up, so that `offset * asr_rate // client_rate` gives the sample count back when the rate goes down
        passed = -(-self._out_samples * self._client.rate_hz // self._asr_rate_hz)
        self._out_samples += len(samples)
        self._hear(samples.tobytes(), self._start_samples + passed)
