"""What takes the floor from the agent, and what does not."""

import pytest
from gateway_kit.phone_call import PER_MS, PERSONA, RATE_HZ, at
from voice_gateway.domain.ids import ReplyId, SentenceId, StreamId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.contest import Verdict, judge
from voice_gateway.turn.core import Core
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.stop_words import is_stop

INTERIM = [
    ("", 5_000, Verdict.WAIT),
    ("no", 5_000, Verdict.WAIT),
    ("no but", 399, Verdict.WAIT),
    ("no but", 400, Verdict.YIELD),
    ("stop", 10, Verdict.YIELD),
    ("\u6211\u60f3\u8981\u53e6\u5916\u4e00\u4e2a", 400, Verdict.YIELD),
    ("\u5bf9", 5_000, Verdict.WAIT),
    ("yes, yes", 599, Verdict.WAIT),
    ("yes, yes", 600, Verdict.YIELD),
    ("yes, but", 400, Verdict.YIELD),
    ("\u55ef\u55ef\u55ef", 599, Verdict.WAIT),
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
    ("No.", 200, Verdict.GO_ON),
    ("Paris", 599, Verdict.GO_ON),
    ("Paris", 600, Verdict.YIELD),
    ("Mama.", 400, Verdict.GO_ON),
    ("5", 100, Verdict.GO_ON),
    ("incomprehensibilities", 100, Verdict.GO_ON),
    ("\u4e0d\u662f", 200, Verdict.GO_ON),
    ("Yes, yes.", 500, Verdict.GO_ON),
    ("Yes, yes.", 600, Verdict.YIELD),
    ("No, no.", 300, Verdict.YIELD),
]
ACKNOWLEDGING = [
    *("Mmm-hmm", "Yea", "mmmm", "Ahh", "hmmm", "Perfect", "Absolutely", "Gotcha", "Yes, yes", "Ja ja"),
    *("Yeahhhh.", "Uh-huh", "uh huh", "Mm hmm", "I see.", "All right!", "Okay, yeah", "Hahaha", "Of course", "and"),
    *("D\u2019accord", "C'est \u00e7a", "Ach so", "Ok\u00e9", "Claro, claro"),
    *("\u0434\u0430 \u0434\u0430", "\u0434\u0430-\u0434\u0430-\u0434\u0430"),
    *(
        "\u55ef\u55ef",
        "\u5bf9\u5bf9",
        "\u5bf9\uff0c\u5bf9\u3002",
        "\u597d\u7684\u597d\u7684",
        "\u55ef\uff0c\u597d\u7684",
    ),
    *(
        "\u306f\u3044\u306f\u3044",
        "\u306f\u30fc\u3044",
        "\u306a\u308b\u307b\u3069",
        "\uff8a\uff72",
        "\u3046\u3093\u3046\u3093",
    ),
    *("\ub124\ub124", "\ub124, \uc54c\uaca0\uc2b5\ub2c8\ub2e4"),
    *(
        "\u091c\u0940",
        "\u0939\u093e\u0901\u0964",
        "\u0920\u0940\u0915 \u0939\u0948",
        "\u0646\u0639\u0645 \u0646\u0639\u0645",
        "\u0e43\u0e0a\u0e48\u0e04\u0e23\u0e31\u0e1a",
    ),
    *("", "...", "\U0001f642"),
]
ANSWERS = [
    *(
        "no",
        "Nooo",
        "No, no",
        "nope",
        "stop",
        "wait",
        "nein",
        "nee",
        "non",
        "ne",
        "nie",
        "nem",
        "never",
        "none",
        "please",
    ),
    *("what", "why", "hello", "help", "maybe", "so", "the and", "yes but", "yes, no", "mama", "bye", "55", "x" * 41),
    *(
        "\u043d\u0435\u0442",
        "\u0434\u0430 \u043d\u0435\u0442",
        "\u4e0d",
        "\u4e0d\u5bf9",
        "\u4e0d\u53ef\u4ee5",
        "\u56db",
        "\u3044\u3044\u3048",
        "\u3044\u3084",
    ),
    *("\uc544\ub2c8\uc694", "\u0928\u0939\u0940\u0902", "\u091c\u0940 \u0928\u0939\u0940\u0902", "\u0644\u0627"),
]


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), INTERIM)
def test_interim_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """Speech enough and words enough take the floor; a stop word alone does; anything less waits."""
    assert judge(TurnPolicy(), text, speech_ms, is_final=False) is verdict


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), FINAL)
def test_final_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """One short word is a backchannel, and so are more that only acknowledge; everything else was meant."""
    assert judge(TurnPolicy(), text, speech_ms, is_final=True) is verdict


@pytest.mark.parametrize("text", ACKNOWLEDGING)
def test_what_acknowledges(text: str) -> None:
    """A sound may be drawn out and a word said again, in any language and with any marks: it takes no floor."""
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_answers(text: str) -> None:
    """A refusal, a question and whatever begins a sentence are meant, however short they are."""
    assert not is_backchannel(text)


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
    onset = core.handle(inputs.SpeechStarted(2_000 * PER_MS, 2_100 * PER_MS), at(2_100))
    assert [type(effect) for effect in onset] == [effects.Emit]
    few = core.handle(inputs.TranscriptRevised(StreamId(1), "no but", 0.0, 2_600 * PER_MS, 2_600 * PER_MS), at(2_600))
    assert effects.CancelReply(ReplyId(1)) not in few
    more = inputs.TranscriptRevised(StreamId(1), "no but wait", 0.0, 2_700 * PER_MS, 2_700 * PER_MS)
    enough = core.handle(more, at(2_700))
    assert effects.CancelReply(ReplyId(1)) in enough
