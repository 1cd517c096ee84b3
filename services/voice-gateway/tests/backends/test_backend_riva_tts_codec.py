"""Riva's synthesis messages, without a network."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from riva.client.proto import riva_audio_pb2, riva_tts_pb2
from voice_gateway.backends.riva import tts_codec
from voice_gateway.backends.riva.tts_codec import SpeechAssembler, decode_voices, encode_request
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.session.ports import SpeechChunk, VoiceSpec
from voicegateway_testkit.fakes.tts import wav_header

RATE_HZ = 24_000


def response(audio: bytes, *words: tuple[str, int, int]) -> Any:
    """A response with audio and words told as (text, start ms, end ms)."""
    timings = [riva_tts_pb2.WordTiming(word=text, start_time=start, end_time=end) for text, start, end in words]
    meta = riva_tts_pb2.SynthesizeSpeechResponseMetadata(words=timings)
    return riva_tts_pb2.SynthesizeSpeechResponse(audio=audio, meta=meta)


def voices_of(*rows: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The voices of a listing with these parameters."""
    kind = riva_tts_pb2.RivaSynthesisConfigResponse
    listing = kind(model_config=[kind.Config(model_name="m", parameters=row) for row in rows])
    return dict(decode_voices(listing))


def test_request_asks_for_pcm_at_the_rate_with_word_times() -> None:
    """The sentence, voice and language go out as asked, the rate so that the server resamples."""
    message = encode_request(VoiceSpec("en-US", "Fake.EN-US.Aria", 48_000), "Hello.")
    assert (message.text, message.language_code, message.voice_name) == ("Hello.", "en-US", "Fake.EN-US.Aria")
    assert (message.encoding, message.sample_rate_hz) == (riva_audio_pb2.LINEAR_PCM, 48_000)
    assert message.enable_word_time_offsets


def test_odd_byte_waits_for_its_other_half() -> None:
    """A message that ends inside a sample shifts no later sample by a byte, which would be noise."""
    assembler = SpeechAssembler(RATE_HZ)
    assert assembler.take(response(b"\x01")) is None
    assert assembler.take(response(b"\x02\x03\x04\x05")) == SpeechChunk(b"\x01\x02\x03\x04")
    assert assembler.take(response(b"\x06")) == SpeechChunk(b"\x05\x06")
    assert assembler.finish() is None


@example(pcm=b"RI", cuts=[])  # may begin a header, until the end tells
@given(pcm=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=10))
def test_any_cutting_gives_the_same_audio_in_whole_samples(pcm: bytes, cuts: list[int]) -> None:
    """However a server cuts its messages, the audio is the same and every chunk is whole samples."""
    assembler = SpeechAssembler(RATE_HZ)
    edges = [0, *sorted(min(cut, len(pcm)) for cut in cuts), len(pcm)]
    chunks = [assembler.take(response(pcm[start:end])) for start, end in pairwise(edges)]
    chunks.append(assembler.finish())
    told = [chunk.pcm for chunk in chunks if chunk is not None]
    assert all(part and len(part) % 2 == 0 for part in told)
    assert b"".join(told) == pcm[: len(pcm) // 2 * 2]


def test_words_come_with_the_next_audio_in_samples() -> None:
    """Word times in ms become samples; words told before any audio wait for it, later ones come at the end."""
    assembler = SpeechAssembler(RATE_HZ)
    assert assembler.take(response(b"", ("One", 0, 250))) is None
    assert assembler.take(response(b"\x00\x00", ("two", 250, 501))) == SpeechChunk(
        b"\x00\x00", (SpokenWord("One", 0, 6_000), SpokenWord("two", 6_000, 12_024))
    )
    assert assembler.take(response(b"", ("three", 501, 600))) is None
    assert assembler.finish() == SpeechChunk(b"", (SpokenWord("three", 12_024, 14_400),))
    assert assembler.finish() is None


def test_words_told_again_are_left_out() -> None:
    """A server that repeats all words with every message makes no word sound twice."""
    assembler = SpeechAssembler(RATE_HZ)
    first = assembler.take(response(b"\x00\x00", ("One", 0, 250)))
    second = assembler.take(response(b"\x00\x00", ("One", 0, 250), ("two", 250, 500)))
    assert first is not None
    assert second is not None
    assert [word.text for word in first.words + second.words] == ["One", "two"]


def test_a_message_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message holds 450,000 empty chunks, 300,000 heads of files or as many words: so many are looked at."""
    looked_at: list[int] = []

    def length(data: bytes, at: int) -> int:
        looked_at.append(at)
        return int.from_bytes(data[at + 4 : at + 8], "little")

    monkeypatch.setattr(tts_codec, "_length", length)
    empty = b"LIST" + bytes(4)
    for audio in (
        wav_header(2, RATE_HZ) + b"\1\2" + empty * 50_000,
        wav_header(2, RATE_HZ)[:12] + empty * 50_000,
        (wav_header(2, RATE_HZ) + b"\1\2") * 10_000,
        (wav_header(2, RATE_HZ)[:12] + empty * 990 + b"data" + bytes(4)) * 100,
    ):
        looked_at.clear()
        SpeechAssembler(RATE_HZ).take(response(audio))
        assert len(looked_at) <= 1_000 * 16
    assembler = SpeechAssembler(RATE_HZ)
    chunk = assembler.take(response(b"\0\0", *(("a", at, at + 1) for at in range(1_500))))
    assert chunk is not None
    assert len(chunk.words) == 1_000


def test_voices_are_named_as_requests_name_them() -> None:
    """A subvoice is asked for as `voice_name.name`; the ids behind the colon are not part of it."""
    row = {"language_code": "en-US", "voice_name": "English-US", "subvoices": "Female-1:0,Male-1:1"}
    assert voices_of(row) == {"en-US": ("English-US.Female-1", "English-US.Male-1")}


def test_multilingual_voices_go_to_their_language() -> None:
    """Magpie lists all languages and voices in one row; a voice belongs to the language its name begins with."""
    row = {
        "language_code": "en-US,es-US",
        "voice_name": "Magpie-Multilingual",
        "subvoices": "EN-US.Aria:0,EN-US.Aria.Happy:1,ES-US.Diego:2,Neutral:3",
    }
    assert voices_of(row) == {
        "en-US": (
            "Magpie-Multilingual.EN-US.Aria",
            "Magpie-Multilingual.EN-US.Aria.Happy",
            "Magpie-Multilingual.Neutral",
        ),
        "es-US": ("Magpie-Multilingual.ES-US.Diego", "Magpie-Multilingual.Neutral"),
    }


def test_rows_that_tell_less_are_taken_for_what_they_tell() -> None:
    """A missing key neither breaks the listing nor hides the others: a voice without subvoices, a language without."""
    rows = ({"language_code": "de-DE", "voice_name": "Solo"}, {"language_code": "fr-FR"}, {"voice_name": "Nobody"})
    assert voices_of(*rows) == {"de-DE": ("Solo",), "fr-FR": ()}


def test_rows_of_one_language_are_joined() -> None:
    """Two models of a language offer the voices of both, each once."""
    row = {"language_code": "en-US", "voice_name": "A", "subvoices": "x:0"}
    other = {"language_code": "en-US", "voice_name": "B", "subvoices": "x:0"}
    assert voices_of(row, other, row) == {"en-US": ("A.x", "B.x")}
