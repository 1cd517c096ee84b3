"""Riva's translation messages to and from plain values. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from riva.client.proto import riva_nmt_pb2 as pb

from local_models.engines.translation import LanguagePair, TranslationEngine

MAX_TEXTS = 64
"""NVIDIA's nmt.py sends 8 at a time; each is a process here."""

MAX_TEXT_CHARACTERS = 10_000

_SPEECH_MODELS = ("s2s_model", "s2t_model")
"""The names under which Riva lists speech translation (riva_nmt.proto); this server has no such model."""


class BadTranslationRequestError(ValueError):
    """The client's request cannot be answered; the message says why and what can be had."""


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """One checked request."""

    texts: tuple[str, ...]
    pair: LanguagePair
    target: str
    request_id: str
    without_effect: tuple[str, ...] = ()
    """What the request asks for in vain."""


def read_request(request: pb.TranslateTextRequest, engine: TranslationEngine) -> TranslationRequest:
    """Check one request; `max_len_variation` is taken without effect. Raises BadTranslationRequestError."""
    if not request.texts or len(request.texts) > MAX_TEXTS:
        raise BadTranslationRequestError(
            f"{len(request.texts)} texts were sent; 1 to {MAX_TEXTS} are translated at once"
        )
    longest = max(map(len, request.texts))
    if longest > MAX_TEXT_CHARACTERS:
        raise BadTranslationRequestError(
            f"a text has {longest} characters; at most {MAX_TEXT_CHARACTERS} are translated"
        )
    if request.dnt_phrases:
        raise BadTranslationRequestError("dnt_phrases are not supported by Apertium")
    pair = _find(request, engine.pairs)
    in_vain = ("max_len_variation",) if request.max_len_variation else ()
    return TranslationRequest(tuple(request.texts), pair, request.target_language, request.id.value, in_vain)


def _find(request: pb.TranslateTextRequest, pairs: Sequence[LanguagePair]) -> LanguagePair:
    """The direction asked for: regions count where there is a mode for the region, else only the languages do."""
    source, target = _primary(request.source_language), request.target_language.lower()
    candidates = [pair for pair in pairs if _primary(pair.source) == source and request.model in {"", pair.model}]
    for matches in (
        [pair for pair in candidates if pair.target.lower() == target],
        [pair for pair in candidates if pair.target == _primary(target)],
        [pair for pair in candidates if _primary(pair.target) == _primary(target)],
    ):
        if matches:
            return matches[0]
    available = ", ".join(f"{pair.source} to {pair.target} ({pair.model})" for pair in pairs)
    asked = f" by model {request.model!r}" if request.model else ""
    raise BadTranslationRequestError(
        f"translation from {request.source_language!r} to {request.target_language!r}{asked} is not available; "
        f"available: {available}"
    )


def _primary(language_code: str) -> str:
    return language_code.lower().replace("_", "-").split("-", maxsplit=1)[0]


def text_response(request: TranslationRequest, translations: Sequence[str]) -> pb.TranslateTextResponse:
    """One translation per text, in order, labelled with the language the client asked for."""
    response = pb.TranslateTextResponse()
    for text in translations:
        response.translations.add(text=text, language=request.target)
    if request.request_id:
        response.id.value = request.request_id
    return response


def languages_response(model: str, engine: TranslationEngine) -> pb.AvailableLanguageResponse:
    """One model per direction, since a model's two lists say nothing about which of them go together.

    Raises BadTranslationRequestError for a model nobody has.
    """
    response = pb.AvailableLanguageResponse()
    for pair in engine.pairs:
        if model in {"", pair.model}:
            entry = response.languages[pair.model]
            entry.src_lang.append(pair.source)
            entry.tgt_lang.append(pair.target)
    if not response.languages and model not in _SPEECH_MODELS:
        available = ", ".join(pair.model for pair in engine.pairs)
        raise BadTranslationRequestError(f"model {model!r} is not available; available: {available}")
    return response
