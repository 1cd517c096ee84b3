"""Hears the agent's own voice in the microphone: a copy of what the client was sent, later and quieter.

The last of what was heard is laid over the last of what was sent, at every delay, and compared. Measured 2026-11-29 on
synthesised speech, 128 ms each: an echo at -12 dB matches to 0.93 or more in 99 of 100 places, another sentence of the
same voice to 0.53 or less. In a room that reverberates strongly the match is as low as a stranger's: then the words
have to tell.
"""

from collections import deque

import numpy as np
import numpy.typing as npt
import soxr

from voice_gateway.domain.audio import PCM_SAMPLE_BYTES, pcm_bytes
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.session.ports import VOICE_RATE_HZ

KEPT_MS = 2_000
"""This much of what was sent is compared: more than the lead, a jitter buffer, the network both ways and a room."""
LAST_MS = 1_000
"""This time after the last audio left, its echo has passed: a fifth of it is `lead_ms`, which is played first."""
RATE_HZ = 8_000
"""Rate at which both are compared: what distinguishes speech lies below 4 kHz."""
MATCH = 0.7
"""A normalised correlation of this or more is the agent's voice: half of what sounds, or more, is echo."""
NEAR_SAMPLES = 560
"""The delay of an echo changes by less than this (70 ms) from one chunk to the next, frames of 60 ms included."""
STEPS = 2
"""Delays tried for each sample; at whole samples alone an "s" that is half a sample off does not match."""
EMPHASIS = 0.95
"""Raises high tones over low ones before the comparison (the usual pre-emphasis): vowels of one voice are alike."""

Samples = npt.NDArray[np.float32]


class OwnVoice:
    """What one client was sent lately."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frames: deque[bytes] = deque()
        self._kept_bytes = 0
        self._sent_at = Instant(0)
        """When audio left last, if any has."""
        self._delay: int | None = None
        """Delay of the last match: samples at RATE_HZ from its end to the end of what was sent."""

    def sent(self, pcm: bytes, now: Instant) -> None:
        """Reply audio has left; the mark of a reply's end may have no audio."""
        if not pcm:
            return
        self._frames.append(pcm)
        self._kept_bytes += len(pcm)
        while self._kept_bytes > pcm_bytes(KEPT_MS, self._rate_hz):
            self._kept_bytes -= len(self._frames.popleft())
        self._sent_at = now

    def compare(self, heard: bytes, now: Instant) -> bool:
        """Whether this sound, LINEAR_PCM at VOICE_RATE_HZ that ended just now, is an echo of what was sent."""
        if ms_between(self._sent_at, now) >= LAST_MS or not self._frames:
            return False
        sound = _prepared(heard, VOICE_RATE_HZ)
        sent = _prepared(b"".join(self._frames), self._rate_hz)
        sent = np.concatenate([np.zeros(len(sound), np.float32), sent])  # the silence before a reply's first words
        if self._delay is not None and self._matches_near(sound, sent, self._delay):
            return True
        likeness, end = _best_match(sound, sent)
        self._delay = len(sent) - end if likeness >= MATCH else None
        return likeness >= MATCH

    def _matches_near(self, sound: Samples, sent: Samples, delay: int) -> bool:
        first = max(0, len(sent) - delay - len(sound) - NEAR_SAMPLES)
        near = sent[first : len(sent) - delay + NEAR_SAMPLES]
        if len(near) < len(sound):
            return False
        likeness, end = _best_match(sound, near)
        if likeness >= MATCH:
            self._delay = len(sent) - first - end
        return likeness >= MATCH


def _prepared(pcm: bytes, rate_hz: int) -> Samples:
    samples = np.frombuffer(pcm[: len(pcm) // PCM_SAMPLE_BYTES * PCM_SAMPLE_BYTES], "<i2").astype(np.float32)
    samples -= samples.mean()  # a constant is no sound, nor are the edges that a filter would make of it
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="LQ")  # "QQ" aliases hiss, depending on its phase
    return np.asarray(samples[1:] - EMPHASIS * samples[:-1], np.float32)


def _transformed(samples: int) -> int:
    """The size of a fast transform of at least so many samples: a small number times a power of two."""
    unit = 1 << max(0, samples.bit_length() - 4)
    return -(-samples // unit) * unit


def _best_match(sound: Samples, sent: Samples) -> tuple[float, int]:
    """The largest normalised correlation, from 0 to about 1, and where in `sent` that match ends."""
    size = _transformed(len(sent))  # beyond its end only places would be wrong where `sound` reaches over it
    spectrum = np.fft.rfft(sent, size) * np.conj(np.fft.rfft(sound, size))
    places = len(sent) - len(sound) + 1
    products = np.abs(np.fft.irfft(spectrum, STEPS * size)[: STEPS * places]) * STEPS
    products = products.reshape(places, STEPS).max(axis=1)
    energies = np.concatenate([np.zeros(1), np.cumsum(np.square(sent, dtype=np.float64))])
    windows = energies[len(sound) :] - energies[: -len(sound)]
    # where next to nothing was sent, the noise of both would look alike
    windows = np.maximum(windows, windows.max() / 1_000)
    own = float(np.sum(np.square(sound, dtype=np.float64)))
    if own < 1 or not windows.any():
        return 0.0, len(sound)
    likeness = products / np.sqrt(windows * own)
    at = int(np.argmax(likeness))
    return float(likeness[at]), at + len(sound)
