"""Whisper through faster-whisper, from a model folder on disk: an extra for machines that have the weights.

Nothing is downloaded: the folder (CTranslate2 format: `model.bin`, `config.json`, `tokenizer.json`) must exist.
"""

from pathlib import Path
from typing import Any

from local_models.engines.pool import WORKERS
from local_models.engines.recognition import (
    EngineDescription,
    EngineUnavailableError,
    Recognition,
    Samples,
    TimedWord,
)


class FasterWhisperEngine:
    """A Whisper model of any size. Gives word times of its own."""

    def __init__(self, model_dir: Path, language_code: str = "en-US") -> None:
        """Load the model on the CPU with 8-bit weights and one thread for each worker of the pool.

        Raises EngineUnavailableError when faster-whisper is not installed or `model_dir` holds no model.
        """
        if not (model_dir / "model.bin").is_file():
            raise EngineUnavailableError(f"no faster-whisper model in {model_dir}: model.bin is missing")
        try:
            from faster_whisper import WhisperModel  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise EngineUnavailableError(
                "faster-whisper is not installed; install it with: pip install faster-whisper"
            ) from error
        self._model_dir = model_dir
        self._model: Any = WhisperModel(
            str(model_dir),
            device="cpu",
            compute_type="int8",
            cpu_threads=1,
            num_workers=len(WORKERS),
            local_files_only=True,
        )
        self._language = language_code.split("-", maxsplit=1)[0].lower()
        self.model_name = f"faster-whisper-{model_dir.name}"
        self.language_codes = (language_code,)

    def recognize(self, samples: Samples) -> Recognition:
        """Transcribe one piece of speech, greedily, without Whisper's own VAD or its memory of earlier text."""
        segments, _ = self._model.transcribe(
            samples,
            language=self._language,
            beam_size=1,
            word_timestamps=True,
            vad_filter=False,
            condition_on_previous_text=False,
        )
        words = tuple(
            TimedWord(str(word.word).strip(), round(word.start * 1000), round(word.end * 1000))
            for segment in segments
            for word in segment.words or ()
        )
        return Recognition(" ".join(word.text for word in words), words)

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row: the language it was loaded for."""
        return tuple(
            EngineDescription("ASR", code, "faster-whisper", self.model_name, str(self._model_dir))
            for code in self.language_codes
        )
