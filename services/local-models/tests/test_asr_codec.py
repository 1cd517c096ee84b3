"""Riva's recognition messages read and written, without a server."""

import pytest
from asr_support import ScriptedEngine, audio_message, first_message, recognition_config, settings
from local_models.audio import AudioEncoding
from local_models.engines.recognition import RecognitionEngine, TimedWord
from local_models.riva.asr_codec import (
    BadRequestError,
    Hypothesis,
    HypothesisKind,
    Mode,
    config_response,
    offline_response,
    present,
    read_audio,
    read_offline_config,
    read_streaming_config,
    streaming_response,
)
from local_models.riva.endpointing import EndpointingPolicy
from riva.client.proto import riva_asr_pb2 as pb

ENGINES: dict[str, RecognitionEngine] = {"en-US": ScriptedEngine()}


def policy(**endpointing: float) -> EndpointingPolicy:
    message = first_message(recognition_config(endpointing_config=pb.EndpointingConfig(**endpointing)))
    return read_streaming_config(message, ENGINES).policy


def refusal(**config: object) -> str:
    with pytest.raises(BadRequestError) as caught:
        read_streaming_config(first_message(recognition_config(**config)), ENGINES)
    return str(caught.value)


def test_a_config_is_read_whole() -> None:
    """What the client asked for arrives in the settings, field by field."""
    config = recognition_config(
        encoding=3, sample_rate_hertz=8000, enable_word_time_offsets=True, enable_automatic_punctuation=True
    )
    message = first_message(config, interim_results=False)
    read = read_streaming_config(message, ENGINES)
    assert (read.encoding, read.sample_rate_hz, read.mode) == (AudioEncoding.MULAW, 8000, Mode.STREAMING)
    assert (read.interim_results, read.word_times, read.punctuation) == (False, True, True)
    assert read.policy == EndpointingPolicy()
    assert read.engine is ENGINES["en-US"]


def test_endpointing_fields_are_taken_by_presence() -> None:
    """Each field that is set counts, each that is not keeps its default."""
    assert policy(start_history=200) == EndpointingPolicy(start_history_ms=200)
    assert policy(stop_history=900, stop_history_eou=300) == EndpointingPolicy(
        stop_history_ms=900, stop_history_eou_ms=300
    )
    thresholds = policy(start_threshold=0.25, stop_threshold=0.75, stop_threshold_eou=0.5)
    assert thresholds == EndpointingPolicy(start_threshold=0.25, stop_threshold=0.75, stop_threshold_eou=0.5)


def test_a_short_stop_history_alone_moves_the_first_pass_before_it() -> None:
    """A client that sets only stop_history is not refused for a default it never chose."""
    assert policy(stop_history=200) == EndpointingPolicy(stop_history_ms=200, stop_history_eou_ms=100)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"stop_history": 0}, "stop_history must be from 1 to 10000 ms, got 0"),
        ({"stop_history": 300, "stop_history_eou": 300}, "stop_history_eou (300 ms) must be less than"),
        ({"stop_history_eou": 600}, "stop_history_eou (600 ms) must be less than stop_history (480 ms)"),
        ({"start_threshold": 1.5}, "start_threshold must be above 0 and at most 1, got 1.5"),
        ({"start_history": -1}, "start_history must be from 1"),
    ],
)
def test_impossible_endpointing_is_refused_with_the_field_named(fields: dict[str, float], part: str) -> None:
    """The client reads which field of endpointing_config is wrong and why."""
    sentence = refusal(endpointing_config=pb.EndpointingConfig(**fields))
    assert sentence.startswith("endpointing_config: ")
    assert part in sentence


def test_offline_waits_longer_for_the_end_of_an_utterance() -> None:
    """Without endpointing in the request, a file is split only at pauses of 640 ms; a request's own value counts."""
    request = pb.RecognizeRequest(config=recognition_config())
    assert read_offline_config(request, ENGINES).policy.stop_history_ms == 640
    request.config.endpointing_config.stop_history = 300
    assert read_offline_config(request, ENGINES).policy.stop_history_ms == 300


@pytest.mark.parametrize("language_code", ["en-US", "EN-us", "en", "en-GB"])
def test_a_language_is_found_by_its_family(language_code: str) -> None:
    """English is English."""
    assert (
        read_streaming_config(first_message(recognition_config(language_code=language_code)), ENGINES).engine
        is ENGINES["en-US"]
    )


def test_no_language_is_the_default_one() -> None:
    """NVIDIA's scripts send an empty language since 2.27: the one served is meant, or the first of several."""
    several: dict[str, RecognitionEngine] = {"de-DE": ScriptedEngine(), **ENGINES}
    for engines in (ENGINES, several):
        settings = read_streaming_config(first_message(recognition_config(language_code="")), engines)
        assert settings.engine is next(iter(engines.values()))


def test_a_model_without_a_language_is_the_one_of_that_name() -> None:
    """Who names a model and no language means that model's, also where it is not the first."""
    other = ScriptedEngine()
    other.model_name = "scripted-de"
    request = first_message(recognition_config(language_code="", model="scripted-en-streaming"))
    assert read_streaming_config(request, {"de-DE": other, **ENGINES}).engine is ENGINES["en-US"]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ()),
        ({"max_alternatives": 1, "speech_contexts": [pb.SpeechContext(boost=4)]}, ()),
        ({"max_alternatives": 3}, ("max_alternatives above 1",)),
        ({"speech_contexts": [pb.SpeechContext(phrases=["kubelet"])]}, ("speech_contexts",)),
        ({"verbatim_transcripts": False}, ("verbatim_transcripts unset (inverse text normalisation)",)),
        ({"custom_configuration": {"target_language": "de"}}, ("custom_configuration",)),
    ],
)
def test_options_without_effect_are_named(changes: dict[str, object], options: tuple[str, ...]) -> None:
    """What is asked for in vain is known, for the log; what a request only leaves at its default is not asked for."""
    request = first_message(recognition_config(**({"verbatim_transcripts": True} | changes)))
    assert read_streaming_config(request, ENGINES).without_effect == options


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"language_code": "de-DE"}, "language_code 'de-DE' is not available; available: en-US"),
        (
            {"model": "parakeet"},
            "model 'parakeet' is not available; available: scripted-en-streaming, scripted-en-offline",
        ),
        (
            {"model": "scripted-en-offline"},
            "model 'scripted-en-offline' is not available; available: scripted-en-streaming, scripted-en-offline",
        ),
        ({"encoding": 77}, "encoding 77 is not available; available: LINEAR_PCM, FLAC, MULAW, OGGOPUS, ALAW"),
        ({"profanity_filter": True}, "profanity_filter is not available here; leave it unset"),
        ({"audio_channel_count": 2}, "audio_channel_count must be 1, got 2"),
        (
            {"enable_separate_recognition_per_channel": True},
            "enable_separate_recognition_per_channel is not available here; leave it unset",
        ),
        (
            {"diarization_config": pb.SpeakerDiarizationConfig(enable_speaker_diarization=True)},
            "diarization_config.enable_speaker_diarization is not available here; leave it unset",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(config: dict[str, object], sentence: str) -> None:
    """Nothing that would change the results is ignored in silence, and the client reads what there is instead."""
    assert refusal(**config) == sentence


def test_messages_out_of_order_are_refused() -> None:
    """Config first and once, audio after it; an empty message is neither."""
    with pytest.raises(BadRequestError, match="the first message must carry streaming_config"):
        read_streaming_config(audio_message(b"\0\0"), ENGINES)
    for message in (first_message(), pb.StreamingRecognizeRequest()):
        with pytest.raises(BadRequestError, match="after the first message every message must carry audio_content"):
            read_audio(message)


WORDS = (TimedWord("It", 10, 20), TimedWord("was,", 20, 40))
HYPOTHESIS = Hypothesis(HypothesisKind.FINAL, "It was, 3.14.", WORDS, 1504)


def test_a_final_carries_words_and_seconds() -> None:
    """Times are ms on words and seconds in audio_processed; the transcript ends in Riva's space."""
    response = streaming_response(HYPOTHESIS, settings(ENGINES["en-US"]), "call-7")
    (result,) = response.results
    assert response.id.value == "call-7"
    assert (result.is_final, result.stability, result.channel_tag) == (True, 0.0, 1)
    assert result.audio_processed == pytest.approx(1.504)
    (alternative,) = result.alternatives
    assert alternative.transcript == "It was, 3.14. "
    assert list(alternative.language_code) == ["en-US"]
    assert [(word.word, word.start_time, word.end_time) for word in alternative.words] == [
        ("It", 10, 20),
        ("was,", 20, 40),
    ]


@pytest.mark.parametrize(("kind", "stability"), [(HypothesisKind.INTERIM, 0.0), (HypothesisKind.SUSPECTED_END, 1.0)])
def test_only_the_first_pass_has_stability_one(kind: HypothesisKind, stability: float) -> None:
    """A client tells the suspected end from other interims by stability alone; neither carries words or an id."""
    response = streaming_response(Hypothesis(kind, "It", WORDS, 500), settings(ENGINES["en-US"]), "")
    (result,) = response.results
    assert (result.is_final, result.stability) == (False, stability)
    assert not result.alternatives[0].words
    assert not response.HasField("id")


def test_offline_results_join_into_readable_text() -> None:
    """NVIDIA's clients concatenate the transcripts of all results as they are."""
    response = offline_response([HYPOTHESIS, HYPOTHESIS], settings(ENGINES["en-US"], mode=Mode.OFFLINE), "f")
    assert "".join(result.alternatives[0].transcript for result in response.results) == "It was, 3.14. It was, 3.14. "
    assert response.id.value == "f"


def test_without_punctuation_words_keep_what_is_inside_them() -> None:
    """Lower case and no marks round words; decimals and apostrophes are part of the word."""
    assert present('It\'s "3.14," she said... Really?', punctuation=False) == "it's 3.14 she said really"
    assert present("It's 3.14.", punctuation=True) == "It's 3.14."


def test_every_model_is_listed_for_both_ways_to_recognise() -> None:
    """NVIDIA's listing scripts index `type` and `language_code` of every row."""
    rows = config_response("", ENGINES).model_config
    assert [(row.model_name, row.parameters["type"], row.parameters["language_code"]) for row in rows] == [
        ("scripted-en-streaming", "online", "en-US"),
        ("scripted-en-offline", "offline", "en-US"),
    ]


def test_a_listing_can_be_asked_for_one_model() -> None:
    """A name narrows the listing; an unknown one is an error that names the known."""
    assert [row.model_name for row in config_response("scripted-en-offline", ENGINES).model_config] == [
        "scripted-en-offline"
    ]
    with pytest.raises(BadRequestError, match="model 'x' is not available; available: scripted-en-streaming"):
        config_response("x", ENGINES)
