"""Every language but English through espeak-ng, whose library and data are in the `espeakng-loader` wheel.

Not beautiful, but it speaks over a hundred languages in a millisecond per sentence and says when each word begins.
The library is one global state: one engine per process, and one call at a time.
"""

import ctypes
import importlib.metadata
import itertools
import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from local_models.audio import Samples
from local_models.engines.recognition import EngineDescription, EngineUnavailableError
from local_models.engines.synthesis import SpokenPiece, SpokenWord, SynthesisError, Voice, share_out, without_lead

# espeak-ng 1.52, src/include/espeak-ng/speak_lib.h
_OUTPUT_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_POSITION_CHARACTER: Final = 1
_CHARACTERS_UTF8: Final = 1
_EVENT_END_OF_LIST: Final = 0
_EVENT_WORD: Final = 1

_MIN_PIECE_CHARACTERS: Final = 120
"""Shorter sentences are read together: espeak's own pauses between them are better than ours. About 6 ms of CPU."""

_SENTENCE_END: Final = re.compile(r"(?<=[^\W\d][.!?…])\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - CJK has its own marks
"""Not after a digit: "3. Mai" is one thing in many languages."""

_WRITTEN_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")
"""Words between spaces; in Chinese and Japanese, which have none, characters."""

_VARIANTS: Final = {"Male": "", "Female": "+f2"}

_REGIONAL: Final = {
    "ar": "ar-AR", "bg": "bg-BG", "bn": "bn-IN", "ca": "ca-ES", "cmn": "zh-CN", "cs": "cs-CZ", "da": "da-DK",
    "de": "de-DE", "el": "el-GR", "es": "es-ES", "es-419": "es-US", "et": "et-EE", "fa": "fa-IR", "fi": "fi-FI",
    "fr-fr": "fr-FR", "he": "he-IL", "hi": "hi-IN", "hr": "hr-HR", "hu": "hu-HU", "id": "id-ID", "it": "it-IT",
    "ja": "ja-JP", "ko": "ko-KR", "lt": "lt-LT", "lv": "lv-LV", "nb": "nb-NO", "nl": "nl-NL", "pl": "pl-PL",
    "pt": "pt-PT", "pt-br": "pt-BR", "ro": "ro-RO", "ru": "ru-RU", "sk": "sk-SK", "sl": "sl-SI", "sv": "sv-SE",
    "th": "th-TH", "tr": "tr-TR", "uk": "uk-UA", "ur": "ur-PK", "vi": "vi-VN", "yue": "zh-HK",
}  # fmt: skip
"""espeak's codes to the ones Riva's clients use, where the two differ."""


class _VoiceRecord(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_SpeechCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class EspeakEngine:
    """espeak-ng's languages without its English, each with a male and a female voice."""

    def __init__(self) -> None:
        """Load the library and read its list of voices. Raises EngineUnavailableError."""
        try:
            import espeakng_loader  # noqa: PLC0415 - 12 MB of library and data, only when it is used

            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
            data_path = espeakng_loader.get_data_path()
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineUnavailableError(
                f"espeak-ng cannot be loaded: {error}; install it with: pip install espeakng-loader"
            ) from error
        self.rate_hz: int = self._library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, data_path.encode(), _DONT_EXIT)
        if self.rate_hz <= 0:
            raise EngineUnavailableError(
                f"espeak-ng cannot read its data in {data_path} (it takes no path over 160 characters)"
            )
        self._data_path = data_path
        self._codes = self._language_codes()
        self.voices = tuple(
            Voice(f"Espeak.{language.upper()}", variant, language) for language in self._codes for variant in _VARIANTS
        )
        self._blocks: list[Samples] = []
        self._events: list[tuple[int, int]] = []
        self._callback = _SpeechCallback(self._collect)  # kept here: espeak calls it as long as the process lives
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: Voice) -> Iterator[SpokenPiece]:
        """Read `text` out in pieces of whole sentences."""
        for piece in _pieces(text):
            self._choose(voice)
            samples = self._synthesize(piece)
            if len(samples):
                words = _timed(piece, self._events, len(samples) * 1000 / self.rate_hz)
                yield without_lead(SpokenPiece(piece, piece, samples, words), self.rate_hz)

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row for all its languages."""
        well_known = [language for language in ("de-DE", "es-ES", "fr-FR", "zh-CN") if language in self._codes]
        languages = f"{', '.join(well_known)} and {len(self._codes) - len(well_known)} more"
        version = importlib.metadata.version("espeakng-loader")
        return (
            EngineDescription("TTS", languages, "espeak-ng", f"formant (espeakng-loader {version})", self._data_path),
        )

    def _language_codes(self) -> dict[str, str]:
        """Riva's language codes to the files of espeak's voices, the well-known ones first."""
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        records = self._library.espeak_ListVoices(None)
        voices: dict[str, str] = {}
        count = 0
        while records[count]:
            # a priority byte, then the code; more pairs may follow, a language's main code is the first
            code = ctypes.string_at(records[count].contents.languages + 1).decode()
            voices.setdefault(code, records[count].contents.identifier.decode())
            count += 1
        others = [code for code in voices if code.split("-")[0] != "en" and "-latn" not in code and "-x-" not in code]
        ordered = sorted(others, key=lambda code: (code not in _REGIONAL, code))
        return {_REGIONAL.get(code, _cased(code)): voices[code] for code in ordered}

    def _choose(self, voice: Voice) -> None:
        name = self._codes[voice.language_code] + _VARIANTS[voice.variant]
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise SynthesisError(f"espeak-ng does not load its voice {name}")

    def _synthesize(self, text: str) -> Samples:
        self._blocks, self._events = [], []
        data = text.encode()
        failed = self._library.espeak_Synth(
            data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARACTERS_UTF8, None, None
        )
        if failed:
            raise SynthesisError(f"espeak-ng reports error {failed}")
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        """Espeak's callback, on the thread that called espeak_Synth; 0 tells it to go on."""
        if samples and count:
            block = np.ctypeslib.as_array(samples, (count,))
            self._blocks.append(block.astype(np.float32) / np.float32(32_768))
        index = 0
        while (event := events[index]).type != _EVENT_END_OF_LIST:
            if event.type == _EVENT_WORD:
                self._events.append((event.text_position - 1, event.audio_position))
            index += 1
        return 0


def _cased(code: str) -> str:
    """A language code as BCP 47 writes it: regions in capitals."""
    language, *subtags = code.split("-")
    return "-".join([language, *(tag.upper() if len(tag) == 2 else tag for tag in subtags)])  # noqa: PLR2004 - ISO 3166


def _pieces(text: str) -> Iterator[str]:
    """Whole sentences, joined up to `_MIN_PIECE_CHARACTERS`."""
    piece = ""
    for sentence in _SENTENCE_END.split(text):
        piece = f"{piece} {sentence}".strip()
        if len(piece) >= _MIN_PIECE_CHARACTERS:
            yield piece
            piece = ""
    if piece:
        yield piece


def _timed(text: str, events: list[tuple[int, int]], length_ms: float) -> tuple[SpokenWord, ...]:
    """Written words with the times of the first event inside each; words without one share the time before the next.

    espeak reports a position in the text and a time in ms for each word it reads ("3,5" is several of them).
    """
    spans = [(match.start(), match.end()) for match in _WRITTEN_WORD.finditer(text)]
    marks: list[tuple[int, float]] = [(0, 0.0)]
    for position, start_ms in events:
        word = next((index for index, (_, end) in enumerate(spans) if position < end), None)
        if word is not None and word > marks[-1][0]:
            marks.append((word, float(start_ms)))
    marks.append((len(spans), length_ms))
    timed: list[SpokenWord] = []
    for (word, from_ms), (next_word, to_ms) in itertools.pairwise(marks):
        timed += share_out([text[start:end] for start, end in spans[word:next_word]], from_ms, to_ms)
    return tuple(timed)
