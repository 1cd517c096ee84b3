"""Where the speech of a recording ends, found by its sound alone. Pure. s16le mono.

The floor of the noise is learnt from the recording itself, band by band, so that neither a hissing room nor a humming
line is taken for speech, however loud. Speech is what stands out of it in several bands for some time; a click or a
key that is pressed after the last word is too short. What the recording does not show, this does not know: noise that
begins with the speech and ends after it is speech to it.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]

HOP_MS: Final = 10
WINDOW_MS: Final = 20
BAND_EDGES_HZ: Final = tuple(np.geomspace(150, 5_000, 13))
"""Twelve bands of equal width to the ear, where speech is: below hum, above little but hiss."""
LOUDEST_BANDS: Final = 4
"""A vowel or a fricative fills some of the bands; the others would only dilute it."""
SMOOTH_FRAMES: Final = 5
"""Levels of noise in 20 ms scatter by several dB; their mean over 50 ms does not."""
SUSTAINED_FRAMES: Final = 9
"""50 ms and what the mean adds to them: the shortest syllables take 80 ms, a click or a key 30 ms."""
FLOOR_PERCENTILE: Final = 20
"""A recording with less silence than that has it in the gaps between its syllables."""
RANGE_DB: Final = 45
"""What is further below the loudest band is silence: the floor of a recording that has none of its own."""
LOUDEST_FRAMES: Final = 30
"""300 ms of speech, or a twentieth of a short recording, count as its loudness: a click is shorter."""
STANDS_OUT_DB: Final = 3.0
STANDS_OUT_OF_TOP: Final = 0.2
"""Share of how far its loudest parts stand out. Measured 2026-11-28 on nine recordings (one of a person, eight of
voices that were synthesised) with white and pink noise and hum 30, 20, 10 and 5 dB below them: the end moves by at most
150 ms, where a last consonant drowns, and in half of the cases by 10 ms. With 0.15 noise counts, at 5 dB."""
FEW_CONTRASTS_DB: Final = 6.0
"""Where nothing stands out that far in all of a recording there are no pauses, and all of it is speech."""
LONGEST_S: Final = 60
"""A longer recording is looked at in parts, from its end: each is enough to know the noise by."""
SILENT: Final = 1.0
"""Mean square of a window: less is silence, as digital recordings have it."""


def speech_end_samples(pcm: bytes, rate_hz: int) -> int:
    """One past the last sample of speech; 0 when all is silence."""
    samples = np.frombuffer(pcm, np.dtype("<i2"))
    last_sound = 0
    for end in range(len(samples), 0, -LONGEST_S * rate_hz):
        skipped = max(0, end - LONGEST_S * rate_hz)
        found = _ends(samples[skipped:end].astype(np.float64), rate_hz)
        if found.speech:
            return skipped + found.speech
        last_sound = last_sound or (found.sound and skipped + found.sound)
    return last_sound


@dataclass(frozen=True, slots=True)
class _Ends:
    """Ends within a part of a recording, in samples; 0: it has no such sound."""

    sound: int = 0
    """Whatever is not silence."""
    speech: int = 0
    """What stands out of the rest."""


def _ends(samples: Levels, rate_hz: int) -> _Ends:
    frames = _frames(samples, rate_hz)
    is_silent = np.mean(frames**2, axis=1) < SILENT
    if is_silent.all():
        return _Ends()
    powers = _band_powers(frames, rate_hz)
    smooth = _smoothed(powers)
    quietest = np.percentile(_db(smooth[~is_silent]), FLOOR_PERCENTILE, axis=0)
    floor = np.maximum(quietest, _db(smooth).max() - RANGE_DB)
    contrast = _contrast(smooth, floor)
    sound = _end_samples(int(np.flatnonzero(~is_silent)[-1]), len(samples), rate_hz)
    top = float(np.sort(contrast)[-max(1, min(LOUDEST_FRAMES, len(contrast) // 20))])
    if top < FEW_CONTRASTS_DB:
        return _Ends(sound)
    threshold = max(STANDS_OUT_DB, STANDS_OUT_OF_TOP * top)
    last = _last_sustained(contrast >= threshold)
    last = int(np.flatnonzero(_contrast(powers, floor)[: last + 1] >= threshold)[-1])
    return _Ends(sound, _end_samples(last, len(samples), rate_hz))


def _end_samples(frame: int, samples: int, rate_hz: int) -> int:
    middle_ms = frame * HOP_MS + WINDOW_MS // 2
    return min(samples, (middle_ms + HOP_MS // 2) * rate_hz // 1_000)


def _frames(samples: Levels, rate_hz: int) -> Levels:
    """Overlapping windows, shape (frames, window); the last ones are filled with silence."""
    hop, window = rate_hz * HOP_MS // 1_000, rate_hz * WINDOW_MS // 1_000
    padded = np.pad(samples, (0, window + -len(samples) % hop))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _band_powers(frames: Levels, rate_hz: int) -> Levels:
    """Shape (frames, bands)."""
    window = frames.shape[1]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)) ** 2
    bins_hz = np.fft.rfftfreq(window, 1 / rate_hz)
    bands = pairwise(BAND_EDGES_HZ)
    return np.stack([spectra[:, (bins_hz >= low) & (bins_hz < high)].mean(axis=1) for low, high in bands], axis=1)


def _smoothed(powers: Levels) -> Levels:
    around = SMOOTH_FRAMES // 2
    padded = np.pad(powers, ((around, around), (0, 0)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH_FRAMES, axis=0).mean(axis=-1))


def _db(powers: Levels) -> Levels:
    return np.asarray(10 * np.log10(powers + 1e-9))


def _contrast(powers: Levels, floor: Levels) -> Levels:
    """How far each frame stands out of the floor in its loudest bands, dB."""
    over = np.clip(_db(powers) - floor, 0, None)
    return np.asarray(np.sort(over, axis=1)[:, -LOUDEST_BANDS:].mean(axis=1))


def _last_sustained(is_loud: npt.NDArray[np.bool_]) -> int:
    """The last frame of the last long run; of the last run where none is long."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_loud, [False])).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = ends[ends - begins >= SUSTAINED_FRAMES]
    return int((long if long.size else ends)[-1]) - 1
