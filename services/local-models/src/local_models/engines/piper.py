"""A Piper voice from a file: an extra for machines that have one (`pip install piper-tts`, `--piper-voice x.onnx`).

Nothing is downloaded: the voice is two files, `x.onnx` and `x.onnx.json`. Piper runs on as many threads as there are
cores and costs some 100 ms per sentence on two (measured 2026-11-21 with a medium voice), so it answers later than
hibari and sounds like whatever voice was chosen.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from local_models.audio import Samples
from local_models.engines.recognition import EngineDescription, EngineUnavailableError
from local_models.engines.synthesis import SpokenPiece, Voice, share_out, without_lead

_SENTENCE_END: Final = re.compile(r"(?<=[^\W\d][.!?…])\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - CJK has its own marks


class PiperEngine:
    """One Piper voice in the language that its configuration names."""

    def __init__(self, voice_path: Path) -> None:
        """Load the voice. Raises EngineUnavailableError when a file or the package is missing or does not load."""
        config_path = voice_path.with_name(voice_path.name + ".json")
        for path in (voice_path, config_path):
            if not path.is_file():
                raise EngineUnavailableError(f"no Piper voice: {path} is missing")
        try:
            from piper import PiperVoice  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise EngineUnavailableError("Piper is not installed; install it with: pip install piper-tts") from error
        try:
            config = json.loads(config_path.read_text(encoding="utf-8"))
            self._language = str(config["language"]["code"]).replace("_", "-")
            self.rate_hz = int(config["audio"]["sample_rate"])
            self._piper: Any = PiperVoice.load(voice_path, config_path)
        except Exception as error:
            raise EngineUnavailableError(f"the Piper voice {voice_path} cannot be loaded: {error}") from error
        self._voice_path = voice_path
        name = str(config.get("dataset") or voice_path.stem).capitalize()
        self.voices = (Voice(f"Piper.{self._language.upper()}", name, self._language),)

    def speak(self, text: str, voice: Voice) -> Iterator[SpokenPiece]:  # noqa: ARG002 - it has only the one voice
        """Read `text` out sentence by sentence; word times are shared out by letters, since voices rarely give them."""
        for sentence in _SENTENCE_END.split(text):
            blocks: list[Samples] = [chunk.audio_float_array for chunk in self._piper.synthesize(sentence)]
            if not blocks:
                continue
            samples = np.concatenate(blocks).astype(np.float32)
            untimed = without_lead(SpokenPiece(sentence, sentence, samples, ()), self.rate_hz)
            words = share_out(sentence.split(), 0.0, len(untimed.samples) * 1000 / self.rate_hz)
            yield SpokenPiece(sentence, sentence, untimed.samples, words)

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row."""
        version = importlib.metadata.version("piper-tts")
        model = f"{self._voice_path.stem} (piper-tts {version})"
        return (EngineDescription("TTS", self._language, "piper", model, str(self._voice_path)),)
