"""What callers say: where the speech is, and that it is whole frames."""

from pathlib import Path

import numpy as np
import pytest
from voice_client.audio import AudioFileError, save_wav
from voice_client.link import Target
from voice_client.load.doors import NativeDoor
from voice_client.load.run import Plan
from voice_client.load.script import FRAME_BYTES, ScriptError, Utterance, recorded, synthetic, utterance_of
from voice_client.load.voice import synthetic_speech
from voice_client.speech_end import speech_end_samples

RATE_HZ = 16_000


def test_client_load_script_finds_the_speech_in_a_recording(tmp_path: Path) -> None:
    """Speech from 0.5 to 1.5 s in 2.01 s of recording is found within 20 ms, and the words beside the file are read."""
    silence = np.zeros(RATE_HZ // 2, dtype=np.int16)
    sound = np.concatenate((silence, synthetic_speech(1_000, RATE_HZ, seed=3), silence, np.zeros(160, dtype=np.int16)))
    save_wav(tmp_path / "one.wav", (sound,), RATE_HZ)
    (tmp_path / "one.txt").write_text("Hello there.\n", encoding="utf-8")
    (utterance,) = recorded([tmp_path / "one.wav"])
    assert abs(utterance.speech_start_samples - 8_000) <= 320
    assert abs(utterance.speech_end_samples - 24_000) <= 320
    assert utterance.text == "Hello there."
    assert {len(frame) for frame in utterance.frames} == {FRAME_BYTES}
    assert len(utterance.frames) == 101


def test_client_load_script_refuses_what_says_nothing(tmp_path: Path) -> None:
    """Silence would make turns that nobody can answer; a file that is not there is named."""
    with pytest.raises(ScriptError, match="nobody speaks"):
        utterance_of(bytes(FRAME_BYTES * 50))
    save_wav(tmp_path / "one.wav", (synthetic_speech(300, RATE_HZ, seed=3),), RATE_HZ)
    (tmp_path / "one.txt").write_bytes(b"\xff")
    with pytest.raises(ScriptError, match=r"one\.wav: one\.txt is not UTF-8"):
        recorded([tmp_path / "one.wav"])
    with pytest.raises(AudioFileError, match=r"none\.wav"):
        recorded([tmp_path / "none.wav"])


def test_client_load_script_says_the_same_for_the_same_seed() -> None:
    """Two runs compare only if callers say the same; another seed says something else."""
    first, again, other = synthetic(1), synthetic(1), synthetic(2)
    assert first == again
    assert first != other


def test_client_load_script_synthetic_speech_fills_what_it_claims() -> None:
    """The first and the last sample are sound, so that voice to voice is measured from a true end of speech."""
    for utterance in synthetic()[:4]:
        pcm = b"".join(utterance.frames)
        assert abs(speech_end_samples(pcm, RATE_HZ) - utterance.speech_end_samples) <= 320
        assert any(pcm[:64])


def test_client_load_script_of_long_recordings_is_heard_out() -> None:
    """Begun just before the end of a run, 30 s of speech and 10 s of patience are waited for: 40 s."""
    long = Utterance((bytes(FRAME_BYTES),) * 1_500, 0, 480_000)
    assert Plan(Target("a:1"), NativeDoor(), (*synthetic(), long), seconds=5.0).settle_s == 40
