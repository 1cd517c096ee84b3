"""English through hibari (`hibari-tts==0.2.1`): its default voice, whose weights are in the wheel.

The other voices of that package are downloaded, so they are not offered; what is offered beside `Heart` are variants of
it that a demo can use as somebody else: `Fast`, `Slow`, `Low` and `High`. Pitch is moved by resampling (which moves the
whole vocal tract, as another person would have another one) with the tempo corrected in the model.

Word times are the model's own: the ONNX graph computes a duration per phoneme without putting it out, so one more
output is declared when the graph is loaded. The wheel's version is pinned for that reason too.

Measured 2026-11-21, one thread: 0.8 s to load; 20 ms for a sentence of 2.6 s, 33 ms for 4.9 s, 116 ms for 11.9 s.
"""

import importlib.metadata
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from local_models.audio import Samples
from local_models.engines.recognition import EngineDescription, EngineUnavailableError
from local_models.engines.synthesis import SpokenPiece, SpokenWord, Voice, without_lead
from local_models.engines.written_words import time_written_words

_PACKAGE: Final = "hibari-tts"
_DURATIONS: Final = b"/Cast_32_output_0"
"""The tensor in hibari 0.2.1's graph that holds each phoneme's length in steps of `_STEP_MS`."""

_STEP_MS: Final = 25
"""Two of hibari's 12.5 ms frames (`hibari/dsp.py`); the durations' sum times two is the number of frames."""

_MAX_PHONEMES: Final = 400
"""What the model is given at once at most (`hibari/tts.py`, MAX_PHONEMES)."""

_ENDLESS_NUMBER: Final = re.compile(r"\d{37,}")
"""hibari has names for numbers up to 10 ** 36 and fails above (`hibari/g2p/numbers.py`, SCALES)."""

_CLAUSE_ENDS: Final = ",;:—"
_NOISE_SEED: Final = 0
"""The same text sounds the same each time, so that recordings and tests can be compared."""


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a variant speaks; 1.0 is the voice's own."""

    tempo: float
    pitch: float


_MANNERS: Final = {
    "Heart": _Manner(1.0, 1.0),
    "Fast": _Manner(1.25, 1.0),
    "Slow": _Manner(0.85, 1.0),
    "Low": _Manner(1.0, 0.84),
    "High": _Manner(1.0, 1.12),
}
_FAMILY: Final = "Hibari.EN-US"
_LANGUAGE: Final = "en-US"


@dataclass(frozen=True, slots=True)
class _ReadWord:
    """A word of the normalised text and the phonemes it is read with."""

    text: str
    phonemes: str


class HibariEngine:
    """hibari's `heart` and its variants; English only."""

    rate_hz = 24_000
    voices = tuple(Voice(_FAMILY, variant, _LANGUAGE) for variant in _MANNERS)

    def __init__(self) -> None:
        """Load the model and the pronunciation tables. Raises EngineUnavailableError when they are not there."""
        try:
            import onnxruntime  # type: ignore[import-untyped] # noqa: PLC0415 - no type information; loaded with hibari
            from hibari import dsp, g2p, tts  # noqa: PLC0415 - half a second and 16 MB, only when it is used
        except ImportError as error:
            raise EngineUnavailableError(
                f"hibari cannot be loaded: {error}; install it with: pip install hibari-tts==0.2.1"
            ) from error
        assets = Path(tts.ASSETS)
        self.model_path = assets / "hibari.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            graph = with_output(self.model_path.read_bytes(), _DURATIONS)
            self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineUnavailableError(f"{self.model_path} is not hibari-tts==0.2.1's model: {error}") from error
        self._vocabulary: dict[str, int] = json.loads((assets / "vocab.json").read_text(encoding="utf-8"))
        self._dsp: Any = dsp
        self._g2p: Any = g2p.G2P()
        self._normalize: Any = g2p.normalize
        self._split_sentences: Any = tts.Hibari.split_sentences

    def speak(self, text: str, voice: Voice) -> Iterator[SpokenPiece]:
        """Read `text` out sentence by sentence (a very long sentence in several pieces)."""
        manner = _MANNERS[voice.variant]
        for sentence in self._split_sentences(text):
            processed_text = self._normalize(_ENDLESS_NUMBER.sub(lambda number: " ".join(number.group()), sentence))
            read = self._read(processed_text)
            if not any(each.isalpha() for word in read for each in word.phonemes):
                continue  # punctuation alone would become breath
            yield self._piece(sentence, processed_text, read, manner)

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row."""
        version = importlib.metadata.version(_PACKAGE)
        return (EngineDescription("TTS", _LANGUAGE, "hibari", f"heart ({_PACKAGE} {version})", str(self.model_path)),)

    def _read(self, text: str) -> list[_ReadWord]:
        """The words of normalised text with their phonemes: hibari's tokens joined where no space is between them."""
        read: list[_ReadWord] = []
        word = phonemes = ""
        for token in self._g2p.phonemize_tokens(self._g2p.tokenize(text)):
            word += token.text
            phonemes += token.phonemes or ""
            if token.whitespace:
                read.append(_ReadWord(word, phonemes))
                word = phonemes = ""
        if word:
            read.append(_ReadWord(word, phonemes))
        return read

    def _piece(self, sentence: str, processed_text: str, read: Sequence[_ReadWord], manner: _Manner) -> SpokenPiece:
        blocks: list[Samples] = []
        spoken: list[SpokenWord] = []
        offset_ms = 0.0
        for part in _parts(read):
            samples, words = self._synthesize(part, manner)
            spoken += [SpokenWord(w.text, round(offset_ms) + w.start_ms, round(offset_ms) + w.end_ms) for w in words]
            offset_ms += len(samples) * 1000 / self.rate_hz
            blocks.append(samples)
        timed = time_written_words(sentence.split(), spoken)
        return without_lead(SpokenPiece(sentence, processed_text, np.concatenate(blocks), timed), self.rate_hz)

    def _synthesize(self, read: Sequence[_ReadWord], manner: _Manner) -> tuple[Samples, list[SpokenWord]]:
        """One run of the model: samples at `rate_hz`, and the words with times from their start."""
        lengths, ids = [], [0]  # hibari pads both ends with symbol 0
        for index, word in enumerate(read):
            symbols = [self._vocabulary[each] for each in word.phonemes if each in self._vocabulary]
            gap = [self._vocabulary[" "]] if index + 1 < len(read) else []
            ids += symbols + gap
            lengths.append((len(symbols), len(gap)))
        feed = {"ids": np.array([[*ids, 0]], np.int64), "speed": np.array([manner.tempo / manner.pitch], np.float32)}
        *spectrum, steps = self._session.run(None, feed)
        noise = np.random.default_rng(_NOISE_SEED)
        samples: Samples = self._dsp.synth(*(part[0] for part in spectrum), noise)
        if manner.pitch != 1.0:
            samples = soxr.resample(samples, self.rate_hz * manner.pitch, self.rate_hz, quality="HQ")
        return samples, _timed(read, lengths, steps, _STEP_MS / manner.pitch)


def with_output(model: bytes, name: bytes) -> bytes:
    """An ONNX model that also puts out the tensor `name`.

    Concatenating serialised protobuf messages merges them (Protocol Buffers, "Encoding: Last One Wins"), so a
    ModelProto (graph = 7) whose GraphProto has only one more output (12) of that name (ValueInfoProto, 1) is appended.
    """
    message = name
    for field_number in (1, 12, 7):
        message = bytes([field_number << 3 | 2, len(message)]) + message  # wire type 2; all lengths below 128
    return model + message


def _parts(read: Sequence[_ReadWord]) -> Iterator[Sequence[_ReadWord]]:
    """What the model can take at once: cut after the last clause that fits, or after the last word that fits."""
    start = clause_end = size = 0
    for index, word in enumerate(read):
        if size + len(word.phonemes) > _MAX_PHONEMES and index > start:
            cut = clause_end if clause_end > start else index
            yield read[start:cut]
            start = cut
            size = sum(len(each.phonemes) + 1 for each in read[start:index])
        size += len(word.phonemes) + 1
        if word.phonemes.endswith(tuple(_CLAUSE_ENDS)):
            clause_end = index + 1
    yield read[start:]


def _timed(
    read: Sequence[_ReadWord], lengths: Sequence[tuple[int, int]], steps: NDArray[np.int64], step_ms: float
) -> list[SpokenWord]:
    """Times from the model's steps: `steps[0]` is the pad before the first word."""
    edges_ms = np.cumsum(steps) * step_ms
    words: list[SpokenWord] = []
    position = 0
    for word, (symbols, gap) in zip(read, lengths, strict=True):
        start, end = edges_ms[position], edges_ms[position + symbols]
        words.append(SpokenWord(word.text, round(float(start)), round(float(end))))
        position += symbols + gap
    return words
