"""The agent's own voice in the microphone, by the sound."""

import numpy as np
import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeVoiceModel
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.session.hearing import Hearing
from voice_gateway.session.own_voice import LAST_MS, OwnVoice
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.playout import FRAME_MS
from voice_gateway.session.voice import Ear, Onset, VoiceBank
from voice_gateway.turn.inputs import OwnVoiceHeard, SpeechStarted, VoicingHeard
from voicegateway_testkit.speech import speech

CHUNK = 512
SAID = speech(2_000, 16_000, seed=1).astype(np.float64)
OTHER = speech(2_000, 16_000, seed=2).astype(np.float64)


def pcm(samples: np.ndarray) -> bytes:
    """LINEAR_PCM of these."""
    return bytes(samples.astype("<i2").tobytes())


def at(milliseconds: int) -> Instant:
    """An instant."""
    return Instant(milliseconds * NS_PER_MS)


def told(rate_hz: int = 16_000) -> OwnVoice:
    """What the client was sent: two seconds of speech, frame by frame."""
    own_voice = OwnVoice(rate_hz)
    said, frame = speech(2_000, rate_hz, seed=1), rate_hz * FRAME_MS // 1_000
    for start in range(0, len(said), frame):
        own_voice.sent(pcm(said[start : start + frame]), at(0))
    return own_voice


@pytest.mark.parametrize("start_ms", [0, 333, 1_500])
@pytest.mark.parametrize("gain", [0.1, 0.25, -0.5])
def test_a_quiet_copy_is_the_agents(start_ms: int, gain: float) -> None:
    """Whatever its delay, its loudness and its polarity, an echo is known, and so is the next piece of it."""
    own_voice, start = told(), start_ms * 16
    for moved in (0, CHUNK):
        piece = SAID[start + moved : start + moved + 4 * CHUNK] * gain
        assert own_voice.compare(pcm(piece), at(100))


def test_other_speech_is_not_the_agents() -> None:
    """Somebody else who speaks at the same loudness is no echo, before and after one, nor is silence."""
    own_voice = told()
    pieces = [OTHER[start : start + 4 * CHUNK] for start in range(0, 28_000, 4 * CHUNK)]
    assert not any(own_voice.compare(pcm(piece), at(100)) for piece in pieces)
    assert own_voice.compare(pcm(SAID[8_000 : 8_000 + 4 * CHUNK] * 0.25), at(100))
    assert not any(own_voice.compare(pcm(piece), at(100)) for piece in pieces)
    assert not own_voice.compare(bytes(8 * CHUNK), at(100))


def test_a_constant_is_no_sound() -> None:
    """A microphone with an offset hears nobody, whatever was sent; nor does a filter make a sound at its edges."""
    own_voice = OwnVoice(16_000)
    for _ in range(10):
        own_voice.sent(b"\x00\x10" * 640, at(0))
    assert not own_voice.compare(b"\x00\x10" * (4 * CHUNK), at(100))


def test_a_user_over_the_echo_is_the_user() -> None:
    """Both at once, the echo 12 dB lower: that is speech, and the user can interrupt."""
    own_voice = told()
    pieces = [
        OTHER[start : start + 4 * CHUNK] + SAID[start : start + 4 * CHUNK] * 0.25 for start in range(0, 28_000, 2_048)
    ]
    assert sum(own_voice.compare(pcm(piece), at(100)) for piece in pieces) <= 1


def test_what_was_said_long_ago_does_not_come_back() -> None:
    """Nothing is compared once the agent has been silent for longer than an echo takes, or before it has spoken."""
    piece = pcm(SAID[: 4 * CHUNK])
    assert told().compare(piece, at(LAST_MS - 1))
    assert not told().compare(piece, at(LAST_MS))
    assert not OwnVoice(16_000).compare(piece, at(0))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
def test_the_rates_may_differ(rate_hz: int) -> None:
    """Replies are sent at the client's rate, the microphone is heard at the voice model's."""
    own_voice = told(rate_hz)
    echo = speech(2_000, rate_hz, seed=1)[rate_hz // 2 : rate_hz // 2 + rate_hz * 128 // 1_000]
    positions = np.arange(4 * CHUNK) * (len(echo) - 1) / (4 * CHUNK - 1)
    assert own_voice.compare(pcm(np.interp(positions, np.arange(len(echo)), echo) * 0.25), at(100))


@pytest.mark.parametrize("band_hz", [(1_500, 3_900), (0, 8_000)])
@pytest.mark.parametrize("delay_samples", [0, 0.5, 1, 1.5, 2.25, 3])
def test_an_s_is_known_whatever_its_delay(delay_samples: float, band_hz: tuple[int, int]) -> None:
    """What hisses is compared between the samples too: most delays are no whole number of samples at 8 kHz."""
    tones_hz = np.fft.rfftfreq(32_768, 1 / 16_000)
    hiss = np.fft.rfft(np.random.default_rng(7).normal(0, 4_000, 32_768))
    hiss[(tones_hz < band_hz[0]) | (tones_hz > band_hz[1])] = 0
    own_voice, said = OwnVoice(16_000), np.fft.irfft(hiss)
    for start in range(0, len(said), 640):
        own_voice.sent(pcm(said[start : start + 640]), at(0))
    echo = np.fft.irfft(hiss * np.exp(-2j * np.pi * tones_hz / 16_000 * delay_samples))
    assert own_voice.compare(pcm(echo[16_000 : 16_000 + 4 * CHUNK] * 0.25), at(100))


def test_too_little_was_sent_to_compare() -> None:
    """The first frame of a reply is shorter than what is compared."""
    own_voice = OwnVoice(16_000)
    own_voice.sent(pcm(SAID[:640]), at(0))
    assert not own_voice.compare(pcm(SAID[: 4 * CHUNK]), at(0))


def test_an_echo_is_no_speech() -> None:
    """The ear tells once that the agent hears itself, and speech only of a voice that is not the agent's."""
    facts: list[object] = []

    async def main() -> None:
        bank, hearing = VoiceBank(FakeVoiceModel(), Pacer()), Hearing(16_000, 16_000)
        bank.add(Ear(hearing, Onset(96, 160, 500), told(), bank.new_state(), facts.append))
        hearing.hear(pcm(np.concatenate([np.zeros(2_048), SAID[:16_384] * 0.25, OTHER[: 8 * CHUNK]])), 0)
        for _ in range(3):
            bank.tick(at(100))

    virtual_time.run(main())
    assert facts[0] == OwnVoiceHeard()
    speaks, voiced = facts[1:]
    assert isinstance(speaks, SpeechStarted)
    assert voiced == VoicingHeard()
    assert speaks.at_samples >= 2_048 + 16_384 - 2 * CHUNK  # only the chunk that settles the onset is compared


def test_what_has_no_sound_is_not_kept() -> None:
    """The mark of a reply's end may have no audio: any number of them costs nothing."""
    own_voice = OwnVoice(16_000)
    for _ in range(1_000):
        own_voice.sent(b"", at(0))
    assert not own_voice._frames
