"""What the session hears is what the client said, at the recogniser's rate and at the right position."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_gateway.domain.audio import INPUT_RATES_HZ, AudioFormat, Encoding
from voice_gateway.transports import g711
from voice_gateway.transports.audio_in import SLICE_SAMPLES, AudioIn, open_audio_in, slices

G711 = [Encoding.MULAW, Encoding.ALAW]
ALL_CODES = bytes(range(256))
MULAW_ZERO_TWICE = 0x7F
"""Mu-law has two codes for 0; the coder uses the other."""


def way_in(encoding: Encoding, rate_hz: int, asr_rate_hz: int = 16_000) -> tuple[AudioIn, list[tuple[bytes, int]]]:
    """A way in and the list of what comes out of it."""
    heard: list[tuple[bytes, int]] = []
    return open_audio_in(AudioFormat(encoding, rate_hz), asr_rate_hz, lambda *what: heard.append(what)), heard


def tone(frequency_hz: int, rate_hz: int, count: int) -> np.ndarray:
    """A sine at half scale."""
    return (16_000 * np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)).astype("<i2")


def test_g711_levels_of_the_recommendation() -> None:
    """The tables hold the recommendation's largest, smallest and zero levels, scaled to 16 bits."""
    mulaw = g711.decode(bytes([0x00, 0x80, 0xFF, 0x7F, 0xFE, 0x8F]), Encoding.MULAW)
    assert mulaw.tolist() == [-32_124, 32_124, 0, 0, 8, 16_764]
    alaw = g711.decode(bytes([0xAA, 0x2A, 0xD5, 0x55, 0xD4]), Encoding.ALAW)
    assert alaw.tolist() == [32_256, -32_256, 8, -8, 24]


@pytest.mark.parametrize("encoding", G711)
def test_g711_codes_survive_a_round_trip(encoding: Encoding) -> None:
    """Transcoding twice adds no noise: each code decodes to a level that encodes to the same code."""
    again = g711.encode(g711.decode(ALL_CODES, encoding).tobytes(), encoding)
    changed = [code for code in range(256) if again[code] != code]
    assert changed == ([MULAW_ZERO_TWICE] if encoding is Encoding.MULAW else [])


@pytest.mark.parametrize("encoding", G711)
def test_g711_error_stays_within_the_step(encoding: Encoding) -> None:
    """Every sample comes back within half a quantising step: 1/32 of it, or 8 where it is small."""
    samples = np.arange(-32_768, 32_768).astype("<i2")
    back = g711.decode(g711.encode(samples.tobytes(), encoding), encoding).astype(np.int32)
    level = np.abs(samples.astype(np.int32))
    clipped = level > 32_124
    assert np.all(np.abs(back - samples)[~clipped] <= level[~clipped] / 32 + 8)
    assert np.all(np.abs(back - samples)[clipped] <= 32_768 - 32_124)


@pytest.mark.parametrize("encoding", G711)
def test_g711_is_monotonic(encoding: Encoding) -> None:
    """A louder sample never decodes to a softer one, across every segment border."""
    samples = np.arange(-32_768, 32_768).astype("<i2")
    back = g711.decode(g711.encode(samples.tobytes(), encoding), encoding).astype(np.int32)
    assert np.all(np.diff(back) >= 0)


def test_linear_pcm_at_the_right_rate_is_the_sessions_own_method() -> None:
    """The common case costs nothing per frame: there is no code of ours between client and session."""

    def hear(_: bytes, __: int) -> None:
        """Take it."""

    opened = open_audio_in(AudioFormat(Encoding.LINEAR_PCM, 16_000), 16_000, hear)
    assert opened.feed is hear
    opened.flush()


@given(st.binary(min_size=1, max_size=400), st.integers(0, 2**40))
def test_linear_pcm_is_not_changed(data: bytes, offset: int) -> None:
    """The same bytes arrive at the same position, as the same object."""
    opened, heard = way_in(Encoding.LINEAR_PCM, 16_000)
    opened.feed(data, offset)
    assert heard == [(data, offset)]
    assert heard[0][0] is data
    assert g711.encode(data, Encoding.LINEAR_PCM) is data


@pytest.mark.parametrize("encoding", G711)
def test_g711_at_the_right_rate_is_only_decoded(encoding: Encoding) -> None:
    """A recogniser that takes 8 kHz hears telephone audio without a resampler."""
    opened, heard = way_in(encoding, 8_000, asr_rate_hz=8_000)
    opened.feed(ALL_CODES, 40)
    opened.flush()
    assert heard == [(g711.decode(ALL_CODES, encoding).tobytes(), 40)]


@pytest.mark.parametrize("rate_hz", [rate for rate in INPUT_RATES_HZ if rate != 16_000])
def test_resampled_audio_is_whole_and_in_place(rate_hz: int) -> None:
    """One second in frames of 20 ms is one second, each part follows the last, and a tone stays the same tone."""
    opened, heard = way_in(Encoding.LINEAR_PCM, rate_hz)
    samples, frame, start = tone(1_000, rate_hz, rate_hz), rate_hz // 50, 777
    for at in range(0, rate_hz, frame):
        opened.feed(samples[at : at + frame].tobytes(), start + at)
    opened.flush()
    assert sum(len(pcm) for pcm, _ in heard) == 2 * 16_000
    assert heard[0][1] == start
    for (pcm, offset), (_, following) in pairwise(heard):
        assert abs((following - offset) * 16_000 / rate_hz - len(pcm) // 2) <= 2
    loud = np.frombuffer(b"".join(pcm for pcm, _ in heard), "<i2").astype(float)[400:-400]
    turns = np.exp(-2j * np.pi * 1_000 * np.arange(400, 15_600) / 16_000)
    wave = 2 * np.mean(loud * turns) * 1j
    assert abs(wave) == pytest.approx(16_000, rel=0.001)
    assert abs(np.angle(wave)) <= 2 * np.pi * 1_000 * 2 / 16_000, "more than two samples late or early"
    assert np.max(np.abs(loud - np.imag(wave * np.conj(turns)))) < 20


@pytest.mark.parametrize("rate_hz", [24_000, 44_100, 48_000])
def test_positions_of_contiguous_audio_leave_no_gap(rate_hz: int) -> None:
    """Scaled down to the recogniser's rate, positions count the samples exactly: no gap, no overlap of one."""
    opened, heard = way_in(Encoding.LINEAR_PCM, rate_hz)
    for at in range(0, rate_hz, 441):
        opened.feed(bytes(2 * 441), at)
    passed = 0
    for pcm, offset in heard:
        assert offset * 16_000 // rate_hz == passed
        passed += len(pcm) // 2


@pytest.mark.parametrize(("rate_hz", "bound_ms"), [(8_000, 31), (24_000, 11), (48_000, 13)])
def test_resampling_delays_little(rate_hz: int, bound_ms: int) -> None:
    """The filter holds back only so much, or every turn would end later by it."""
    opened, heard = way_in(Encoding.LINEAR_PCM, rate_hz)
    frame = rate_hz // 50
    for at in range(0, rate_hz, frame):
        opened.feed(bytes(2 * frame), at)
        passed_ms = sum(len(pcm) for pcm, _ in heard) / 32
        assert (at + frame) * 1_000 / rate_hz - passed_ms <= bound_ms


def test_gap_starts_a_new_stretch() -> None:
    """What was said before a gap arrives before what was said after it, each at its own position."""
    opened, heard = way_in(Encoding.MULAW, 8_000)
    opened.feed(bytes(800), 0)
    opened.feed(bytes(800), 8_000)
    opened.flush()
    before = sum(len(pcm) for pcm, offset in heard if offset < 8_000)
    after = [(pcm, offset) for pcm, offset in heard if offset >= 8_000]
    assert before == 2 * 1_600
    assert after[0][1] == 8_000
    assert sum(len(pcm) for pcm, _ in after) == 2 * 1_600


def test_flush_twice_gives_nothing_twice() -> None:
    """Half-close after a commit does not repeat the end of the audio."""
    opened, heard = way_in(Encoding.LINEAR_PCM, 48_000)
    opened.feed(bytes(1_920), 0)
    opened.flush()
    once = list(heard)
    opened.flush()
    assert heard == once
    assert sum(len(pcm) for pcm, _ in once) == 2 * 320


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=12))
def test_split_of_the_input_does_not_matter(sizes: list[int]) -> None:
    """However a client cuts its audio into messages, the session hears the same, but for soxr's dither of one bit."""
    samples = tone(440, 24_000, sum(sizes))
    whole, heard_whole = way_in(Encoding.LINEAR_PCM, 24_000)
    whole.feed(samples.tobytes(), 0)
    whole.flush()
    parts, heard_parts = way_in(Encoding.LINEAR_PCM, 24_000)
    at = 0
    for size in sizes:
        parts.feed(samples[at : at + size].tobytes(), at)
        at += size
    parts.flush()
    one, other = (np.frombuffer(b"".join(pcm for pcm, _ in each), "<i2") for each in (heard_whole, heard_parts))
    assert len(one) == len(other)
    assert np.max(np.abs(one.astype(int) - other), initial=0) <= 2


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("samples", [0, 1, SLICE_SAMPLES - 1, SLICE_SAMPLES, SLICE_SAMPLES + 1, 100_000])
def test_a_message_is_taken_in_slices_without_a_seam(encoding: Encoding, samples: int) -> None:
    """None is longer than may be taken at once, each begins where the last one ended, and together they are all of it:
    what is heard is what is heard of the whole.
    """
    data = bytes(index * 7 % 251 for index in range(samples * encoding.sample_bytes))
    parts = list(slices(data, 700, encoding))
    assert b"".join(part for part, _ in parts) == data
    assert [offset for _, offset in parts] == list(range(700, 700 + samples, SLICE_SAMPLES))
    assert all(len(part) <= SLICE_SAMPLES * encoding.sample_bytes for part, _ in parts)
    (whole, of_whole), (sliced, of_slices) = (way_in(encoding, 8_000) for _ in range(2))
    whole.feed(data, 700)
    for part, offset in parts:
        sliced.feed(part, offset)
    for way in (whole, sliced):
        way.flush()
    heard, expected = (
        np.frombuffer(b"".join(pcm for pcm, _ in of), "<i2").astype(np.int32) for of in (of_slices, of_whole)
    )
    assert len(heard) == len(expected)
    assert np.all(np.abs(heard - expected) <= 2)  # the filter dithers
