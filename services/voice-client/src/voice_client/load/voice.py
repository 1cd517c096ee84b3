"""Sound that a voice activity detector takes for speech, made from a seed: what a caller says who has no recordings.

Glottal pulses ring in three formants, which move between open vowels and a close one, syllable by syllable. A steady
tone, however rich, is taken for noise; it is this movement that makes speech of it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from voice_client.audio import FULL_SCALE, Samples

_Curve = npt.NDArray[np.float64]

OPEN_VOWELS_HZ: Final = ((730, 1090, 2440), (530, 1840, 2480), (660, 1720, 2410), (640, 1190, 2390))
CLOSE_VOWEL_HZ: Final = (270, 2290, 3010)
"""First three formants: averages of men's vowels, Peterson and Barney 1952, table II."""
WIDTHS_HZ: Final = np.array((90.0, 110.0, 160.0))
GAINS: Final = np.array((1.0, 0.6, 0.35))
TILT_HZ: Final = 800.0
SYLLABLE_S: Final = (0.09, 0.12)
"""Four to five syllables a second are usual; Silero doubts longer ones than these (test kit, 2026-11-21)."""
PITCH_HZ: Final = (105.0, 135.0)
RING_S: Final = 0.012
"""By then a pulse has died away."""
BREATH: Final = 0.003
PEAK: Final = 0.5
EDGE_S: Final = 0.008
EDGE_FLOOR: Final = 0.2
"""The first and the last sample are well above silence: where the speech begins and ends is beyond doubt."""


def synthetic_speech(duration_ms: int, rate_hz: int, seed: int) -> Samples:
    """`duration_ms` of speech without a pause."""
    count_samples = duration_ms * rate_hz // 1_000
    rng = np.random.default_rng(seed)
    borders = _syllables(count_samples, rate_hz, rng)
    pulses = _pulses(count_samples, rate_hz, borders, rng)
    rings = _rings(_formants_hz(pulses, borders, rng), rate_hz) * _loudness(pulses, borders)[:, None]
    sound = np.zeros(count_samples + rings.shape[1])
    for start, ring in zip(pulses.astype(int).tolist(), rings, strict=True):
        sound[start : start + len(ring)] += ring
    sound = sound[:count_samples] / np.abs(sound).max() + rng.standard_normal(count_samples) * BREATH
    sound *= _edges(count_samples, rate_hz)
    return np.asarray(sound * (PEAK * FULL_SCALE / np.abs(sound).max()), dtype=np.int16)


def _syllables(count_samples: int, rate_hz: int, rng: np.random.Generator) -> _Curve:
    """Where one ends and the next begins, in samples; the last border is past the end."""
    shortest_s, _ = SYLLABLE_S
    lengths_s = rng.uniform(*SYLLABLE_S, size=int(count_samples / rate_hz / shortest_s) + 2)
    return np.concatenate(([0.0], np.cumsum(lengths_s * rate_hz)))


def _pulses(count_samples: int, rate_hz: int, borders: _Curve, rng: np.random.Generator) -> _Curve:
    """Where each pulse begins: a pitch for each syllable, 2 % of jitter, and a voice that falls slowly."""
    pitches_hz = rng.uniform(*PITCH_HZ) * np.clip(1 + 0.1 * rng.standard_normal(len(borders)), 0.75, 1.3)
    starts, at = [], 0.0
    while at < count_samples:
        starts.append(at)
        pitch_hz = float(np.interp(at, borders, pitches_hz)) * (1 - 0.1 * at / count_samples)
        at += rate_hz / pitch_hz * (1 + 0.02 * rng.standard_normal())
    return np.array(starts)


def _formants_hz(pulses: _Curve, borders: _Curve, rng: np.random.Generator) -> _Curve:
    """Shape (pulses, 3); every other syllable has the close vowel."""
    open_vowels = rng.integers(len(OPEN_VOWELS_HZ), size=len(borders))
    vowels = [CLOSE_VOWEL_HZ if at % 2 else OPEN_VOWELS_HZ[vowel] for at, vowel in enumerate(open_vowels)]
    return np.stack([np.interp(pulses, borders, [vowel[one] for vowel in vowels]) for one in range(3)], axis=1)


def _rings(formants_hz: _Curve, rate_hz: int) -> _Curve:
    """The sound of each pulse, shape (pulses, samples): its formants as sines that die away."""
    steps = np.exp((2j * np.pi * formants_hz - np.pi * WIDTHS_HZ) / rate_hz)
    turning = np.cumprod(np.broadcast_to(steps[:, :, None], (*steps.shape, int(RING_S * rate_hz))), axis=2)
    gains = GAINS / (1 + formants_hz / TILT_HZ)
    return np.asarray((turning.imag * gains[:, :, None]).sum(axis=1))


def _loudness(pulses: _Curve, borders: _Curve) -> _Curve:
    """Swells within each syllable, and never falls below a quarter."""
    place = np.interp(pulses, borders, np.arange(len(borders))) % 1
    return np.asarray(0.25 + 0.75 * np.sin(np.pi * place) ** 0.7)


def _edges(count_samples: int, rate_hz: int) -> _Curve:
    """Short ramps, so that nothing clicks."""
    ramp_samples = min(int(EDGE_S * rate_hz), count_samples // 2)
    ramp = np.linspace(EDGE_FLOOR, 1.0, ramp_samples)
    return np.concatenate((ramp, np.ones(count_samples - 2 * ramp_samples), ramp[::-1]))
