"""What takes the floor from the agent, and what does not."""

import pytest
from gateway_kit.phone_call import PER_MS, PERSONA, RATE_HZ, at
from voice_gateway.domain.ids import ReplyId, SentenceId, StreamId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.contest import Verdict, judge
from voice_gateway.turn.core import Core
from voice_gateway.turn.text.stop_words import is_stop

INTERIM = [
    ("", 5_000, Verdict.WAIT),
    ("no", 5_000, Verdict.WAIT),
    ("no but", 399, Verdict.WAIT),
    ("no but", 400, Verdict.YIELD),
    ("stop", 10, Verdict.YIELD),
    ("\u6211\u60f3\u8981\u53e6\u5916\u4e00\u4e2a", 400, Verdict.YIELD),
    ("\u5bf9", 5_000, Verdict.WAIT),
]
FINAL = [
    ("yes", 599, Verdict.GO_ON),
    ("kubernetes", 600, Verdict.YIELD),
    ("no but", 100, Verdict.YIELD),
    ("stop", 100, Verdict.YIELD),
    ("Mm-hm.", 300, Verdict.GO_ON),
    ("...", 300, Verdict.GO_ON),
    ("\u5bf9\u3002", 300, Verdict.GO_ON),
    ("Oui,", 300, Verdict.GO_ON),
    ("No.", 200, Verdict.YIELD),
    ("Paris", 200, Verdict.YIELD),
    ("5", 100, Verdict.YIELD),
    ("incomprehensibilities", 100, Verdict.YIELD),
    ("\u4e0d\u662f", 200, Verdict.YIELD),
]


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), INTERIM)
def test_interim_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """Speech enough and words enough take the floor; a stop word alone does; anything less waits."""
    assert judge(TurnPolicy(), text, speech_ms, is_final=False) is verdict


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), FINAL)
def test_final_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """A short word that only acknowledges is a backchannel; everything else was meant, however short it is."""
    assert judge(TurnPolicy(), text, speech_ms, is_final=True) is verdict


def test_without_a_minimum_of_words_silence_still_takes_nothing() -> None:
    """`min_words` 0 does not make a cough an interruption."""
    assert judge(TurnPolicy(min_words=0), "", 5_000, is_final=False) is Verdict.WAIT


@pytest.mark.parametrize(
    "text", ["Stop!", "stop, stop", "  WAIT ", "Hold it.", "Arr\u00eate !", "Arre\u0302te", "wait, stop"]
)
def test_stop_words(text: str) -> None:
    """A stop word counts in any case, with any mark, and repeated."""
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "...", "stop the car", "unstoppable", "no", "stop " * 100])
def test_no_stop_words(text: str) -> None:
    """A stop word inside a sentence is a sentence."""
    assert not is_stop(text)


def test_a_player_that_cannot_be_held_is_interrupted_by_words_alone() -> None:
    """On a wire without pause an onset changes nothing; enough words do."""
    core = Core(TurnPolicy(min_words=3), PERSONA, input_rate_hz=RATE_HZ, output_rate_hz=RATE_HZ, can_pause=False)
    facts: list[tuple[int, inputs.Input]] = [
        (0, inputs.SessionStarted()),
        (1_000, inputs.TextTyped("Count.")),
        (1_100, inputs.ReplyDelta(ReplyId(1), "One two three four five. ")),
        (1_200, inputs.SpeechReady(ReplyId(1), SentenceId(1))),
        (1_200, inputs.PlayoutStarted(ReplyId(1), 0)),
    ]
    for at_ms, fact in facts:
        core.handle(fact, at(at_ms))
    onset = core.handle(inputs.SpeechStarted(2_000 * PER_MS), at(2_100))
    assert [type(effect) for effect in onset] == [effects.Emit]
    few = core.handle(inputs.TranscriptRevised(StreamId(1), "no but", 0.0, 2_600 * PER_MS), at(2_600))
    assert effects.CancelReply(ReplyId(1)) not in few
    enough = core.handle(inputs.TranscriptRevised(StreamId(1), "no but wait", 0.0, 2_700 * PER_MS), at(2_700))
    assert effects.CancelReply(ReplyId(1)) in enough
