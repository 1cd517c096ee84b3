"""Riva's recognition messages, without a network."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2, riva_audio_pb2
from voice_gateway.backends.riva.asr_codec import decode_languages, decode_response, encode_audio, encode_config
from voice_gateway.domain.transcript import RecognitionResult, Word
from voice_gateway.session.ports import RecognitionSpec

RATE_HZ = 16_000
PLENTY = 10**9
"""Samples sent, where a test is not about them."""


def result(text: str, *, is_final: bool = False, **fields: Any) -> Any:
    """A result with one alternative."""
    words = fields.pop("words", ())
    alternative = riva_asr_pb2.SpeechRecognitionAlternative(transcript=text, words=words)
    return riva_asr_pb2.StreamingRecognitionResult(alternatives=[alternative], is_final=is_final, **fields)


def response(*results: Any) -> Any:
    """A response of these results."""
    return riva_asr_pb2.StreamingRecognizeResponse(results=results)


def config_rows(*rows: dict[str, str]) -> Any:
    """A listing of models with these parameters."""
    kind = riva_asr_pb2.RivaSpeechRecognitionConfigResponse
    return kind(model_config=[kind.Config(model_name="m", parameters=row) for row in rows])


def test_config_asks_for_all_the_session_needs() -> None:
    """The first message asks for PCM at the rate, interims, punctuation, word times and the policy's endpointing."""
    message = encode_config(RecognitionSpec("de-DE", 8_000, stop_history_eou_ms=200, stop_history_ms=400))
    streaming = message.streaming_config
    assert message.WhichOneof("streaming_request") == "streaming_config"
    assert streaming.interim_results
    assert streaming.config.encoding == riva_audio_pb2.LINEAR_PCM
    assert streaming.config.sample_rate_hertz == 8_000
    assert streaming.config.language_code == "de-DE"
    assert streaming.config.enable_automatic_punctuation
    assert streaming.config.enable_word_time_offsets
    endpointing = streaming.config.endpointing_config
    assert (endpointing.stop_history_eou, endpointing.stop_history) == (200, 400)
    assert not endpointing.HasField("stop_threshold")


def test_audio_messages_carry_audio_alone() -> None:
    """Every later message is audio and nothing else, as the protocol demands."""
    message = encode_audio(b"\x01\x02")
    assert message.WhichOneof("streaming_request") == "audio_content"
    assert message.audio_content == b"\x01\x02"


def test_final_carries_words_in_samples() -> None:
    """Word times in ms and covered audio in seconds become samples; a confidence that is not set becomes None."""
    words = [
        riva_asr_pb2.WordInfo(word="Hello", start_time=100, end_time=350, confidence=0.5),
        riva_asr_pb2.WordInfo(word="there.", start_time=350, end_time=801),
    ]
    message = response(result(" Hello there. ", is_final=True, audio_processed=1.28, words=words))
    assert decode_response(message, RATE_HZ, PLENTY) == (
        RecognitionResult(
            "Hello there.",
            is_final=True,
            stability=0.0,
            end_samples=20_480,
            words=(Word("Hello", 1_600, 5_600, 0.5), Word("there.", 5_600, 12_816, None)),
        ),
    )


def test_interims_of_one_response_are_one_text() -> None:
    """A stable and an unstable part are joined as they stand, as stable as the lesser of them."""
    message = response(
        result("what is ", stability=1.0, audio_processed=1.0), result("the time", stability=0.25, audio_processed=1.5)
    )
    (joined,) = decode_response(message, RATE_HZ, PLENTY)
    assert (joined.text, joined.is_final, joined.stability, joined.end_samples) == (
        "what is the time",
        False,
        0.25,
        24_000,
    )


def test_finals_stand_apart_from_interims() -> None:
    """A final before an interim, or two finals, in one response stay results of their own, in order."""
    message = response(
        result("One.", is_final=True), result("Two.", is_final=True), result("thr", stability=0.5), result("ee")
    )
    decoded = decode_response(message, RATE_HZ, PLENTY)
    assert [(item.text, item.is_final) for item in decoded] == [("One.", True), ("Two.", True), ("three", False)]


def test_suspected_end_keeps_its_stability() -> None:
    """A stability of exactly 1.0, by which Riva says that it suspects the end, arrives as exactly 1.0."""
    (decoded,) = decode_response(response(result("done", stability=1.0)), RATE_HZ, PLENTY)
    assert decoded.stability == 1.0


def test_results_without_text_are_left_out() -> None:
    """A result that has only pipeline states is no interim; an empty final still ends its segment."""
    bare = riva_asr_pb2.StreamingRecognitionResult(stability=1.0)
    empty_final = riva_asr_pb2.StreamingRecognitionResult(is_final=True)
    assert decode_response(response(bare), RATE_HZ, PLENTY) == ()
    (final,) = decode_response(response(bare, empty_final), RATE_HZ, PLENTY)
    assert (final.text, final.is_final) == ("", True)


def test_unset_position_means_all_that_was_sent() -> None:
    """A server that does not say how much audio it has processed is taken to have processed all."""
    (decoded,) = decode_response(response(result("hi")), RATE_HZ, 4_800)
    assert decoded.end_samples == 4_800


def test_no_word_lies_outside_its_result() -> None:
    """Word times before the audio, after it, or the wrong way round are set right."""
    odd = ((-200, 300), (400, 2_000_000_000), (700, 500))
    words = [riva_asr_pb2.WordInfo(word="w", start_time=start, end_time=end) for start, end in odd]
    (decoded,) = decode_response(response(result("w w w", audio_processed=1.0, words=words)), RATE_HZ, PLENTY)
    assert [(word.start_samples, word.end_samples) for word in decoded.words] == [
        (0, 4_800),
        (6_400, 16_000),
        (11_200, 11_200),
    ]


@given(audio_processed=st.floats(width=32), sent_samples=st.integers(0, 10**9))
def test_no_result_covers_more_than_was_sent(audio_processed: float, sent_samples: int) -> None:
    """Padding that a server adds never moves a result past the audio, from which a replay starts."""
    message = response(result("hi", audio_processed=audio_processed))
    (decoded,) = decode_response(message, RATE_HZ, sent_samples)
    assert 0 <= decoded.end_samples <= sent_samples


@given(st.lists(st.tuples(st.booleans(), st.text(alphabet="ab ", min_size=1, max_size=5)), max_size=8))
def test_no_text_is_lost_or_repeated(parts: list[tuple[bool, str]]) -> None:
    """Whatever the mixture of finals and interims, the words come out once and in order."""
    message = response(*(result(text, is_final=is_final) for is_final, text in parts))
    decoded = decode_response(message, RATE_HZ, PLENTY)
    squeeze = "".join(item.text for item in decoded).replace(" ", "")
    assert squeeze == "".join(text for _, text in parts).replace(" ", "")
    assert sum(item.is_final for item in decoded) == sum(is_final for is_final, _ in parts)


def test_languages_are_those_that_stream() -> None:
    """Offline models are no use here; a model of several languages counts for each."""
    listing = config_rows(
        {"type": "online", "language_code": "en-US"},
        {"type": "offline", "language_code": "fr-FR"},
        {"type": "online", "language_code": "de-DE, es-US"},
        {"language_code": "it-IT"},
        {"type": "online"},
    )
    assert set(decode_languages(listing)) == {"en-US", "de-DE", "es-US", "it-IT"}


def test_a_response_is_read_in_part() -> None:
    """A server that sends 20,000 results, or 100,000 words, in one response stops nobody: so many are looked at."""
    finals = decode_response(response(*(result("yes", is_final=True) for _ in range(17))), RATE_HZ, PLENTY)
    assert len(finals) == 16
    words = [riva_asr_pb2.WordInfo(word="a", start_time=at, end_time=at + 1) for at in range(800)]
    many = response(*(result("a", is_final=True, words=words) for _ in range(3)))
    assert [len(each.words) for each in decode_response(many, RATE_HZ, PLENTY)] == [800, 200, 0]
    (long,) = decode_response(response(result("x" * 4_001)), RATE_HZ, PLENTY)
    assert long.text == "x" * 4_000
    word = riva_asr_pb2.WordInfo(word="x" * 101)
    (final,) = decode_response(response(result("a", is_final=True, words=[word])), RATE_HZ, PLENTY)
    assert final.words[0].text == "x" * 100


@pytest.mark.parametrize(
    ("sent", "told"), [(math.nan, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (2.5, 1.0), (-1.0, 0.0), (0.5, 0.5)]
)
def test_shares_are_within_0_and_1(sent: float, told: float) -> None:
    """The contract promises [0, 1] to clients, whatever number a server sends, and if it is none."""
    (interim,) = decode_response(response(result("a", stability=sent)), RATE_HZ, PLENTY)
    assert interim.stability == told
    word = riva_asr_pb2.WordInfo(word="a", confidence=sent)
    (final,) = decode_response(response(result("a", is_final=True, words=[word])), RATE_HZ, PLENTY)
    assert final.words[0].confidence == (told or None)
