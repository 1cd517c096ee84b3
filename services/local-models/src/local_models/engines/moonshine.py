"""Moonshine tiny, English, from the wheel that carries its weights (`moonshine-voice==0.1.0`).

The library's own VAD is switched off (`vad_threshold` 0), so that what it is given is decoded as one piece: pauses are
the business of `local_models.riva.endpointing`. The wheel has no model for word times, so `Recognition.words` is empty.

Measured 2026-11-21 on two cores, one thread: 1 s of speech 38 ms, 5 s 159 ms, 8 s 378 ms, 13 s 547 ms. A handle
decodes one piece at a time, so there is one for each worker of the pool.
"""

import ctypes
import importlib.metadata
import os
import queue
from pathlib import Path
from typing import Any, Final

import numpy as np

from local_models.engines.pool import WORKERS
from local_models.engines.recognition import (
    SAMPLE_RATE_HZ,
    EngineDescription,
    EngineUnavailableError,
    Recognition,
    RecognitionError,
    Samples,
)

SINGLE_THREAD_VARIABLE: Final = "MOONSHINE_ORT_SINGLE_THREAD"
"""The library's only switch for its thread count. With it a decode is no slower and costs half the CPU."""

OPTIONS: Final = {"vad_threshold": "0", "return_audio_data": "false"}


class MoonshineEngine:
    """The bundled recogniser; about 0.2 s to load and 120 MB resident."""

    model_name = "moonshine-tiny-en"
    language_codes = ("en-US",)

    def __init__(self, model_dir: Path | None = None) -> None:
        """Load the weights from `model_dir`, by default the folder inside the wheel.

        Raises EngineUnavailableError when the wheel or the weights are missing or do not load.
        """
        os.environ.setdefault(SINGLE_THREAD_VARIABLE, "1")  # read by the library when it makes its sessions
        try:
            from moonshine_voice import moonshine_api, transcriber, utils  # noqa: PLC0415 - 40 MB library, optional
        except (ImportError, OSError) as error:
            raise EngineUnavailableError(
                f"Moonshine cannot be loaded: {error}; install moonshine-voice==0.1.0"
            ) from error
        self._model_dir = model_dir or Path(str(utils.get_assets_path())) / "tiny-en"
        if not (self._model_dir / "encoder_model.ort").is_file():
            raise EngineUnavailableError(f"no Moonshine weights in {self._model_dir}; install moonshine-voice==0.1.0")
        self._transcript_type: Any = moonshine_api.TranscriptC
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in WORKERS:
            self._idle.put(
                transcriber.Transcriber(str(self._model_dir), moonshine_api.ModelArch.TINY, options=dict(OPTIONS))
            )

    def recognize(self, samples: Samples) -> Recognition:
        """Transcribe one piece of speech, on the first handle that is idle.

        Raises RecognitionError when the library reports an error.
        """
        transcriber = self._idle.get()
        try:
            return Recognition(self._transcribe(transcriber, np.ascontiguousarray(samples, dtype=np.float32)))
        finally:
            self._idle.put(transcriber)

    def _transcribe(self, transcriber: Any, audio: Samples) -> str:
        """Calls the C function itself: the library's Python wrapper makes a Python object of each sample first."""
        transcript = ctypes.POINTER(self._transcript_type)()
        code = transcriber._lib.moonshine_transcribe_without_streaming(  # noqa: SLF001 - see the docstring
            transcriber._handle,  # noqa: SLF001 - see the docstring
            audio.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            audio.size,
            SAMPLE_RATE_HZ,
            0,
            ctypes.byref(transcript),
        )
        if code != 0:
            raise RecognitionError(f"Moonshine returned error {code} for {audio.size} samples")
        lines = transcriber._parse_transcript(transcript).lines  # noqa: SLF001 - see the docstring
        return " ".join(text for line in lines if (text := str(line.text).strip()))

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row: English."""
        version = importlib.metadata.version("moonshine-voice")
        source = f"moonshine-voice {version}: {self._model_dir}"
        return tuple(
            EngineDescription("ASR", code, "Moonshine", self.model_name, source) for code in self.language_codes
        )
