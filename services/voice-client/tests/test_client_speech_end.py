"""Where speech ends: in a quiet room, a loud one, and where there is none."""

import numpy as np
import pytest
from scripted_gateway import tone
from speech_recordings import RATE_HZ, noisy, recording
from voice_client.speech_end import speech_end_samples

NAMES = (
    "person",
    "hibari: What is a pod?",
    "hibari: Please tell me what time it is.",
    "hibari: How do I get to the station from here, and how long does it take?",
    "espeak: What is a pod?",
    "espeak: Please tell me what time it is.",
)
ERROR_MS = 200
"""A last consonant that drowns in the noise is lost to the ear as well."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("below_db", [60, 30, 20, 10])
@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
def test_client_speech_ends_where_it_ends_in_noise_too(name: str, below_db: int, kind: str) -> None:
    """The noise of a room or a line after the last word is no speech, at any level that leaves the words readable."""
    speech, end = recording(name)
    error_ms = (speech_end_samples(noisy(speech, kind, below_db), RATE_HZ) - end) * 1_000 / RATE_HZ
    assert abs(error_ms) <= ERROR_MS


def test_client_speech_end_is_not_moved_by_a_click() -> None:
    """A key that is pressed when all is said is no word."""
    speech, end = recording("hibari: What is a pod?")
    clicked = speech.copy()
    clicked[-8_000:-7_800] = 0.4 * np.random.default_rng(2).normal(size=200)
    assert speech_end_samples(noisy(clicked, "white", 30), RATE_HZ) == pytest.approx(end, abs=RATE_HZ // 10)


@pytest.mark.parametrize("below_db", [60, 20])
def test_client_speech_that_is_cut_tight_ends_with_its_recording(below_db: int) -> None:
    """Without a pause the end of the recording is the end of the speech."""
    speech, end = recording("hibari: What is a pod?")
    tight = noisy(speech, "white", below_db)[RATE_HZ : end * 2]
    assert speech_end_samples(tight, RATE_HZ) == pytest.approx(len(tight) // 2, abs=RATE_HZ * ERROR_MS // 1_000)


@pytest.mark.parametrize("below_db", [60, 20])
def test_client_speech_end_of_a_long_recording(below_db: int) -> None:
    """A long recording is looked at from its end, and the position is still that in the whole; what a machine has
    filled with zeros says nothing of the noise.
    """
    speech, end = recording("espeak: What is a pod?")
    before = bytes(2 * RATE_HZ * 100)
    found = speech_end_samples(before + noisy(speech, "white", below_db), RATE_HZ)
    assert found - len(before) // 2 == pytest.approx(end, abs=RATE_HZ * ERROR_MS // 1_000)


@pytest.mark.parametrize("after", ["silence", "noise", "both"])
def test_client_speech_end_before_a_long_pause(after: str) -> None:
    """Whoever leaves the recorder running for minutes, with a room's noise or none, has spoken all the same."""
    speech, end = recording("espeak: What is a pod?")
    noise = noisy(np.concatenate([speech, np.zeros(100 * RATE_HZ)]), "white", 20)
    quiet = noisy(speech, "white", 20)
    recorded = {"silence": quiet + bytes(2 * 130 * RATE_HZ), "noise": noise, "both": noise + bytes(2 * 70 * RATE_HZ)}
    found = speech_end_samples(recorded[after], RATE_HZ)
    assert found == pytest.approx(end, abs=RATE_HZ * ERROR_MS // 1_000)


def test_client_speech_end_of_a_long_sound_without_pauses() -> None:
    """Where nothing stands out in any part the sound is heard to its end, not to that of an earlier part."""
    sound = tone(70_000, RATE_HZ)
    assert speech_end_samples(sound + bytes(2 * 61 * RATE_HZ), RATE_HZ) == pytest.approx(
        70 * RATE_HZ, abs=RATE_HZ // 50
    )


def test_client_speech_end_of_a_sound_without_pauses_and_of_silence() -> None:
    """A steady sound is heard to its end, however loud; silence has none."""
    assert speech_end_samples(tone(1_000, RATE_HZ), RATE_HZ) == pytest.approx(RATE_HZ, abs=RATE_HZ // 100)
    assert speech_end_samples(tone(100, RATE_HZ) + bytes(16_000), RATE_HZ) == pytest.approx(1_600, abs=160)
    assert speech_end_samples(bytes(200), RATE_HZ) == 0
    assert speech_end_samples(b"", RATE_HZ) == 0
