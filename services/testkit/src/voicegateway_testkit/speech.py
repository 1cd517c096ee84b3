"""Speech-like sound that a voice activity detector accepts, made from a seed and nothing else.

A train of glottal pulses, each ringing in three formants that glide between open vowels and a close front one, syllable
by syllable. Silero VAD takes 99.98 % of its chunks after the first for speech (measured 2026-11-21 on 60 seeds of 3 s:
lowest probability 0.44); without that alternation of vowels most of it counts as noise.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from voicegateway_testkit.pcm import Samples, to_pcm

DEFAULT_RATE_HZ = 16000

_Curve = NDArray[np.float64]

# First three formants in Hz: averages of men's vowels, Peterson and Barney 1952, table II.
_OPEN_VOWELS_HZ = ((730.0, 1090.0, 2440.0), (530.0, 1840.0, 2480.0), (660.0, 1720.0, 2410.0), (640.0, 1190.0, 2390.0))
_CLOSE_VOWEL_HZ = (270.0, 2290.0, 3010.0)
_WIDTHS_HZ = np.array((90.0, 110.0, 160.0))
_GAINS = np.array((1.0, 0.6, 0.35))
_TILT_HZ = 800.0
_SYLLABLE_S = (0.09, 0.12)  # longer syllables make Silero doubt (measured 2026-11-21)
_PITCH_HZ = (105.0, 135.0)
_RING_S = 0.012  # a pulse has decayed by then
_BREATH = 0.003
_EDGE_S = 0.008
_EDGE_FLOOR = 0.2  # the first and the last sample stay well above an energy detector's threshold
_PEAK = 0.5


@lru_cache(maxsize=256)
def speech(duration_ms: int, rate_hz: int = DEFAULT_RATE_HZ, seed: int = 0) -> Samples:
    """Gives `duration_ms` of speech-like sound without a pause: int16, shape [n], read-only."""
    samples = duration_ms * rate_hz // 1000
    rng = np.random.default_rng(seed)
    borders = _syllable_borders(samples, rate_hz, rng)
    pulses_at = _pulses(samples, rate_hz, borders, rng)
    rings = _rings(_formants(pulses_at, borders, rng), rate_hz) * _loudness(pulses_at, borders)[:, None]
    sound = np.zeros(samples + rings.shape[1])
    for start, ring in zip(pulses_at.astype(int).tolist(), rings, strict=True):
        sound[start : start + len(ring)] += ring
    sound = sound[:samples] / np.abs(sound).max() + rng.standard_normal(samples) * _BREATH
    sound *= _edges(samples, rate_hz)
    loudest = float(np.abs(sound).max())
    result: Samples = (sound * (_PEAK * np.iinfo(np.int16).max / loudest)).astype(np.int16)
    result.setflags(write=False)
    return result


def silence(duration_ms: int, rate_hz: int = DEFAULT_RATE_HZ) -> Samples:
    """Gives `duration_ms` of digital silence: int16, shape [n]."""
    return np.zeros(duration_ms * rate_hz // 1000, dtype=np.int16)


def utterance_pcm(speech_ms: int, silence_ms: int, rate_hz: int = DEFAULT_RATE_HZ, seed: int = 0) -> bytes:
    """Gives an utterance of `speech_ms`, then `silence_ms` of silence, as s16le bytes."""
    return to_pcm(np.concatenate((speech(speech_ms, rate_hz, seed), silence(silence_ms, rate_hz))))


def _syllable_borders(samples: int, rate_hz: int, rng: np.random.Generator) -> _Curve:
    borders = [0.0]
    while borders[-1] < samples:
        borders.append(borders[-1] + rng.uniform(*_SYLLABLE_S) * rate_hz)
    return np.array(borders)


def _pulses(samples: int, rate_hz: int, borders: _Curve, rng: np.random.Generator) -> _Curve:
    """Gives where each pulse starts: a pitch for each syllable, 2 % of jitter, a slow fall."""
    targets_hz = rng.uniform(*_PITCH_HZ) * np.clip(1 + 0.1 * rng.standard_normal(len(borders)), 0.75, 1.3)
    starts = []
    at = 0.0
    while at < samples:
        starts.append(at)
        pitch_hz = float(np.interp(at, borders, targets_hz)) * (1 - 0.1 * at / samples)
        at += rate_hz / pitch_hz * (1 + 0.02 * rng.standard_normal())
    return np.array(starts)


def _formants(pulses_at: _Curve, borders: _Curve, rng: np.random.Generator) -> _Curve:
    """Gives the formants in Hz at each pulse, shape [pulses, 3]; odd syllables have the close vowel."""
    vowels = [
        _CLOSE_VOWEL_HZ if number % 2 else _OPEN_VOWELS_HZ[rng.integers(len(_OPEN_VOWELS_HZ))]
        for number in range(len(borders))
    ]
    return np.stack([np.interp(pulses_at, borders, [vowel[n] for vowel in vowels]) for n in range(3)], axis=1)


def _rings(formants_hz: _Curve, rate_hz: int) -> _Curve:
    """Gives the sound of each pulse, shape [pulses, ring]: its formants as decaying sines."""
    steps = np.exp((2j * np.pi * formants_hz - np.pi * _WIDTHS_HZ) / rate_hz)
    length = int(_RING_S * rate_hz)
    turning = np.cumprod(np.broadcast_to(steps[:, :, None], (*steps.shape, length)), axis=2)
    gains = _GAINS / (1 + formants_hz / _TILT_HZ)
    return np.asarray((turning.imag * gains[:, :, None]).sum(axis=1))


def _loudness(pulses_at: _Curve, borders: _Curve) -> _Curve:
    """Swells within each syllable and never falls below a quarter: one run of speech, no pause."""
    place = np.interp(pulses_at, borders, np.arange(len(borders))) % 1
    return np.asarray(0.25 + 0.75 * np.sin(np.pi * place) ** 0.7)


def _edges(samples: int, rate_hz: int) -> _Curve:
    """Gives short ramps at both ends, so that nothing clicks."""
    ramp_samples = min(int(_EDGE_S * rate_hz), samples // 2)
    shape = np.ones(samples)
    ramp = np.linspace(_EDGE_FLOOR, 1.0, ramp_samples)
    shape[:ramp_samples] = ramp
    shape[samples - ramp_samples :] = ramp[::-1]
    return shape
