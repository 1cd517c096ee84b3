"""Riva's recognition messages to and from plain values. Pure.

What a request may ask, and what becomes of it:

- `encoding`, `sample_rate_hertz`: honoured (`local_models.audio`). Unset: taken from the RIFF, FLAC or Ogg header.
- `language_code`: the same primary language is enough ("en" and "en-GB" are served by "en-US"). Empty, as NVIDIA's
  scripts send it by default since 2.27: that of the model that is named, else the one served or the first of several.
- `model`: empty, or one of the names that the configuration call lists.
- `endpointing_config`: every field honoured; unset fields keep their defaults.
- `enable_word_time_offsets`: honoured, in finals.
- `enable_automatic_punctuation`: when false, lower case without punctuation, as Riva without its punctuation stage.
- `max_alternatives` above 1, `speech_contexts`, `verbatim_transcripts` unset, `custom_configuration`,
  `runtime_config`: accepted without effect, and `without_effect` names them for the log. There is one hypothesis,
  nothing is boosted, and numbers are written as the model writes them; no result becomes wrong by it.
- `profanity_filter`, `diarization_config.enable_speaker_diarization`, `enable_separate_recognition_per_channel`:
  refused when true, because the results would not be what was asked.
- `audio_channel_count`: more than 1 only where a header can say the same; its channels are averaged to one.

Transcripts end in a space, as Riva's do: NVIDIA's clients join results without putting one in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from riva.client.proto import riva_asr_pb2 as pb

from local_models.audio import AudioEncoding
from local_models.engines.recognition import SAMPLE_RATE_HZ, RecognitionEngine, TimedWord
from local_models.riva.endpointing import (
    DEFAULT_STOP_HISTORY_EOU_MS,
    DEFAULT_STOP_HISTORY_MS,
    EndpointingError,
    EndpointingPolicy,
)

OFFLINE_STOP_HISTORY_MS: Final = 640
"""Offline nobody waits for the end of an utterance, and longer ones are recognised better: 2.5 % word errors on the
reference recording against 5.9 % with 480 ms (measured 2026-11-21)."""

PUNCTUATION: Final = '.,?!;:"()[]\u2026\u201c\u201d'
FIRST_PASS_STABILITY: Final = 1.0


class BadRequestError(ValueError):
    """The client asked for something impossible; the message is a sentence for it to read. INVALID_ARGUMENT."""


class Mode(Enum):
    """The two ways to recognise; each model is listed once for each, under its own name."""

    STREAMING = "streaming"
    OFFLINE = "offline"


class HypothesisKind(Enum):
    INTERIM = "interim"
    SUSPECTED_END = "suspected end"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the utterance is thought to be, replaced each time until FINAL; word times count from the stream's start."""

    kind: HypothesisKind
    text: str
    words: tuple[TimedWord, ...]
    audio_processed_ms: int


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """A checked request."""

    engine: RecognitionEngine
    encoding: AudioEncoding
    sample_rate_hz: int
    policy: EndpointingPolicy
    mode: Mode
    interim_results: bool
    word_times: bool
    punctuation: bool
    without_effect: tuple[str, ...] = ()
    """What the request asks for in vain."""


class _Result(Protocol):
    """What streaming and offline results have in common."""

    alternatives: Any
    audio_processed: float
    channel_tag: int


def read_streaming_config(
    request: pb.StreamingRecognizeRequest, engines: Mapping[str, RecognitionEngine]
) -> StreamSettings:
    """The first message of a stream. Raises BadRequestError."""
    if request.WhichOneof("streaming_request") != "streaming_config":
        raise BadRequestError("the first message must carry streaming_config, the messages after it audio_content")
    streaming = request.streaming_config
    return _read_config(streaming.config, engines, Mode.STREAMING, interim_results=streaming.interim_results)


def read_audio(request: pb.StreamingRecognizeRequest) -> bytes:
    """Any later message of a stream. Raises BadRequestError."""
    if request.WhichOneof("streaming_request") != "audio_content":
        raise BadRequestError("after the first message every message must carry audio_content")
    return bytes(request.audio_content)


def runtime_options(request: pb.StreamingRecognizeRequest) -> tuple[str, ...]:
    """What any message of a stream asks for in vain."""
    return ("runtime_config",) if request.runtime_config else ()


def read_offline_config(request: pb.RecognizeRequest, engines: Mapping[str, RecognitionEngine]) -> StreamSettings:
    """A whole-file request. Raises BadRequestError."""
    return _read_config(request.config, engines, Mode.OFFLINE, interim_results=False)


def streaming_response(
    hypothesis: Hypothesis, settings: StreamSettings, request_id: str
) -> pb.StreamingRecognizeResponse:
    """One hypothesis as Riva sends it."""
    result = pb.StreamingRecognitionResult(is_final=hypothesis.kind is HypothesisKind.FINAL)
    if hypothesis.kind is HypothesisKind.SUSPECTED_END:
        result.stability = FIRST_PASS_STABILITY
    _fill(result, hypothesis, settings)
    response = pb.StreamingRecognizeResponse(results=[result])
    if request_id:
        response.id.value = request_id
    return response


def offline_response(
    hypotheses: Iterable[Hypothesis], settings: StreamSettings, request_id: str
) -> pb.RecognizeResponse:
    """All finals of a file, one result each."""
    response = pb.RecognizeResponse()
    for hypothesis in hypotheses:
        _fill(response.results.add(), hypothesis, settings)
    if request_id:
        response.id.value = request_id
    return response


def config_response(
    model_name: str, engines: Mapping[str, RecognitionEngine]
) -> pb.RivaSpeechRecognitionConfigResponse:
    """Every model, or the one asked for: a streaming and an offline row each. Raises BadRequestError.

    NVIDIA's listing scripts index the keys `type` and `language_code`.
    """
    response = pb.RivaSpeechRecognitionConfigResponse()
    for language_code, engine in engines.items():
        for mode in Mode:
            name = listed_name(engine, mode)
            if model_name in {"", name, engine.model_name}:
                row = response.model_config.add(model_name=name)
                row.parameters["type"] = "online" if mode is Mode.STREAMING else "offline"
                row.parameters["language_code"] = language_code
                row.parameters["sample_rate"] = str(SAMPLE_RATE_HZ)
                row.parameters["streaming"] = str(mode is Mode.STREAMING)
    if not response.model_config:
        raise BadRequestError(_unknown_model(model_name, engines))
    return response


def listed_name(engine: RecognitionEngine, mode: Mode) -> str:
    """The name of an engine's model for one mode."""
    return f"{engine.model_name}-{mode.value}"


def _read_config(
    config: pb.RecognitionConfig, engines: Mapping[str, RecognitionEngine], mode: Mode, *, interim_results: bool
) -> StreamSettings:
    _refuse_what_is_not_offered(config)
    engine = _engine_for(config.language_code, config.model, mode, engines)
    if not _is_named(config.model, engine, mode):
        raise BadRequestError(_unknown_model(config.model, engines))
    return StreamSettings(
        engine=engine,
        encoding=_encoding(config),
        sample_rate_hz=config.sample_rate_hertz,
        policy=_policy(config, mode),
        mode=mode,
        interim_results=interim_results,
        word_times=config.enable_word_time_offsets,
        punctuation=config.enable_automatic_punctuation,
        without_effect=_without_effect(config),
    )


def _without_effect(config: pb.RecognitionConfig) -> tuple[str, ...]:
    asked = {
        "max_alternatives above 1": config.max_alternatives > 1,
        "speech_contexts": any(context.phrases for context in config.speech_contexts),
        "verbatim_transcripts unset (inverse text normalisation)": not config.verbatim_transcripts,
        "custom_configuration": bool(config.custom_configuration),
    }
    return tuple(option for option, is_asked in asked.items() if is_asked)


def _refuse_what_is_not_offered(config: pb.RecognitionConfig) -> None:
    refused = {
        "profanity_filter": config.profanity_filter,
        "diarization_config.enable_speaker_diarization": config.diarization_config.enable_speaker_diarization,
        "enable_separate_recognition_per_channel": config.enable_separate_recognition_per_channel,
    }
    for field, asked in refused.items():
        if asked:
            raise BadRequestError(f"{field} is not available here; leave it unset")
    headerless = {AudioEncoding.LINEAR_PCM, AudioEncoding.MULAW, AudioEncoding.ALAW}
    if config.audio_channel_count > 1 and config.encoding in headerless:
        raise BadRequestError(f"audio_channel_count must be 1, got {config.audio_channel_count}")


def _encoding(config: pb.RecognitionConfig) -> AudioEncoding:
    try:
        return AudioEncoding(config.encoding)
    except ValueError:
        names = ", ".join(encoding.name for encoding in AudioEncoding if encoding)
        raise BadRequestError(f"encoding {config.encoding} is not available; available: {names}") from None


def _is_named(model: str, engine: RecognitionEngine, mode: Mode) -> bool:
    return model in {"", engine.model_name, listed_name(engine, mode)}


def _engine_for(
    language_code: str, model: str, mode: Mode, engines: Mapping[str, RecognitionEngine]
) -> RecognitionEngine:
    available = ", ".join(engines)
    if not language_code:
        default = next(iter(engines.values()))
        return next((engine for engine in engines.values() if _is_named(model, engine, mode)), default)
    wanted = language_code.lower()
    for served, engine in engines.items():
        if served.lower() == wanted:
            return engine
    for served, engine in engines.items():
        if _primary(served) == _primary(wanted):
            return engine
    raise BadRequestError(f"language_code {language_code!r} is not available; available: {available}")


def _primary(language_code: str) -> str:
    return language_code.lower().split("-", maxsplit=1)[0]


def _unknown_model(model: str, engines: Mapping[str, RecognitionEngine]) -> str:
    names = ", ".join(listed_name(engine, mode) for engine in engines.values() for mode in Mode)
    return f"model {model!r} is not available; available: {names}"


def _policy(config: pb.RecognitionConfig, mode: Mode) -> EndpointingPolicy:
    """Only fields that are present count; an explicit 0 is refused, not taken for unset.

    When only `stop_history` is given and the default first pass would not fit before it, the first pass moves to half.
    """
    given = {
        descriptor.name if "threshold" in descriptor.name else f"{descriptor.name}_ms": value
        for descriptor, value in config.endpointing_config.ListFields()
    }
    if mode is Mode.OFFLINE:
        given.setdefault("stop_history_ms", OFFLINE_STOP_HISTORY_MS)
    stop_history_ms = given.get("stop_history_ms", DEFAULT_STOP_HISTORY_MS)
    if 1 < stop_history_ms <= DEFAULT_STOP_HISTORY_EOU_MS:
        given.setdefault("stop_history_eou_ms", stop_history_ms // 2)
    try:
        return EndpointingPolicy(**given)
    except EndpointingError as error:
        raise BadRequestError(f"endpointing_config: {error}") from error


def _fill(result: _Result, hypothesis: Hypothesis, settings: StreamSettings) -> None:
    alternative = result.alternatives.add(transcript=present(hypothesis.text, punctuation=settings.punctuation) + " ")
    alternative.language_code.append(settings.engine.language_codes[0])
    if settings.word_times and hypothesis.kind is HypothesisKind.FINAL:
        for word in hypothesis.words:
            if text := present(word.text, punctuation=settings.punctuation):
                alternative.words.add(word=text, start_time=word.start_ms, end_time=word.end_ms)
    result.channel_tag = 1
    result.audio_processed = hypothesis.audio_processed_ms / 1000


def present(text: str, *, punctuation: bool) -> str:
    """The text as it is, or in lower case without the punctuation round its words ("3.14" and "it's" stay whole)."""
    if punctuation:
        return text
    return " ".join(bare for word in text.lower().split() if (bare := word.strip(PUNCTUATION)))
