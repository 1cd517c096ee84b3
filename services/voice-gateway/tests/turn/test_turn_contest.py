"""What takes the floor from the agent, and what does not."""

import pytest
from gateway_kit.phone_call import LANGUAGE, PER_MS, at, new_core
from voice_gateway.domain.ids import ReplyId, SentenceId, StreamId
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.contest import Said, Verdict, judge
from voice_gateway.turn.text.backchannel_words import LISTS
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.questions import is_question
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
]
FINAL = [
    ("yes", 599, Verdict.GO_ON),
    ("kubernetes", 600, Verdict.YIELD),
    ("no but", 100, Verdict.YIELD),
    ("stop", 100, Verdict.YIELD),
    ("Mm-hm.", 300, Verdict.GO_ON),
    ("...", 300, Verdict.GO_ON),
    ("No.", 200, Verdict.YIELD),
    ("Paris", 100, Verdict.YIELD),
    ("Paris", 600, Verdict.YIELD),
    ("Mama.", 400, Verdict.GO_ON),
    ("5", 100, Verdict.YIELD),
    ("incomprehensibilities", 100, Verdict.YIELD),
    ("\u4e0d\u662f", 200, Verdict.YIELD),
    ("Yes, yes.", 500, Verdict.GO_ON),
    ("Yes, yes.", 600, Verdict.YIELD),
    ("No, no.", 300, Verdict.YIELD),
]
ACKNOWLEDGING = [
    (text, code)
    for code, texts in {
        "en": (
            "Mmm-hmm",
            "Yea",
            "mmmm",
            "Ahh",
            "hmmm",
            "Perfect",
            "Absolutely",
            "Gotcha",
            "Yes, yes",
            "Yeahhhh.",
            "Uh-huh",
            "uh huh",
            "Mm hmm",
            "I see.",
            "All right!",
            "Okay, yeah",
            "Hahaha",
            "Of course",
            "and",
            "",
            "...",
            "\U0001f642",
            "Uh-hu",
            "Aha!",
            "Mama.",
            "Mum.",
        ),
        "de": (
            "Ja ja",
            "Ach so",
            "Ok\xe9",
            "Genau",
            "Mhm, okay",
        ),
        "fr": (
            "D\u2019accord",
            "C'est \xe7a",
            "Claro, claro",
        ),
        "ru": (
            "\u0434\u0430 \u0434\u0430",
            "\u0434\u0430-\u0434\u0430-\u0434\u0430",
        ),
        "zh": (
            "\u55ef\u55ef",
            "\u5bf9\u5bf9",
            "\u5bf9\uff0c\u5bf9\u3002",
            "\u597d\u7684\u597d\u7684",
            "\u55ef\uff0c\u597d\u7684",
        ),
        "ja": (
            "\u306f\u3044\u306f\u3044",
            "\u306f\u30fc\u3044",
            "\u306a\u308b\u307b\u3069",
            "\uff8a\uff72",
            "\u3046\u3093\u3046\u3093",
        ),
        "ko": (
            "\ub124\ub124",
            "\ub124, \uc54c\uaca0\uc2b5\ub2c8\ub2e4",
        ),
        "hi": (
            "\u091c\u0940",
            "\u0939\u093e\u0901\u0964",
            "\u0920\u0940\u0915 \u0939\u0948",
        ),
        "ar": ("\u0646\u0639\u0645 \u0646\u0639\u0645",),
        "th": ("\u0e43\u0e0a\u0e48\u0e04\u0e23\u0e31\u0e1a",),
        "es": (
            "S\xed, s\xed",
            "Vale",
        ),
        "it": (
            "Va bene",
            "S\xec",
        ),
    }.items()
    for text in texts
]
ANSWERS = [
    *(
        "no",
        "Nooo",
        "No, no",
        "nope",
        "doch",
        "si",
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
    *("what", "why", "hello", "help", "maybe", "so", "the and", "yes but", "yes, no", "bye", "55", "x" * 41),
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


def judged(
    text: str,
    speech_ms: int | None,
    *,
    is_final: bool,
    has_voice: bool = True,
    is_answer: bool = False,
    language_code: str = LANGUAGE,
    policy: TurnPolicy | None = None,
) -> Verdict:
    """The verdict on English words by a voice, over a statement of the agent."""
    said = Said(text, speech_ms, is_final=is_final, has_voice=has_voice)
    return judge(policy or TurnPolicy(), language_code, said, is_answer=is_answer)


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), INTERIM)
def test_interim_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """Speech enough and words enough take the floor; a stop word alone does; anything less waits."""
    assert judged(text, speech_ms, is_final=False) is verdict


@pytest.mark.parametrize(("text", "speech_ms", "verdict"), FINAL)
def test_final_words(text: str, speech_ms: int, verdict: Verdict) -> None:
    """What only acknowledges, shortly, is a backchannel; one word of content takes the floor, however short it is."""
    assert judged(text, speech_ms, is_final=True) is verdict


def test_one_word_without_a_voice_is_a_noise() -> None:
    """A recogniser hears "Crock." in a knock: a voice makes it a word, and more words are meant without one."""
    assert judged("Crock.", 300, is_final=True, has_voice=False) is Verdict.GO_ON
    assert judged("Crock.", 300, is_final=True, has_voice=True) is Verdict.YIELD
    assert judged("Not now.", 300, is_final=True, has_voice=False) is Verdict.YIELD
    assert judged("Stop.", 300, is_final=True, has_voice=False) is Verdict.YIELD
    assert judged("Whispered.", 600, is_final=True, has_voice=False) is Verdict.YIELD
    assert judged("Rome.", None, is_final=True, has_voice=False) is Verdict.YIELD


def test_a_word_whose_sound_nobody_noticed_acknowledges_all_the_same() -> None:
    """A soft "mm-hm" that voice detection misses is taken to be short, and other words to be long enough."""
    assert judged("Mm-hm.", None, is_final=True) is Verdict.GO_ON
    assert judged("no but", None, is_final=False) is Verdict.YIELD


def test_yes_to_a_question_is_an_answer() -> None:
    """Over a question what acknowledges is the answer ("shall I book it?" "yes"); a text without words is none."""
    assert judged("Yes.", 300, is_final=True, is_answer=True) is Verdict.YIELD
    assert judged("...", 300, is_final=True, is_answer=True) is Verdict.GO_ON
    assert judged("Yes.", 300, is_final=False, is_answer=True) is Verdict.WAIT


@pytest.mark.parametrize(
    ("language_code", "text", "verdict"),
    [
        ("de-DE", "Genau.", Verdict.GO_ON),
        ("en-US", "Genau.", Verdict.YIELD),
        ("fr-FR", "D\u2019accord.", Verdict.GO_ON),
        ("de-DE", "Right.", Verdict.YIELD),
        ("es-US", "Vale.", Verdict.GO_ON),
        ("it-IT", "Va bene.", Verdict.GO_ON),
        ("it-IT", "Okay.", Verdict.GO_ON),
        ("multi", "Okay.", Verdict.YIELD),
        ("sw-KE", "Mm-hm.", Verdict.YIELD),
        ("zh-CN", "\u5bf9\u3002", Verdict.GO_ON),
        ("", "Okay.", Verdict.YIELD),
    ],
)
def test_each_language_has_a_list_of_its_own(language_code: str, text: str, verdict: Verdict) -> None:
    """What acknowledges in one language is content in another; a language without a list disregards no word."""
    assert judged(text, 300, is_final=True, language_code=language_code) is verdict


@pytest.mark.parametrize(("text", "language_code"), ACKNOWLEDGING)
def test_what_acknowledges(text: str, language_code: str) -> None:
    """A sound may be drawn out and a word said again, with any marks: it takes no floor."""
    assert is_backchannel(text, language_code)


@pytest.mark.parametrize("text", ANSWERS)
def test_what_answers(text: str) -> None:
    """A refusal, a question and whatever begins a sentence are meant, however short they are, in any language."""
    assert not any(is_backchannel(text, code) for code in LISTS)


@pytest.mark.parametrize(
    "text",
    [
        "Shall I?",
        "Really?!",
        'He said "why?"',
        "\u884c\u5417\uff1f",
        "\u0647\u0644\u061f ",
        "Now? \U0001f642",
        "\u053b\u0576\u055e\u0579",
        "\u039d\u03b1 \u03c4\u03bf \u03ba\u03bb\u03b5\u03af\u03c3\u03c9;",
        "\u00ab\u039d\u03b1\u03b9;\u00bb",
    ],
)
def test_questions(text: str) -> None:
    """A question ends in a question mark of any script, whatever closes behind it."""
    assert is_question(text)


@pytest.mark.parametrize("text", ["", ";", "Yes.", "Yes;", "Why? Because.", "\u03bd\u03b1\u03b9; \u03bd\u03b1\u03b9."])
def test_statements(text: str) -> None:
    """A question before the last sentence does not make that one a question."""
    assert not is_question(text)


def test_without_a_minimum_of_words_silence_still_takes_nothing() -> None:
    """`min_words` 0 does not make a cough an interruption."""
    assert judged("", 5_000, is_final=False, policy=TurnPolicy(min_words=0)) is Verdict.WAIT


@pytest.mark.parametrize(
    "text",
    [
        "Stop!",
        "stop, stop",
        "  WAIT ",
        "Hold it.",
        "Arr\u00eate !",
        "Arre\u0302te",
        "wait, stop",
        "Hold it, hold it!",
        "Stop! Be quiet!",
    ],
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
    core = new_core(TurnPolicy(min_words=3), player=Player.NEVER_HELD)
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
