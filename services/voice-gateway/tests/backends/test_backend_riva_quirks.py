"""What speech servers do beside the protocol; docs/reference/speech-servers.md lists it."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2, riva_tts_pb2
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.asr_codec import ResultDecoder
from voice_gateway.backends.riva.failures import MAX_REST_MS, asked_rest_ms
from voice_gateway.backends.riva.offers import spelled
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.backends.riva.tts_codec import SpeechAssembler
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import BackendError, ClientError
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.calls import NO_TOOL_RUNNER
from voice_gateway.session.negotiation import Negotiator, SessionSettings
from voice_gateway.session.ports import RecognitionSpec, SessionRequest, VoiceSpec
from voicegateway_testkit.fakes.asr import AsrTiming, FakeAsr
from voicegateway_testkit.fakes.grpc_fake import ConfigRow
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming, wav_header
from voicegateway_testkit.faults import Refuse
from voicegateway_testkit.speech import utterance_pcm

RATE_HZ = 16_000
SESSION = SessionId("s1")
VOICE = VoiceSpec("en-US", "", RATE_HZ)
AT_ONCE = TtsTiming(first_audio_ms=0, chunk_every_ms=0)
PLENTY = 10**9


# --- languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "offered", "sent"),
    [
        ("de-DE", ["multi"], "multi"),
        ("de-DE", ["en-US", "de-DE", "multi"], "de-DE"),
        ("en-US", ["en-us"], "en-us"),
        ("en-US", ["EN_US"], "EN_US"),
        ("de-DE", ["Multi"], "Multi"),
        ("fr-FR", ["en-US"], None),
    ],
)
def test_a_language_is_asked_for_as_its_server_calls_it(wanted: str, offered: list[str], sent: str | None) -> None:
    """Case and underscores differ between servers, and a multilingual one may have a name for all of them only."""
    assert spelled(wanted, dict.fromkeys(offered, ())) == sent


@pytest.mark.parametrize("listed", ["multi", "en-us", "EN-US", "en_US"])
async def test_a_recogniser_is_asked_for_what_it_lists(listed: str) -> None:
    """A recogniser that lists `multi`, or writes its language otherwise, hears the session all the same."""
    row = ConfigRow("nemotron", {"type": "online", "language_code": listed})
    timing = AsrTiming(interim_ms=0, first_pass_ms=0, final_ms=0)
    async with FakeAsr([Utterance("hello there")], timing=timing, rows=[row]) as fake:
        client = RivaRecognizer(RivaSettings((fake.address,)))
        await client.pool.probe()
        assert client.languages() == {listed.replace("_", "-")}

        async def microphone() -> AsyncIterator[bytes]:
            yield utterance_pcm(800, 600, RATE_HZ)

        spec = RecognitionSpec("en-US", RATE_HZ, stop_history_eou_ms=240, stop_history_ms=480)
        results = [result async for result in client.recognize(SESSION, spec, microphone())]
        assert results[-1].is_final
        assert fake.streams[0].config.config.language_code == listed
        await client.pool.close()


class Offering:
    """A recogniser and a synthesiser that offer languages, and a model of a length, and nothing else."""

    def __init__(self, heard: set[str], spoken: set[str]) -> None:
        self.heard, self.spoken = heard, spoken

    prompt_tokens = 1_000

    def languages(self) -> frozenset[str]:
        """What is heard."""
        return frozenset(self.heard)

    def voices(self) -> dict[str, tuple[str, ...]]:
        """What is spoken."""
        return dict.fromkeys(self.spoken, ())


def negotiated(heard: set[str], spoken: set[str], wanted: str) -> str:
    """The language that a session gets."""
    offering: Any = Offering(heard, spoken)
    settings = SessionSettings("en-US", "", RATE_HZ, RATE_HZ, Persona("", "", "", "", ""))
    negotiator = Negotiator(
        settings, TurnPolicy(), recognizer=offering, llm=offering, synthesizer=offering, tools=NO_TOOL_RUNNER
    )
    return negotiator.start(SessionRequest("grpc_v1", RATE_HZ, language_code=wanted), SESSION).heard_language


def test_who_hears_everything_hears_what_can_be_spoken() -> None:
    """With a multilingual recogniser a session has every language of synthesis, and no other."""
    assert negotiated({"multi"}, {"en-US", "de-DE"}, "de-de") == "de-DE"
    assert negotiated({"en-us"}, {"en-US"}, "") == "en-US"
    with pytest.raises(ClientError, match="fr-FR"):
        negotiated({"multi"}, {"en-US"}, "fr-FR")


# --- headers in audio ------------------------------------------------------------------------------------------------


def responses(data: bytes, cuts: list[int]) -> list[Any]:
    """The audio in messages that end at these places."""
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[start:end] for start, end in pairwise(edges)]
    return [riva_tts_pb2.SynthesizeSpeechResponse(audio=part) for part in parts]


def assembled(messages: list[Any]) -> bytes:
    """The audio that comes out."""
    assembler = SpeechAssembler(RATE_HZ)
    chunks = [assembler.take(message) for message in messages] + [assembler.finish()]
    return b"".join(chunk.pcm for chunk in chunks if chunk)


@given(
    st.lists(st.integers(1, 60), max_size=6), st.binary(min_size=2, max_size=40).filter(lambda pcm: len(pcm) % 2 == 0)
)
def test_a_header_is_taken_out_wherever_it_is_cut(cuts: list[int], pcm: bytes) -> None:
    """A WAV header is no sound, whole or in pieces; not one sample of the audio is lost with it."""
    assert assembled(responses(wav_header(0xFFFF_FFFF - 36, RATE_HZ) + pcm, cuts)) == pcm


def test_a_header_with_more_in_it_is_taken_out() -> None:
    """Chunks before the samples, such as names of the maker, belong to the header."""
    plain = wav_header(4, RATE_HZ)
    named = plain[:36] + b"LIST" + (3).to_bytes(4, "little") + b"abc\0" + plain[36:]
    assert assembled(responses(named + b"\1\2\3\4", [])) == b"\1\2\3\4"


def chunk(name: bytes, content: bytes) -> bytes:
    """One of a RIFF file, padded."""
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


TRAILERS = (chunk(b"LIST", b"INFOISFT" + chunk(b"Lavf", b"58.76")), chunk(b"id3 ", b"abc"), chunk(b"LIST", b""))
EVEN = st.binary(max_size=40).map(lambda pcm: bytes(len(pcm) % 2) + pcm).filter(lambda pcm: b"R" not in pcm)
"""Audio; whatever is cut off behind an R waits for the rest of a header."""


@given(st.lists(st.integers(1, 60), max_size=9), EVEN, EVEN, st.lists(st.sampled_from(TRAILERS), max_size=3))
def test_what_follows_the_samples_of_a_file_is_no_sound(
    cuts: list[int], first: bytes, second: bytes, trailers: list[bytes]
) -> None:
    """Tags behind the samples are taken out wherever they are cut, and so is the header of the next file."""
    files = [wav_header(len(pcm), RATE_HZ) + pcm + b"".join(trailers) for pcm in (first, second)]
    assert assembled(responses(b"".join(files), cuts)) == first + second


@pytest.mark.parametrize("pcm", [b"\1\2\3\4", b"LIST\xff\xff\xff\x7f", b"a\xffbcdefg", b"abc\0\0\0\0\0"])
def test_a_file_that_is_longer_than_it_says_is_heard_to_its_end(pcm: bytes) -> None:
    """A server that writes the length of its first buffer, or none, streams on; what is no chunk is sound."""
    for told in (0, 4):
        header = wav_header(told, RATE_HZ)
        assert assembled(responses(header + bytes(4) + pcm + b"LIST", [len(header) + 4])) == bytes(4) + pcm + b"LIST"


def test_samples_of_an_odd_length_are_not_believed() -> None:
    """Half a sample is none: such a length is a lie, and nothing is cut at it."""
    assert assembled(responses(wav_header(3, RATE_HZ) + b"\1\2\3\4", [])) == b"\1\2\3\4"


def test_a_tag_that_is_cut_off_is_no_sound() -> None:
    """A reply that ends in the midst of a tag ends with its samples."""
    for length in range(1, 12):
        sent = wav_header(4, RATE_HZ) + b"\1\2\3\4" + chunk(b"LIST", b"INFO")[:length]
        assert assembled(responses(sent, [])) == b"\1\2\3\4"


@pytest.mark.parametrize("pcm", [b"RI", b"RIFFxxxxABCD" * 2, b"R\0" * 3, b"RIFF" + bytes(8) + b"WAVE"])
def test_audio_that_looks_a_little_like_a_header_is_audio(pcm: bytes) -> None:
    """Only a whole header is taken out."""
    assert assembled(responses(pcm, [])) == pcm


async def test_every_message_may_be_a_file() -> None:
    """A server that makes a file of each message is heard without a click in it."""
    async with FakeTts(timing=AT_ONCE, wav_headers=True) as fake:
        client = RivaSynthesizer(RivaTtsSettings(RivaSettings((fake.address,))))
        chunks = [chunk async for chunk in client.synthesize(SESSION, VOICE, "Good morning to you all.")]
        assert len(chunks) > 1
        assert b"".join(chunk.pcm for chunk in chunks) == fake.sentences[0].spoken.pcm
        await client.pool.close()


# --- finals ----------------------------------------------------------------------------------------------------------


def final(text: str, *ends_ms: int, covered_s: float = 0) -> Any:
    """A final result; words end at these times, or have none."""
    words = [
        riva_asr_pb2.WordInfo(word=word, start_time=end - 100, end_time=end)
        for word, end in zip(text.split(), ends_ms, strict=False)
    ]
    alternative = riva_asr_pb2.SpeechRecognitionAlternative(transcript=text, words=words)
    return riva_asr_pb2.StreamingRecognitionResult(alternatives=[alternative], is_final=True, audio_processed=covered_s)


def texts(*messages: list[Any]) -> list[str]:
    """The texts of finals that are told, one after the other."""
    decoder = ResultDecoder(RATE_HZ)
    said = (decoder.take(riva_asr_pb2.StreamingRecognizeResponse(results=each), PLENTY) for each in messages)
    return [result.text for results in said for result in results if result.text]


def test_two_finals_of_an_utterance_are_one() -> None:
    """A second final with punctuation, in a message of its own or the same, says nothing twice."""
    first, second = final("hello there", 500, 900), final("Hello, there.", 500, 900)
    assert texts([first], [second]) == ["hello there"]
    assert texts([first, second]) == ["hello there"]
    assert texts([final("hello there", covered_s=1.5)], [final("Hello there.", covered_s=1.5)]) == ["hello there"]


def test_a_second_final_with_more_words_adds_these() -> None:
    """What the first final lacked is not lost."""
    assert texts([final("hello there", 500, 900)], [final("Hello there my friend.", 500, 900, 1_300, 1_700)]) == [
        "hello there",
        "my friend.",
    ]


def test_the_same_words_said_again_are_two() -> None:
    """People repeat themselves: later audio is another utterance, with word times and without."""
    assert texts([final("Yes.", 500)], [final("Yes.", 1_500)]) == ["Yes.", "Yes."]
    assert texts([final("Yes.", covered_s=1)], [final("Yes.", covered_s=2)]) == ["Yes.", "Yes."]
    assert texts([final("One.", 500), final("Two.", 900)]) == ["One.", "Two."]


def test_a_word_time_beyond_the_audio_silences_nobody() -> None:
    """A server that gives one word an impossible end is heard for the rest of the call."""
    broken = final("Hello there.", 500, 2_000_000_000, covered_s=1)
    assert texts([broken], [final("Book a table.", 2_000, 2_200, 2_600, covered_s=3)]) == [
        "Hello there.",
        "Book a table.",
    ]


def test_word_times_that_start_anew_lose_no_words() -> None:
    """A server that counts the times of each utterance from its own beginning is heard, also where it repeats some."""
    first, second, third = (
        final("Good morning to you.", 500, 900, 1_300, 1_700, covered_s=2),
        final("Book a table.", 500, 700, 900, covered_s=4),
        final("For two.", 600, 1_100, covered_s=6),
    )
    again = final("For two, please.", 600, 1_100, 1_500, covered_s=6)
    assert texts([first], [second], [third], [again]) == [
        "Good morning to you.",
        "Book a table.",
        "For two.",
        "please.",
    ]


def test_an_answer_that_is_given_twice_is_heard_twice() -> None:
    """Word times that begin anew with each utterance take no answer for the one before, once enough has been said."""
    first, second = final("yes", 400, covered_s=2), final("Yes.", 400, covered_s=9)
    assert texts([first], [second], [final("Yes.", 400, covered_s=10)]) == ["yes", "Yes.", "Yes."]
    assert texts([first], [final("yes please", 400, 900, covered_s=9)]) == ["yes", "yes please"]
    assert texts([first], [final("yes", 400, covered_s=1)]) == ["yes", "yes"]
    assert texts([first], [final("Yes.", 400, covered_s=2.5)]) == ["yes"]


def test_audio_positions_that_start_anew_lose_no_words() -> None:
    """The same holds where the audio that is covered is counted anew, too."""
    first = final("Good morning to you.", 500, 900, 1_300, 1_700, covered_s=2)
    assert texts([first], [final("A table.", 500, 900, covered_s=1)]) == ["Good morning to you.", "A table."]


@pytest.mark.parametrize(
    ("heard", "text", "words", "left"),
    [
        ("你好", "你好。世界。", ["你", "好", "世", "界"], "世界。"),
        ("こんにちは", "こんにちは。元気ですか", ["こんにちは", "元気", "です", "か"], "元気ですか"),
        ("I use", "I use iPhone 16, daily.", ["I", "use", "iPhone", "16,", "daily."], "iPhone 16, daily."),
        ("one two", "1 2 three four", ["one", "two", "three", "four"], "three four"),
        ("一二", "12三四", ["一", "二", "三", "四"], "三四"),
    ],
)
def test_further_words_are_spaced_as_the_server_has_them(heard: str, text: str, words: list[str], left: str) -> None:
    """Chinese and Japanese get no spaces between words, whether or not the words are written as in the text."""
    ends = [300 * (number + 1) for number in range(len(words))]
    count = next(n for n in range(1, len(words)) if "".join(words[:n]) == heard.replace(" ", ""))
    first, second = final(" ".join(words[:count]), *ends), final(" ".join(words), *ends)
    first.alternatives[0].transcript, second.alternatives[0].transcript = heard, text
    assert texts([first], [second]) == [heard, left]


def test_responses_of_nothing_and_of_new_kinds_are_passed_over() -> None:
    """Empty responses, finals without words and fields of a later version break nothing."""
    newer = final("Hello.", 500).SerializeToString() + b"\xf8\x3f\x01"  # field 1023, a number
    result = riva_asr_pb2.StreamingRecognitionResult.FromString(newer)
    assert texts([], [riva_asr_pb2.StreamingRecognitionResult()], [final("")], [result]) == ["Hello."]


# --- full servers ----------------------------------------------------------------------------------------------------


def retry_info(delay_s: int) -> bytes:
    """What `grpc-status-details-bin` has in it."""
    detail = AnyMessage()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=delay_s)))
    return bytes(status_pb2.Status(code=8, details=[detail]).SerializeToString())


@pytest.mark.parametrize(
    ("metadata", "rest_ms"),
    [
        ([], None),
        ([("retry-after", "7")], 7_000),
        ([("grpc-retry-pushback-ms", "1500")], 1_500),
        ([("grpc-status-details-bin", retry_info(4))], 4_000),
        ([("retry-after", "86400")], MAX_REST_MS),
        ([("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], None),
        ([("grpc-retry-pushback-ms", "-1")], None),
        ([("grpc-status-details-bin", b"\xff\xff")], None),
        ([("retry-after", "2"), ("grpc-retry-pushback-ms", "3000")], 3_000),
    ],
)
def test_a_full_server_is_believed_when_it_says_how_long(metadata: list[Any], rest_ms: int | None) -> None:
    """In each of the three ways, never longer than half a minute, and nonsense is no answer."""
    assert asked_rest_ms(metadata) == rest_ms


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=(("retry-after", "20"),)),
        Refuse(grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 429"),
        Refuse(grpc.StatusCode.UNAVAILABLE, trailing=(("grpc-retry-pushback-ms", "20000"),)),
    ],
    ids=["resource exhausted", "HTTP 429", "pushback"],
)
async def test_a_full_server_rests_and_is_not_blamed(fault: Refuse) -> None:
    """It gets no more calls for a while, if there is another, and is as healthy as before."""
    async with FakeTts(timing=AT_ONCE) as full, FakeTts(timing=AT_ONCE) as other:
        client = RivaSynthesizer(RivaTtsSettings(RivaSettings((full.address, other.address))))
        await client.pool.probe()
        full.faults.always(fault)
        for number in range(5):
            async for _ in client.synthesize(SessionId(f"s{number}"), VOICE, "Good morning."):
                pass
        assert (len(full.sentences), len(other.sentences)) == (1, 5)
        assert {(each.state, each.cause) for each in client.pool.status().addresses} == {(AddressState.HEALTHY, "")}
        await other.stop()
        with pytest.raises(BackendError):
            async for _ in client.synthesize(SESSION, VOICE, "Good morning."):
                pass
        await client.pool.close()
