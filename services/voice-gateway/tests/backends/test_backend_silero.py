"""Silero's model on speech-like sound, silence and noise."""

import numpy as np
from voice_gateway.backends.silero.model import SileroModel
from voicegateway_testkit import speech

CHUNK = 512


def chunks(samples: np.ndarray) -> list[bytes]:
    """Whole chunks of 32 ms."""
    pcm = samples.astype("<i2").tobytes()
    return [pcm[start : start + 2 * CHUNK] for start in range(0, len(pcm) - 2 * CHUNK + 1, 2 * CHUNK)]


def judge(model: SileroModel, samples: np.ndarray) -> list[float]:
    """Probabilities of one stream."""
    state = model.new_state()
    return [model.probabilities([state], [chunk])[0] for chunk in chunks(samples)]


def test_speech_is_told_from_silence_and_noise() -> None:
    """Speech-like sound is speech, silence and noise are not."""
    model = SileroModel()
    noise = np.random.default_rng(1).normal(0, 500, 16_000).astype(np.int16)
    assert np.mean(np.array(judge(model, speech(1_000))) > 0.5) > 0.9
    assert max(judge(model, np.zeros(16_000, np.int16))) < 0.35
    assert np.mean(np.array(judge(model, noise)) > 0.5) < 0.1


def test_a_batch_is_as_good_as_one_by_one() -> None:
    """Streams that share a run do not hear one another, and each keeps its own state."""
    model = SileroModel()
    streams = [speech(600, seed=seed) if seed % 2 else np.zeros(9_600, np.int16) for seed in range(6)]
    alone = [judge(model, stream) for stream in streams]
    states = [model.new_state() for _ in streams]
    together = [model.probabilities(states, list(turn)) for turn in zip(*map(chunks, streams), strict=True)]
    assert np.allclose(np.array(together).T, np.array(alone), atol=1e-6)
