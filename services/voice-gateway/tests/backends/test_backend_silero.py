"""Silero's model on speech-like sound, silence and noise, and beside onnxruntime."""

from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped] # no type information is published for it
import pytest
from voice_gateway.backends.silero.model import QUIET_POWER, REST_CHUNKS, SileroModel, model_path
from voice_gateway.backends.silero.weights import read_weights
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


def by_onnxruntime(samples: np.ndarray) -> list[float]:
    """Probabilities of one stream, as the file's own operators give them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model_path()), options)
    state: np.ndarray = np.zeros((2, 1, 128), np.float32)
    context: np.ndarray = np.zeros(64, np.float32)
    found, quiet_chunks = list[float](), 0
    for chunk in chunks(samples):
        sound = np.frombuffer(chunk, "<i2").astype(np.float32) / 32_768
        is_quiet = np.mean(sound**2) < QUIET_POWER
        quiet_chunks = quiet_chunks + 1 if is_quiet else 0
        if quiet_chunks > REST_CHUNKS:
            found.append(0.0)
            continue
        inputs = {
            "input": np.concatenate((context, sound))[None],
            "state": state,
            "sr": np.array(16_000, np.int64),
        }
        probabilities, state = session.run(None, inputs)
        context = sound[-64:]
        found.append(0.0 if is_quiet else float(probabilities[0, 0]))
    return found


def test_the_arithmetic_is_that_of_the_file() -> None:
    """Speech, silence, noise and full scale get what onnxruntime gives them, to a hundred-thousandth."""
    noise = np.random.default_rng(2).normal(0, 3_000, 8_000).astype(np.int16)
    square = np.repeat(np.tile(np.array([-32_768, 32_767], np.int16), 100), 40)
    sound = np.concatenate((speech(900), np.zeros(6_400, np.int16), noise, square, speech(500, seed=3)))
    assert np.allclose(judge(SileroModel(), sound), by_onnxruntime(sound), atol=1e-5)


@pytest.mark.parametrize("speech_frames", range(45, 61))
def test_silence_after_speech_is_silence(speech_frames: int) -> None:
    """What ends a turn is the pause itself, not when the model has forgotten the last syllable."""
    sound = np.concatenate((speech(speech_frames * 20, seed=speech_frames * 20), np.zeros(16_000, np.int16)))
    last_chunk_of_speech = (speech_frames * 320 - 1) // CHUNK
    assert max(judge(SileroModel(), sound)[last_chunk_of_speech + 1 :]) == 0


def test_quiet_does_not_wear_the_model_out() -> None:
    """What is said behind ten seconds of a quiet line is judged as behind a quarter of a second of it."""
    word, noise = speech(CHUNK * 20 // 16), np.random.default_rng(3).normal(0, 16, 320 * CHUNK).astype(np.int16)
    short, long = (
        judge(SileroModel(), np.concatenate((word, noise[: quiet * CHUNK], word))) for quiet in (REST_CHUNKS, 320)
    )
    assert max(long[20:340]) == 0
    assert np.allclose(short[20 + REST_CHUNKS :], long[340:], atol=1e-6)
    assert max(long[340:]) > 0.9


@pytest.mark.parametrize("content", [b"\x3a\x7fcut", b"\x3b\x00", b"\x3a\x04\x2a\x02\x10", b"\x80"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Whoever packs the image wrongly reads which file is at fault, not of an index out of range."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.onnx is no ONNX model"):
        read_weights(path)
