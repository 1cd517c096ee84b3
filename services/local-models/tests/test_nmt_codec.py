"""Riva's translation messages, without a socket."""

import pytest
from local_models.riva import nmt_codec as codec
from nmt_support import ShoutingEngine
from riva.client.proto import riva_nmt_pb2 as pb

ENGINE = ShoutingEngine()


def request(**changes: object) -> pb.TranslateTextRequest:
    fields: dict[str, object] = {"texts": ["hola"], "source_language": "es-ES", "target_language": "en-GB"}
    return pb.TranslateTextRequest(**(fields | changes))


@pytest.mark.parametrize(
    ("source", "target", "model", "found"),
    [
        ("es", "en", "", "m-es-en"),
        ("es-MX", "en-US", "", "m-es-en-US"),
        ("es", "en-AU", "", "m-es-en"),
        ("ES", "EN", "m-es-en-US", "m-es-en-US"),
        ("en-US", "es-US", "", "m-en-es"),
    ],
)
def test_the_direction_is_found(source: str, target: str, model: str, found: str) -> None:
    """A region is honoured where there is a model for it; otherwise the languages decide."""
    checked = codec.read_request(request(source_language=source, target_language=target, model=model), ENGINE)
    assert checked.pair.model == found


def test_a_bound_on_the_length_is_known_to_be_in_vain() -> None:
    """Translations are as long as they are, and the log is to say so."""
    assert codec.read_request(request(), ENGINE).without_effect == ()
    assert codec.read_request(request(max_len_variation="20"), ENGINE).without_effect == ("max_len_variation",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target_language": "de"}, r"from 'es-ES' to 'de' is not available; available: es to en \(m-es-en\)"),
        ({"source_language": ""}, "from '' to 'en-GB' is not available"),
        ({"model": "megatron"}, "by model 'megatron' is not available"),
        ({"texts": []}, "0 texts were sent; 1 to 64 are translated at once"),
        ({"texts": ["a"] * 65}, "65 texts were sent"),
        ({"texts": ["a" * 10_001]}, "10001 characters; at most 10000"),
        ({"dnt_phrases": ["Riva##"]}, "dnt_phrases are not supported"),
    ],
)
def test_a_request_that_cannot_be_answered_says_why(changes: dict[str, object], sentence: str) -> None:
    """Each mistake has its sentence; an unknown direction is told with those there are."""
    with pytest.raises(codec.BadTranslationRequestError, match=sentence):
        codec.read_request(request(**changes), ENGINE)


def test_the_listing_has_one_model_per_direction() -> None:
    """Two lists per model cannot say which languages go together, so each model has one of each."""
    listed = codec.languages_response("", ENGINE).languages
    assert {name: (list(pair.src_lang), list(pair.tgt_lang)) for name, pair in listed.items()} == {
        "m-es-en": (["es"], ["en"]),
        "m-es-en-US": (["es"], ["en-US"]),
        "m-en-es": (["en"], ["es"]),
    }
    assert list(codec.languages_response("m-en-es", ENGINE).languages) == ["m-en-es"]


def test_there_is_no_speech_translation_to_list() -> None:
    """Riva's name for it is known and empty; any other unknown model is a mistake."""
    assert not codec.languages_response("s2s_model", ENGINE).languages
    with pytest.raises(codec.BadTranslationRequestError, match="available: m-es-en"):
        codec.languages_response("megatron", ENGINE)
