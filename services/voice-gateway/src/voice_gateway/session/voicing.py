"""Whether a voice is in a sound: vowels repeat themselves, knocks, coughs and rustling do not.

The measure is the autocorrelation at the periods that voices have, divided by the sound's energy: 1 for a tone, about 0
for white noise. Measured where Silero hears speech (2026-11-29): 216 coughs and knocks made of noise reach 0.48 or
less, 40 single words in two voices 0.93 or more; with white noise 6 dB weaker than the words 0.75, 3 dB weaker 0.55.
"""

import numpy as np

from voice_gateway.session.ports import VOICE_RATE_HZ

VOICED = 0.5
"""A sound of this measure or more is a voice."""
_HIGHEST_HZ, _LOWEST_HZ = 400, 60
"""Range of the pitch of speakers, children included."""
_LAGS = slice(VOICE_RATE_HZ // _HIGHEST_HZ, VOICE_RATE_HZ // _LOWEST_HZ + 1)


def voicing(pcm: bytes) -> float:
    """How much the sound repeats itself, at most about 1; 0 for silence.

    Args:
        pcm: s16le mono at VOICE_RATE_HZ; at least 34 ms, twice the longest period.
    """
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    samples -= samples.mean()
    spectrum = np.fft.rfft(samples, 2 * len(samples))
    repeated = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    if repeated[0] < 1.0:
        return 0.0
    share = 1.0 - np.arange(len(samples))[_LAGS] / len(samples)
    return float((repeated[_LAGS] / (repeated[0] * share)).max())
