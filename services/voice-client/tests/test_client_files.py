"""Sound files, the timeline and what is measured on it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scripted_gateway import tone
from voice_client.audio import AudioFileError, load_pcm, samples_of, save_wav
from voice_client.player import Played
from voice_client.timeline import Said, Timeline


@pytest.mark.parametrize(
    ("suffix", "rate_hz", "channels"), [("wav", 44_100, 2), ("flac", 48_000, 1), ("wav", 8_000, 1)]
)
def test_client_load_mixes_down_and_resamples(tmp_path: Path, suffix: str, rate_hz: int, channels: int) -> None:
    """Any rate, format and channel count becomes 16 kHz mono of the same length, pitch and loudness."""
    times = np.arange(rate_hz) / rate_hz
    wave = 0.5 * np.sin(2 * np.pi * 440 * times)
    path = tmp_path / f"in.{suffix}"
    soundfile.write(path, np.stack([wave] * channels, axis=1), rate_hz)
    samples = samples_of(load_pcm(path, 16_000)).astype(float)
    assert abs(samples.size - 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5 * 32_767, rel=0.01)


@pytest.mark.parametrize("content", [None, b"not audio at all", b""])
def test_client_load_says_which_file_is_no_audio(tmp_path: Path, content: bytes | None) -> None:
    """A missing, foreign or empty file is one clear error that names it."""
    path = tmp_path / "in.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"in\.wav"):
        load_pcm(path, 16_000)


def test_client_load_refuses_a_file_without_samples(tmp_path: Path) -> None:
    """A well-formed file without a single sample cannot be a turn."""
    soundfile.write(tmp_path / "in.wav", np.zeros(0), 16_000)
    with pytest.raises(AudioFileError, match="no audio"):
        load_pcm(tmp_path / "in.wav", 16_000)


def test_client_save_fills_the_shorter_channel(tmp_path: Path) -> None:
    """Both sides keep their sample values and their place; the shorter ends in silence."""
    left, right = np.array([1, -2, 3], dtype=np.int16), np.array([4], dtype=np.int16)
    save_wav(tmp_path / "out.wav", (left, right), 24_000)
    frames, rate_hz = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert rate_hz == 24_000
    assert frames.tolist() == [[1, 4], [-2, 0], [3, 0]]


def test_client_save_says_which_file_cannot_be_written(tmp_path: Path) -> None:
    """An unwritable place is one clear error that names it."""
    with pytest.raises(AudioFileError, match=r"out\.wav"):
        save_wav(tmp_path / "missing" / "out.wav", (np.zeros(1, dtype=np.int16),), 24_000)


def timeline() -> Timeline:
    """The user speaks from 100 to 200 ms, an agent of 24 kHz from 600 to 700 and from 800 to 900 ms."""
    both = Timeline(16_000, 24_000)
    both.said.append(Said(1600, tone(100, 16_000) + bytes(3200), 16_000))
    both.played.append(Played(14_400, "r", 0, tone(100)))
    both.played.append(Played(19_200, "r", 2400, tone(100)))
    return both


def test_client_timeline_measures_latency_on_the_waveform() -> None:
    """Latency is the time between the end of the user's speech and the first sample of the reply to it."""
    both = timeline()
    assert both.latency_ms(both.said[0].speech_end_samples, {"r"}) == pytest.approx(400, abs=10)
    assert both.latency_ms(16_000, {"r"}) is None


def test_client_timeline_takes_no_other_reply_for_the_answer() -> None:
    """Neither a reply to something else, nor one that was playing when the user stopped, began in answer to it."""
    both = timeline()
    both.played.insert(0, Played(4_800, "before", 0, tone(50)))
    both.played.insert(1, Played(6_000, "before", 1_200, tone(50)))
    end = 3_360  # 210 ms; "before" began at 200 ms
    assert both.latency_ms(end, {"before", "r"}) == pytest.approx(390)
    assert both.latency_ms(end, {"before"}) is None
    assert both.latency_ms(end - 320, {"r"}) == pytest.approx(410)
    assert both.latency_ms(end, set()) is None


def test_client_timeline_keeps_pauses_in_the_track_and_not_in_the_reply() -> None:
    """The track is what a listener would hear, in time; a reply's own audio has no holes."""
    both = timeline()
    left, right = both.stereo()
    assert right.size == 24_000 * 900 // 1000
    assert not right[: 24_000 * 600 // 1000].any()
    assert not right[24_000 * 700 // 1000 : 24_000 * 800 // 1000].any()
    assert left.size == 24_000 * 300 // 1000
    assert both.reply_pcm("r") == tone(100) * 2
