"""What clients send, in every encoding and every split."""

import io
import struct
import wave

import numpy as np
import pytest
import soundfile
from local_models.audio import DECODED_RATE_HZ, AudioEncoding, BadAudio, Samples, StreamDecoder
from local_models.audio import compressed as compressed_module


def tone(rate_hz: int, seconds: float = 1.0, frequency_hz: float = 440.0) -> Samples:
    """A faded sine, so that no codec is asked to code a click."""
    count = int(rate_hz * seconds)
    envelope = np.sin(np.pi * np.arange(count) / count)
    return (0.5 * envelope * np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)).astype(np.float32)


def s16(pcm: Samples) -> bytes:
    return (pcm * 32767).round().astype("<i2").tobytes()


def container(pcm: Samples, rate_hz: int, kind: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate_hz, format=kind, subtype=subtype)
    return buffer.getvalue()


def decode(data: bytes, encoding: int, rate_hz: int, step_bytes: int) -> Samples:
    decoder = StreamDecoder(encoding, rate_hz)
    parts = [decoder.feed(data[at : at + step_bytes]) for at in range(0, len(data), step_bytes)]
    return np.concatenate([*parts, decoder.finish()])


def similarity(first: Samples, second: Samples) -> float:
    """Correlation of the common part."""
    count = min(len(first), len(second))
    return float(np.corrcoef(first[:count], second[:count])[0, 1])


@pytest.mark.parametrize("step_bytes", [1, 7, 3200, 10**6])
def test_pcm_at_16_khz_is_exact_however_it_is_split(step_bytes: int) -> None:
    """Odd splits between messages neither lose nor swap a byte."""
    pcm = tone(16000, 0.2)
    decoded = decode(s16(pcm), AudioEncoding.LINEAR_PCM, 16000, step_bytes)
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, np.frombuffer(s16(pcm), dtype="<i2").astype(np.float32) / 32768)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled_across_feeds(rate_hz: int) -> None:
    """The resampler keeps its state between feeds: no click at a message border, no drift in length."""
    decoded = decode(s16(tone(rate_hz)), AudioEncoding.LINEAR_PCM, rate_hz, 640)
    assert abs(len(decoded) - DECODED_RATE_HZ) <= 1
    assert np.max(np.abs(decoded - tone(16000)[: len(decoded)])) < 0.01


def test_the_resampler_holds_back_less_than_forty_milliseconds() -> None:
    """Interims and endpointing would be late by whatever the resampler keeps to itself."""
    decoder = StreamDecoder(AudioEncoding.LINEAR_PCM, 48000)
    out = sum(len(decoder.feed(s16(tone(48000, 0.02)))) for _ in range(50))
    assert out >= 16000 - 16 * 40


@pytest.mark.parametrize(("encoding", "subtype"), [(AudioEncoding.MULAW, "ULAW"), (AudioEncoding.ALAW, "ALAW")])
def test_g711_equals_libsndfile(encoding: AudioEncoding, subtype: str) -> None:
    """Every one of the 256 codes decodes to what another implementation of G.711 makes of it."""
    codes = bytes(range(256))
    reference, _ = soundfile.read(
        io.BytesIO(codes), dtype="float32", samplerate=16000, channels=1, format="RAW", subtype=subtype
    )
    assert np.array_equal(decode(codes, encoding, 16000, 13), reference)


def test_g711_without_a_rate_is_8_khz() -> None:
    """Telephony clients may leave the rate out; a second of G.711 is 8000 bytes."""
    assert abs(len(decode(bytes([0xFF]) * 8000, AudioEncoding.MULAW, 0, 160)) - 16000) <= 1


@pytest.mark.parametrize("encoding", [AudioEncoding.UNSPECIFIED, AudioEncoding.LINEAR_PCM])
@pytest.mark.parametrize("step_bytes", [1, 5, 1600])
def test_a_wav_header_gives_the_rate(encoding: AudioEncoding, step_bytes: int) -> None:
    """NVIDIA's file clients send the header as audio and state neither encoding nor rate."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(s16(tone(8000)))
    decoded = decode(buffer.getvalue(), encoding, 0, step_bytes)
    assert abs(len(decoded) - 16000) <= 1
    assert similarity(decoded, tone(16000)) > 0.999


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_every_common_wav_format_is_read(subtype: str, kind: str) -> None:
    """Recorders write more than 16-bit PCM; each is decoded to the same tone, two channels averaged."""
    pcm = tone(16000, 0.3)
    decoded = decode(container(np.stack([pcm, pcm], axis=1), 16000, kind, subtype), 0, 0, 999)
    assert similarity(decoded, pcm) > 0.998
    assert len(decoded) == len(pcm)


def test_chunks_after_the_samples_are_not_heard() -> None:
    """A LIST chunk behind the samples must not become a click."""
    pcm = tone(16000, 0.1)
    data = container(pcm, 16000, "WAV", "PCM_16") + b"LIST" + struct.pack("<I", 400) + b"\x7f" * 400
    assert len(decode(data, 0, 0, 100)) == len(pcm)


def test_a_wav_of_unknown_length_is_read_to_its_end() -> None:
    """Programs that write WAV into a pipe leave the sizes at 0xFFFFFFFF."""
    pcm = tone(16000, 0.1)
    data = bytearray(container(pcm, 16000, "WAV", "PCM_16"))
    data[40:44] = b"\xff" * 4
    assert len(decode(bytes(data), 0, 0, 100)) == len(pcm)


def test_a_wav_that_contradicts_the_request_is_refused() -> None:
    """Riva's own words, so that a client that knows Riva knows this."""
    data = container(tone(8000, 0.1), 8000, "WAV", "PCM_16")
    with pytest.raises(BadAudio, match="config format doesn't match with header format"):
        decode(data, AudioEncoding.LINEAR_PCM, 16000, 100)
    with pytest.raises(BadAudio, match="config format doesn't match with header format"):
        decode(data, AudioEncoding.MULAW, 0, 100)
    with pytest.raises(BadAudio, match="config format doesn't match with header format"):
        decode(data, AudioEncoding.FLAC, 0, 100)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
@pytest.mark.parametrize("encoding", [AudioEncoding.UNSPECIFIED, AudioEncoding.FLAC])
def test_flac_is_exact_and_incremental(encoding: AudioEncoding, rate_hz: int) -> None:
    """FLAC in small pieces gives what FLAC in one piece gives, and most of it before the end."""
    data = container(tone(rate_hz, 3.0), rate_hz, "FLAC", "PCM_16")
    whole = decode(data, encoding, rate_hz, len(data))
    decoder = StreamDecoder(encoding, rate_hz)
    early = np.concatenate([decoder.feed(data[at : at + 501]) for at in range(0, len(data), 501)])
    assert len(early) > 16000 * 2
    pieces = np.concatenate([early, decoder.finish()])
    assert abs(len(pieces) - 48000) <= 1
    assert np.allclose(pieces, whole, atol=1e-5)


def test_flac_of_unknown_length_keeps_its_last_samples() -> None:
    """Encoders that stream cannot go back to write the length; the tail shorter than a block still arrives."""
    pcm = tone(16000, 2.01)
    data = bytearray(container(pcm, 16000, "FLAC", "PCM_16"))
    data[21] &= 0xF0  # STREAMINFO's 36-bit total: the low half of byte 21 and the four bytes after it (RFC 9639, 8.2)
    data[22:26] = bytes(4)
    assert len(decode(bytes(data), 0, 0, 777)) >= len(pcm) - 1


@pytest.mark.parametrize("encoding", [AudioEncoding.UNSPECIFIED, AudioEncoding.OGGOPUS])
@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_ogg_opus_is_incremental(encoding: AudioEncoding, rate_hz: int) -> None:
    """Opus in small pieces gives what it gives in one piece, and most of it before the end."""
    data = container(tone(rate_hz, 4.0), rate_hz, "OGG", "OPUS")
    whole = decode(data, encoding, 0, len(data))
    decoder = StreamDecoder(encoding, 0)
    early = np.concatenate([decoder.feed(data[at : at + 97]) for at in range(0, len(data), 97)])
    assert len(early) > 16000 * 2
    pieces = np.concatenate([early, decoder.finish()])
    assert len(pieces) == len(whole)
    assert similarity(pieces, whole) > 0.999
    assert similarity(pieces, tone(16000, 4.0)) > 0.98


def test_chained_ogg_streams_are_heard_one_after_the_other() -> None:
    """Several utterances sent as Ogg files back to back are one recording; none is dropped."""
    data = container(tone(16000), 16000, "OGG", "OPUS")
    assert len(decode(data * 3, AudioEncoding.OGGOPUS, 0, 500)) == 3 * len(decode(data, AudioEncoding.OGGOPUS, 0, 500))


@pytest.mark.parametrize(
    ("data", "encoding", "rate_hz", "sentence"),
    [
        (b"\x00\x00\x00\x00\x00", 1, 16000, "ends inside a sample of 16-bit PCM: 1 of 2 bytes"),
        (b"\x01", 0, 16000, "ends inside a sample"),
        (container(tone(16000, 0.1), 16000, "WAV", "PCM_16")[:30], 0, 0, "ends inside its WAV header"),
        (container(tone(16000, 0.1), 16000, "WAV", "PCM_16")[:-1], 0, 0, "ends inside a sample"),
        (container(tone(16000, 2), 16000, "FLAC", "PCM_16")[:-900], 0, 0, "truncated or damaged"),
        (b"fLaC" + bytes(100), 0, 0, "cannot be decoded"),
        (container(tone(16000, 2), 16000, "OGG", "OPUS")[:-10], 0, 0, "last page is incomplete"),
        (b"OggS" + bytes(26), 0, 0, "damaged|cannot be decoded"),
        (bytes(16), 1, 0, "set sample_rate_hertz"),
        (bytes(16), 2, 16000, "does not begin as FLAC"),
        (bytes(16), 4, 16000, "does not begin as OGGOPUS"),
        (b"RIFF" + bytes(4) + b"WAVEdata" + bytes(20), 0, 0, "no complete fmt chunk"),
        (
            b"RIFF" + bytes(4) + b"WAVEJUNK\xff\xff\xff\x7f" + bytes(1 << 20),
            0,
            0,
            "no data chunk in its first megabyte",
        ),
    ],
)
def test_bad_audio_is_told_in_a_sentence(data: bytes, encoding: int, rate_hz: int, sentence: str) -> None:
    """Every way audio can be broken has its own sentence, and none of them passes as silence."""
    with pytest.raises(BadAudio, match=sentence) as caught:
        decode(data, encoding, rate_hz, 64)
    assert caught.value.reason == str(caught.value)


@pytest.mark.parametrize(("encoding", "rate_hz"), [(3, 4000), (1, 200_000), (7, 16000)])
def test_a_wrong_config_is_refused_before_any_audio(encoding: int, rate_hz: int) -> None:
    """An unknown encoding or an absurd rate fails at once, naming what is supported."""
    with pytest.raises(BadAudio, match="is not supported"):
        StreamDecoder(encoding, rate_hz)


def test_wav_headers_out_of_range_are_refused() -> None:
    """A rate, a channel count or a sample format that nobody records in means a damaged header."""
    good = container(tone(16000, 0.1), 16000, "WAV", "PCM_16")
    for at, value in ((22, 0), (22, 99), (34, 20)):
        damaged = bytearray(good)
        damaged[at : at + 2] = struct.pack("<H", value)
        with pytest.raises(BadAudio, match="is not supported"):
            decode(bytes(damaged), 0, 0, 4096)
    damaged = bytearray(good)
    damaged[24:28] = struct.pack("<I", 50)
    with pytest.raises(BadAudio, match="sample rate 50 Hz"):
        decode(bytes(damaged), 0, 0, 4096)


def test_compressed_audio_has_a_memory_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client cannot fill the memory with one endless compressed stream."""
    monkeypatch.setattr(compressed_module, "MAX_COMPRESSED_BYTES", 5000)
    with pytest.raises(BadAudio, match="in one stream"):
        decode(container(tone(16000, 3), 16000, "FLAC", "PCM_16"), 0, 0, 1000)


def test_no_audio_at_all_is_no_error() -> None:
    """A call that is half-closed before it spoke is an empty utterance."""
    assert len(StreamDecoder(AudioEncoding.LINEAR_PCM, 16000).finish()) == 0
    decoder = StreamDecoder(AudioEncoding.UNSPECIFIED, 0)
    assert len(decoder.feed(b"")) == 0
    assert len(decoder.finish()) == 0
