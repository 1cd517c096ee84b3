"""What synthesis answers in."""

import io

import numpy as np
import pytest
import soundfile
from local_models.audio import AudioEncoding, BadAudio, StreamDecoder, StreamEncoder, encode
from local_models.audio.values import Samples


def tone(rate_hz: int, seconds: float) -> Samples:
    count = int(rate_hz * seconds)
    envelope = np.sin(np.pi * np.arange(count) / count)
    return (0.5 * envelope * np.sin(2 * np.pi * 440 * np.arange(count) / rate_hz)).astype(np.float32)


def encode_in_blocks(pcm: Samples, encoding: int, rate_hz: int, source_rate_hz: int) -> list[bytes]:
    encoder = StreamEncoder(encoding, rate_hz, source_rate_hz)
    return [*(encoder.feed(pcm[at : at + 2400]) for at in range(0, len(pcm), 2400)), encoder.finish()]


@pytest.mark.parametrize("encoding", [AudioEncoding.LINEAR_PCM, AudioEncoding.UNSPECIFIED])
def test_pcm_is_little_endian_16_bit_and_clipped(encoding: AudioEncoding) -> None:
    """Riva answers raw samples without a header; what is too loud is clipped, never wrapped round."""
    pcm = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.5], dtype=np.float32)
    assert encode(pcm, 24000, encoding) == np.array([0, 32767, -32767, 32767, -32767, 16384], dtype="<i2").tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_pcm_is_resampled_to_the_rate_asked_for(rate_hz: int) -> None:
    """The length follows the rate and the tone stays where it was, however the audio was cut."""
    data = b"".join(encode_in_blocks(tone(24000, 1.0), AudioEncoding.LINEAR_PCM, rate_hz, 24000))
    samples = np.frombuffer(data, dtype="<i2") / 32768
    assert abs(len(samples) - rate_hz) <= 1
    assert np.max(np.abs(samples - tone(rate_hz, 1.0)[: len(samples)])) < 0.01


@pytest.mark.parametrize("rate_hz", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
def test_ogg_opus_chunks_concatenated_are_one_valid_file(rate_hz: int) -> None:
    """Another decoder reads the whole tone from the joined chunks; rates Opus lacks are answered at 48 kHz."""
    data = b"".join(encode_in_blocks(tone(24000, 3.0), AudioEncoding.OGGOPUS, rate_hz, 24000))
    pcm, stated_hz = soundfile.read(io.BytesIO(data), dtype="float32")
    assert stated_hz in {rate_hz, 48000}
    assert len(pcm) / stated_hz == pytest.approx(3.0, abs=0.03)
    reference = tone(stated_hz, 3.0)
    count = min(len(pcm), len(reference))
    assert np.corrcoef(pcm[:count], reference[:count])[0, 1] > 0.95


def test_ogg_opus_streams_before_the_utterance_ends() -> None:
    """Pages leave as they are full: a long utterance is not held until it is complete."""
    blocks = encode_in_blocks(tone(24000, 5.0), AudioEncoding.OGGOPUS, 24000, 24000)
    assert sum(len(block) for block in blocks[:-1]) > len(blocks[-1])


def test_two_utterances_joined_are_a_chained_file_our_own_decoder_reads() -> None:
    """Several requests of one call answered in Opus can be concatenated as they came (RFC 3533 chaining)."""
    one = encode(tone(24000, 1.0), 24000, AudioEncoding.OGGOPUS)
    two = encode(tone(24000, 2.0), 24000, AudioEncoding.OGGOPUS)
    decoder = StreamDecoder(AudioEncoding.OGGOPUS, 0)
    heard = len(decoder.feed(one + two)) + len(decoder.finish())
    assert heard / 16000 == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("encoding", [2, 3, 20, 99])
def test_other_encodings_are_refused(encoding: int) -> None:
    """The sentence names what can be had."""
    with pytest.raises(BadAudio, match="supported encodings are LINEAR_PCM, OGGOPUS"):
        StreamEncoder(encoding, 24000, 24000)


@pytest.mark.parametrize("rate_hz", [100, 7999, 48001, 96000])
def test_other_rates_are_refused(rate_hz: int) -> None:
    """The sentence names the range."""
    with pytest.raises(BadAudio, match=f"sample rate {rate_hz} Hz is not supported"):
        StreamEncoder(AudioEncoding.LINEAR_PCM, rate_hz, 24000)
