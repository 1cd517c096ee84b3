"""Recordings of speech with silence round it, whose ends are known, and noise to put under them."""

from functools import cache
from pathlib import Path
from typing import Final

import moonshine_voice.utils
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from local_models.engines.espeak import EspeakEngine
from local_models.engines.hibari import HibariEngine

RATE_HZ: Final = 16_000
BEFORE_MS, AFTER_MS = 500, 1_000
END_DB: Final = -30
"""Below the loudest sample: where a recording without noise is taken to end."""
Sound = npt.NDArray[np.float64]


@cache
def recording(name: str) -> tuple[Sound, int]:
    """Speech at half of full scale with silence before and after it, and the sample at which it ends."""
    speech = _person() if name == "person" else _synthesised(name)
    speech = speech / np.abs(speech).max() * 0.5
    end = int(np.flatnonzero(np.abs(speech) > 0.5 * 10 ** (END_DB / 20))[-1]) + 1
    before, after = (np.zeros(RATE_HZ * ms // 1_000) for ms in (BEFORE_MS, AFTER_MS))
    return np.concatenate([before, speech, after]), len(before) + end


def _person() -> Sound:
    """Four clauses that a person reads in a quiet room, and the room's echo of the last."""
    path = Path(str(moonshine_voice.utils.get_assets_path())) / "two_cities.wav"
    samples, rate_hz = soundfile.read(path, dtype="float64")
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ)[: round(7.75 * RATE_HZ)])


def _synthesised(name: str) -> Sound:
    voice_of, text = name.split(": ")
    engine = HibariEngine() if voice_of == "hibari" else EspeakEngine()
    voice = next((one for one in engine.voices if one.language_code.startswith("en")), engine.voices[0])
    samples = np.concatenate([piece.samples for piece in engine.speak(text, voice)])
    return np.asarray(soxr.resample(samples.astype(np.float64), engine.rate_hz, RATE_HZ))


def noisy(speech: Sound, kind: str, below_db: int) -> bytes:
    """With noise so far below the speech; s16le."""
    noise = _noise(kind, len(speech))
    loudness = np.sqrt(np.mean(speech[np.abs(speech) > 0] ** 2))
    mixed = speech + noise * loudness / np.sqrt(np.mean(noise**2)) * 10 ** (-below_db / 20)
    return bytes((np.clip(mixed, -1, 1) * 32_767).astype("<i2").tobytes())


def _noise(kind: str, count: int) -> Sound:
    white = np.random.default_rng(1).normal(size=count)
    if kind == "white":
        return white
    if kind == "pink":
        spectrum = np.fft.rfft(white)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        return np.fft.irfft(spectrum, count)
    times = np.arange(count) / RATE_HZ
    return np.sin(2 * np.pi * 100 * times) + 0.5 * np.sin(2 * np.pi * 300 * times) + 0.1 * white
