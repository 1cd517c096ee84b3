"""Riva's synthesis messages, without a socket."""

import numpy as np
import pytest
from local_models.audio import AudioEncoding, BadAudio
from local_models.engines.synthesis import SpokenPiece, SpokenWord
from local_models.riva import tts_codec as codec
from riva.client.proto import riva_tts_pb2 as pb
from tts_support import CountingEngine

ENGINE = CountingEngine()
CATALOGUE = codec.VoiceCatalogue([ENGINE])


def request(**changes: object) -> pb.SynthesizeSpeechRequest:
    fields: dict[str, object] = {"text": "hello", "language_code": "en-US", "encoding": 1, "sample_rate_hz": 8000}
    return pb.SynthesizeSpeechRequest(**(fields | changes))


@pytest.mark.parametrize(
    ("voice_name", "language_code", "found"),
    [
        ("", "en-US", "Count.EN-US.One"),
        ("", "EN-us", "Count.EN-US.One"),
        ("", "en-GB", "Count.EN-US.One"),
        ("", "de", "Count.DE-DE.Eins"),
        ("Count.EN-US.Two", "en-US", "Count.EN-US.Two"),
        ("count.en-us.two", "", "Count.EN-US.Two"),
        ("Count.EN-US", "en-US", "Count.EN-US.One"),
        ("Count.DE-DE", "de-AT", "Count.DE-DE.Eins"),
    ],
)
def test_a_voice_is_found_by_name_family_or_language(voice_name: str, language_code: str, found: str) -> None:
    """Clients name a voice in full, by its family, or not at all; an unknown region gets its language's voice."""
    assert CATALOGUE.find(voice_name, language_code)[1].name == found


def test_no_language_and_no_voice_is_the_first_voice() -> None:
    """Who names neither gets the voice that is listed first, as recognition takes its first language."""
    assert CATALOGUE.find("", "")[1].name == CATALOGUE.entries[0][1].name


def test_a_custom_configuration_is_known_to_be_in_vain() -> None:
    """Keys for a model that is not here change nothing, and the log is to say so."""
    assert codec.read_request(request(), CATALOGUE).without_effect == ()
    asked = request(custom_configuration={"exaggeration_factor": "0.7"})
    assert codec.read_request(asked, CATALOGUE).without_effect == ("custom_configuration",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"voice_name": "Nobody"}, r"voice 'Nobody' is not available; available voices: Count\.EN-US\.One"),
        ({"voice_name": "Count.DE-DE.Eins"}, r"voice 'Count\.DE-DE\.Eins' speaks de-DE, not en-US"),
        ({"language_code": "tlh"}, "language 'tlh' is not available; available languages: en-US, de-DE"),
        ({"text": ""}, "the text is empty"),
        ({"text": " \t\x00\n"}, "the text is empty"),
        ({"text": "a" * 4001}, "the text has 4001 characters; at most 4000"),
        ({"text": "<speak>hello</speak>"}, "SSML is not supported"),
        ({"custom_dictionary": "a  b"}, "custom_dictionary is not supported"),
        ({"zero_shot_data": pb.ZeroShotData(quality=1)}, "zero_shot_data is not supported"),
    ],
)
def test_a_request_that_cannot_be_answered_says_why(changes: dict[str, object], sentence: str) -> None:
    """Each mistake has its sentence, and where something else can be had the sentence names it."""
    with pytest.raises(codec.BadSpeechRequestError, match=sentence):
        codec.read_request(request(**changes), CATALOGUE)


@pytest.mark.parametrize(
    "changes", [{"encoding": 2}, {"encoding": 99}, {"sample_rate_hz": 5}, {"sample_rate_hz": 96000}]
)
def test_an_encoding_or_rate_that_cannot_be_made_is_refused_before_any_work(changes: dict[str, object]) -> None:
    """The engine must not have spoken a sentence before the client hears that it cannot be sent."""
    with pytest.raises(BadAudio, match=r"is not supported|supported encodings are"):
        codec.read_request(request(**changes), CATALOGUE)


def test_control_characters_become_spaces() -> None:
    """They have no sound, and a NUL would silently end the text inside a C library."""
    checked = codec.read_request(request(text="one\x00two\x1bthree\nfour"), CATALOGUE)
    assert checked.text == "one two three\nfour"


def test_word_times_count_from_the_requests_first_sample() -> None:
    """The words of a later sentence are offset by the audio before it, whatever rate was asked for."""
    checked = codec.read_request(request(sample_rate_hz=16000, enable_word_time_offsets=True), CATALOGUE)
    answer = codec.SpeechAnswer(checked)
    piece = SpokenPiece("a b", "A B", np.zeros(8000, np.float32), (SpokenWord("a", 0, 400), SpokenWord("b", 400, 900)))
    messages = [*answer.piece(piece), *answer.piece(piece), *answer.last()]
    words = [word for message in messages for word in message.meta.words]
    assert [(word.word, word.start_time, word.end_time) for word in words] == [
        ("a", 0, 400), ("b", 400, 900), ("a", 1000, 1400), ("b", 1400, 1900)
    ]  # fmt: skip
    assert abs(sum(len(message.audio) for message in messages) - 2 * 2 * 16000) <= 4


def test_words_are_left_out_unless_asked_for() -> None:
    """enable_word_time_offsets is off by default."""
    answer = codec.SpeechAnswer(codec.read_request(request(), CATALOGUE))
    piece = SpokenPiece("a", "A", np.zeros(8000, np.float32), (SpokenWord("a", 0, 400),))
    assert not any(message.meta.words for message in answer.piece(piece))


def test_meta_comes_no_later_than_the_audio_it_describes() -> None:
    """Even when the encoder keeps the first block to itself, as Opus does, the words are told at once."""
    checked = codec.read_request(request(encoding=4, enable_word_time_offsets=True), CATALOGUE)
    piece = SpokenPiece("a", "A", np.zeros(800, np.float32), (SpokenWord("a", 0, 100),))
    first = next(codec.SpeechAnswer(checked).piece(piece))
    assert (first.meta.text, first.meta.processed_text, first.meta.words[0].word) == ("a", "A", "a")


def test_speech_too_long_for_one_message_is_refused_with_a_way_out() -> None:
    """A client would otherwise see gRPC's own 'message larger than max' and not know what to do."""
    checked = codec.read_request(request(), CATALOGUE)
    with pytest.raises(codec.BadSpeechRequestError, match="use SynthesizeOnline"):
        codec.joined(checked, [pb.SynthesizeSpeechResponse(audio=bytes(codec.MAX_UNARY_AUDIO_BYTES + 1))])


def test_the_configuration_is_what_nvidias_client_indexes() -> None:
    """`talk.py --list-voices` reads language_code, voice_name and subvoices, and joins the last two."""
    response = codec.config_response(CATALOGUE, "")
    english, german = [dict(entry.parameters) for entry in response.model_config]
    assert english["language_code"] == "en-US"
    assert english["voice_name"] == "Count.EN-US"
    assert english["subvoices"] == "One:0,Two:1"
    assert german["subvoices"] == "Eins:0"
    for entry in (english, german):
        for subvoice in entry["subvoices"].split(","):
            name = f"{entry['voice_name']}.{subvoice.split(':')[0]}"
            assert CATALOGUE.find(name, entry["language_code"])[1].name == name


def test_the_configuration_of_one_model() -> None:
    """`model_name` narrows the list; a model nobody has is refused with the ones there are."""
    assert [e.model_name for e in codec.config_response(CATALOGUE, "count.de-de").model_config] == ["Count.DE-DE"]
    with pytest.raises(codec.BadSpeechRequestError, match=r"available models: Count\.EN-US, Count\.DE-DE"):
        codec.config_response(CATALOGUE, "x")


@pytest.mark.parametrize("encoding", [AudioEncoding.LINEAR_PCM, AudioEncoding.OGGOPUS])
def test_a_step_makes_about_a_second_of_audio(encoding: AudioEncoding) -> None:
    """A long sentence is on its way before all of it is encoded, and other requests get their turn in between."""
    checked = codec.read_request(request(text="one two three four five six seven eight", encoding=encoding), CATALOGUE)
    steps = list(codec.speech(checked))
    assert len(steps) >= 5
    assert steps[0][0].audio
