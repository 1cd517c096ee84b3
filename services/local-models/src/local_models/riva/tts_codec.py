"""Riva's synthesis messages to and from plain values. Pure: no socket, no thread, no clock."""

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from riva.client.proto import riva_tts_pb2 as pb

from local_models.audio import AudioEncoding, Samples, StreamEncoder
from local_models.engines.synthesis import SpokenPiece, SynthesisEngine, Voice

MAX_TEXT_CHARACTERS = 4_000
"""About four minutes of speech; callers send a sentence at a time, and one request must not hold the engine longer."""

MAX_UNARY_AUDIO_BYTES = 4_000_000
"""gRPC clients accept messages of 4 MiB unless told otherwise; this leaves room for the words."""

_BLOCK_MS = 200
"""Audio in one response message: NVIDIA's own server sends a few hundred ms at once."""

_PCM_BATCH_MESSAGES = 5
_OPUS_BATCH_MESSAGES = 1
"""Messages made in one go: a second of audio. Opus has a message per page, which is about a second already, and takes
33 ms to encode it (measured 2026-11-21)."""

_MAX_NAMES_IN_ERROR = 12


class BadSpeechRequestError(ValueError):
    """The client's request cannot be answered; the message says why and what can be had."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One checked request: what to say, by whom, and how it is to be sent."""

    text: str
    engine: SynthesisEngine
    voice: Voice
    encoding: int
    rate_hz: int
    wants_words: bool
    request_id: str
    without_effect: tuple[str, ...] = ()
    """What the request asks for in vain."""

    def new_encoder(self) -> StreamEncoder:
        """Raises BadAudio for an encoding or a rate that cannot be answered in."""
        return StreamEncoder(self.encoding, self.rate_hz, self.engine.rate_hz)


class VoiceCatalogue:
    """Who can speak. Engines given first win: for a language and for a voice's name."""

    def __init__(self, engines: Sequence[SynthesisEngine]) -> None:
        self.entries: list[tuple[SynthesisEngine, Voice]] = [
            (engine, voice) for engine in engines for voice in engine.voices
        ]

    def find(self, voice_name: str, language_code: str) -> tuple[SynthesisEngine, Voice]:
        """The voice asked for by full name or by family, or, with an empty name, the default of the language, or,
        with an empty language too, the first voice of all.

        Case does not matter. A language that nobody speaks exactly is given to the first voice of the same primary
        language (de-AT to de-DE). Raises BadSpeechRequestError.
        """
        if not voice_name:
            return self._of_language(language_code)
        wanted = voice_name.lower()
        for engine, voice in self.entries:
            if wanted in {voice.name.lower(), voice.family.lower()}:
                self._check_language(voice, language_code)
                return engine, voice
        names = _some([voice.name for _, voice in self._speaking(language_code)] or [v.name for _, v in self.entries])
        raise BadSpeechRequestError(f"voice {voice_name!r} is not available; available voices: {names}")

    def _of_language(self, language_code: str) -> tuple[SynthesisEngine, Voice]:
        if not language_code:
            return self.entries[0]
        wanted = language_code.lower()
        exact = [entry for entry in self.entries if entry[1].language_code.lower() == wanted]
        for entry in exact or self._speaking(language_code):
            return entry
        languages = _some(list(dict.fromkeys(voice.language_code for _, voice in self.entries)))
        raise BadSpeechRequestError(
            f"language {language_code!r} is not available; available languages: {languages} "
            "(GetRivaSynthesisConfig lists all)"
        )

    def _speaking(self, language_code: str) -> list[tuple[SynthesisEngine, Voice]]:
        return [entry for entry in self.entries if _primary(entry[1].language_code) == _primary(language_code)]

    @staticmethod
    def _check_language(voice: Voice, language_code: str) -> None:
        if language_code and _primary(language_code) != _primary(voice.language_code):
            raise BadSpeechRequestError(f"voice {voice.name!r} speaks {voice.language_code}, not {language_code}")


def _primary(language_code: str) -> str:
    return language_code.lower().replace("_", "-").split("-", maxsplit=1)[0]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES_IN_ERROR
    return ", ".join(names[:_MAX_NAMES_IN_ERROR]) + (f" and {more} more" if more > 0 else "")


def read_request(request: pb.SynthesizeSpeechRequest, catalogue: VoiceCatalogue) -> SpeechRequest:
    """Check one request. Raises BadSpeechRequestError, and BadAudio for the encoding or the rate.

    `custom_configuration` is taken without effect, as Riva takes keys that its model does not know.
    """
    text = _readable(request.text)
    if request.HasField("zero_shot_data"):
        raise BadSpeechRequestError("zero_shot_data is not supported: no engine here can imitate a voice")
    if request.custom_dictionary:
        raise BadSpeechRequestError("custom_dictionary is not supported; spell the word as it is to be read")
    engine, voice = catalogue.find(request.voice_name, request.language_code)
    checked = SpeechRequest(
        text=text,
        engine=engine,
        voice=voice,
        encoding=request.encoding,
        rate_hz=request.sample_rate_hz,
        wants_words=request.enable_word_time_offsets,
        request_id=request.id.value,
        without_effect=("custom_configuration",) if request.custom_configuration else (),
    )
    checked.new_encoder()
    return checked


def _readable(text: str) -> str:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise BadSpeechRequestError(
            f"the text has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are read in one request"
        )
    # Control characters have no sound, and a NUL would end the text early inside espeak; newlines separate sentences.
    readable = "".join(each if each == "\n" or unicodedata.category(each) != "Cc" else " " for each in text).strip()
    if not readable:
        raise BadSpeechRequestError("the text is empty")
    if readable.startswith("<speak"):
        raise BadSpeechRequestError("SSML is not supported; send plain text")
    return readable


class SpeechAnswer:
    """Turns the pieces of one request's speech into its responses.

    Every piece's `meta` (its text, what was read, its words) rides on that piece's first message, so it never comes
    after the audio it describes. Word times count from the first sample of this request's audio.
    """

    def __init__(self, request: SpeechRequest) -> None:
        self._request = request
        self._encoder = request.new_encoder()
        self._spoken_samples = 0
        self._answered = False

    def piece(self, piece: SpokenPiece) -> Iterator[pb.SynthesizeSpeechResponse]:
        """The messages of one piece, about 200 ms each."""
        meta: pb.SynthesizeSpeechResponseMetadata | None = self._meta(piece)
        self._spoken_samples += len(piece.samples)
        for block in _blocks(piece.samples, self._request.engine.rate_hz * _BLOCK_MS // 1000):
            audio = self._encoder.feed(block)
            if audio or meta is not None:
                yield self._response(audio, meta)
            meta = None

    def last(self) -> Iterator[pb.SynthesizeSpeechResponse]:
        """What the encoder still holds. A text with nothing to say gets its one answer here, without audio."""
        if not self._answered:
            yield self._response(
                b"", pb.SynthesizeSpeechResponseMetadata(text=self._request.text, processed_text=self._request.text)
            )
        elif audio := self._encoder.finish():
            yield self._response(audio, None)

    def _response(self, audio: bytes, meta: pb.SynthesizeSpeechResponseMetadata | None) -> pb.SynthesizeSpeechResponse:
        self._answered = True
        response = pb.SynthesizeSpeechResponse(audio=audio, meta=meta)
        if self._request.request_id:
            response.id.value = self._request.request_id
        return response

    def _meta(self, piece: SpokenPiece) -> pb.SynthesizeSpeechResponseMetadata:
        meta = pb.SynthesizeSpeechResponseMetadata(text=piece.text, processed_text=piece.processed_text)
        if self._request.wants_words:
            offset_ms = round(self._spoken_samples * 1000 / self._request.engine.rate_hz)
            for word in piece.words:
                meta.words.add(word=word.text, start_time=offset_ms + word.start_ms, end_time=offset_ms + word.end_ms)
        return meta


def speech(request: SpeechRequest) -> Iterator[tuple[pb.SynthesizeSpeechResponse, ...]]:
    """Everything the request is answered with, made step by step: synthesis, resampling and encoding.

    Each step blocks, so it belongs on a thread of its own. Raises what the engine raises.
    """
    answer = SpeechAnswer(request)
    at_once = _OPUS_BATCH_MESSAGES if request.encoding == AudioEncoding.OGGOPUS else _PCM_BATCH_MESSAGES
    for piece in request.engine.speak(request.text, request.voice):
        messages = answer.piece(piece)
        while batch := tuple(itertools.islice(messages, at_once)):
            yield batch
    yield tuple(answer.last())


def _blocks(samples: Samples, size: int) -> Iterator[Samples]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def joined(request: SpeechRequest, responses: Sequence[pb.SynthesizeSpeechResponse]) -> pb.SynthesizeSpeechResponse:
    """All responses of a request as one. Raises BadSpeechRequestError when a client could not receive it."""
    audio = b"".join(response.audio for response in responses)
    if len(audio) > MAX_UNARY_AUDIO_BYTES:
        raise BadSpeechRequestError(
            f"the speech is {len(audio)} bytes long, over the {MAX_UNARY_AUDIO_BYTES} of one message; "
            "use SynthesizeOnline, OGGOPUS, a lower sample rate or a shorter text"
        )
    whole = pb.SynthesizeSpeechResponse(audio=audio)
    whole.meta.text = request.text
    whole.meta.processed_text = " ".join(r.meta.processed_text for r in responses if r.meta.processed_text)
    for response in responses:
        whole.meta.words.extend(response.meta.words)
    if request.request_id:
        whole.id.value = request.request_id
    return whole


def config_response(catalogue: VoiceCatalogue, model_name: str) -> pb.RivaSynthesisConfigResponse:
    """The voices as NVIDIA's clients index them: one entry per family, `subvoices` "name:id,name:id".

    A `model_name` keeps only the entry of that name. Raises BadSpeechRequestError when there is no such entry.
    """
    families: dict[str, list[tuple[SynthesisEngine, Voice]]] = {}
    for engine, voice in catalogue.entries:
        if not model_name or model_name.lower() == voice.family.lower():
            families.setdefault(voice.family, []).append((engine, voice))
    if not families:
        raise BadSpeechRequestError(
            f"model {model_name!r} is not available; available models: "
            f"{_some(list(dict.fromkeys(voice.family for _, voice in catalogue.entries)))}"
        )
    response = pb.RivaSynthesisConfigResponse()
    for family, members in families.items():
        engine, first = members[0]
        entry = response.model_config.add(model_name=family)
        entry.parameters["language_code"] = first.language_code
        entry.parameters["voice_name"] = family
        entry.parameters["subvoices"] = ",".join(f"{voice.variant}:{n}" for n, (_, voice) in enumerate(members))
        entry.parameters["sample_rate_hz"] = str(engine.rate_hz)
        entry.parameters["encodings"] = f"{AudioEncoding.LINEAR_PCM.name},{AudioEncoding.OGGOPUS.name}"
    return response
