"""From samples heard to words heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn.history import (
    CUT_MARK,
    FORGOTTEN,
    LONGEST_CHARS,
    LONGEST_OUTPUT_CHARS,
    MESSAGE_CHARS,
    History,
)
from voice_gateway.turn.ledger import RECENT_WORDS, SpokenSentence, heard_text, spoken_text
from voice_gateway.turn.text.speakable import Speakable

RATE_HZ = 1_000


def aloud(text: str, samples: int | None, words: tuple[SpokenWord, ...] = ()) -> SpokenSentence:
    """A sentence as a reply reads it aloud."""
    spoken = Speakable().of(text)
    return SpokenSentence(text, spoken.text, samples, words, spoken.word_ends)


TOLD = (SpokenWord("two", 0, 100), SpokenWord("words", 100, 900))


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (0, ""),
        (999, "One"),
        (1_000, "One **sentence**."),
        (1_100, "One **sentence**. Two"),
        (2_000, "One **sentence**. Two words."),
        (9_000, "One **sentence**. Two words."),
    ],
)
def test_words_by_share_of_the_sentence(heard: int, text: str) -> None:
    """Without word times a word ends where its share of the characters ends; the model's own text is what is cut."""
    sentences = [
        aloud("One **sentence**. ", 1_000),
        aloud("Two words. ", 200),
    ]
    assert heard_text(sentences, heard, RATE_HZ) == text


@pytest.mark.parametrize(("heard", "text"), [(99, ""), (100, "two"), (899, "two"), (900, "two words")])
def test_words_by_their_told_times(heard: int, text: str) -> None:
    """Where synthesis tells word times, a word is heard when its end is."""
    assert heard_text([aloud("two words", 1_000, TOLD)], heard, RATE_HZ) == text


def test_told_times_that_do_not_fit_are_not_used() -> None:
    """Word times that do not match the words are worse than the share by characters."""
    assert heard_text([aloud("two more words", 1_400, TOLD)], 1_000, RATE_HZ) == "two more"


def test_a_sentence_that_is_still_coming() -> None:
    """While a sentence's length is not known its words are reckoned at the usual speed, and none after it is heard."""
    sentences = [aloud("fifteen letters", None), aloud("never", 0)]
    assert heard_text(sentences, 1_000, RATE_HZ) == "fifteen letters"
    assert heard_text(sentences, 600, RATE_HZ) == "fifteen"


def test_shown_only_counts_once_what_precedes_it_is_heard() -> None:
    """A code block between two sentences is known to the user when the sentence before it has sounded."""
    sentences = [
        aloud("Look: ", 500),
        aloud("`x`\n", 0),
        aloud("So.", 500),
    ]
    assert heard_text(sentences, 499, RATE_HZ) == ""
    assert heard_text(sentences, 500, RATE_HZ) == "Look: `x`"


@pytest.mark.parametrize(
    ("text", "samples", "heard", "cut"),
    [
        ("a|b c", 600, 450, "a|b"),
        ("See [now](https://a.example) at ten.", 1_500, 800, "See [now"),
        ("It is 5\u338e far.", 1_400, 1_000, "It is 5\u338e"),
        ("Tom &amp; Ann came.", 1_500, 500, "Tom &amp;"),
        ("Mail <a@b.example> at ten.", 2_200, 1_500, "Mail <a@b.example"),
    ],
)
def test_words_are_cut_from_the_models_own_text(text: str, samples: int, heard: int, cut: str) -> None:
    """A word that is read otherwise than it is written has its place in the text all the same."""
    assert heard_text([aloud(text, samples)], heard, RATE_HZ) == cut


def test_of_a_long_reply_the_last_words_are_compared() -> None:
    """What an echo is looked for in does not grow with the reply."""
    sentences = [aloud("one two three four five. ", 100)] * RECENT_WORDS
    assert spoken_text(sentences, 0, RATE_HZ) == "one"
    assert spoken_text(sentences, 150, RATE_HZ).startswith("one two three four five. one two")
    assert RECENT_WORDS <= len(spoken_text(sentences, 100 * RECENT_WORDS, RATE_HZ).split()) < RECENT_WORDS + 5
    assert spoken_text([], 0, RATE_HZ) == ""


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_hearing_more_never_takes_words_back(less: int, more: int) -> None:
    """The heard text only grows with the samples heard."""
    sentences = [aloud("One two three. ", 1_500), aloud("Four.", None)]
    less, more = sorted((less, more))
    assert heard_text(sentences, more, RATE_HZ).startswith(heard_text(sentences, less, RATE_HZ))


def test_history_is_bounded() -> None:
    """The oldest messages go when the conversation outgrows the model's context; the system prompt stays."""
    history = History("prompt")
    for _ in range(20):
        history.said("x" * (LONGEST_CHARS // 10))
        history.heard("y")
    messages = history.messages()
    assert messages[0].text == "prompt"
    assert sum(len(message.text) for message in messages[1:]) <= LONGEST_CHARS


def test_a_history_that_was_cut_begins_with_the_user() -> None:
    """Strict chat templates refuse a conversation that the assistant begins: a long call must not end in errors."""
    history = History("")
    history.said("x" * (LONGEST_CHARS // 2))
    history.heard("y" * (LONGEST_CHARS // 2))
    history.said("z")
    assert [message.text for message in history.messages()] == ["z"]
    history.heard("a" * LONGEST_CHARS)
    history.said("b")
    assert [message.text for message in history.messages()] == ["b"]


def test_a_greeting_is_the_first_to_be_forgotten() -> None:
    """A conversation that the assistant did begin loses that message alone when it must be cut there."""
    history = History("")
    history.heard("x" * LONGEST_CHARS)
    history.said("Hello.")
    history.heard("Hello.")
    assert [message.role for message in history.messages()] == [Role.USER, Role.ASSISTANT]


def test_one_message_may_fill_the_history() -> None:
    """A single message that is too long is kept: an empty conversation would be worse."""
    history = History("")
    history.said("x" * (LONGEST_CHARS + 1))
    assert len(history.messages()) == 1


def test_short_messages_are_bounded_too() -> None:
    """A message costs more than its letters, so that a conversation of single words does not grow for hours."""
    history = History("")
    for _ in range(LONGEST_CHARS // 10):
        history.said("a")
        history.heard("b")
    assert len(history.messages()) <= LONGEST_CHARS // MESSAGE_CHARS


def test_a_user_who_is_never_answered_is_bounded() -> None:
    """What is said again and again without an answer is one message, which keeps its last whole lines."""
    history = History("")
    for number in range(LONGEST_CHARS // 1_000):
        history.said(f"{number} {'x' * 2_000}")
    (said,) = history.messages()
    assert LONGEST_CHARS - 2_030 < len(said.text) <= LONGEST_CHARS
    assert said.text.startswith("13 x")
    whole = "y" * (LONGEST_CHARS - MESSAGE_CHARS)
    history.said(whole)
    history.unsaid(whole)
    assert history.messages() == ()


def test_what_was_heard_is_joined_as_it_is() -> None:
    """White space at the beginning of what was heard stays when more is heard: the text is the model's own."""
    history = History("")
    history.said("What?")
    history.heard("\nSorry, I have")
    history.heard("no answer.")
    assert history.messages()[-1].text == "\nSorry, I have\nno answer."


def _call(number: int) -> ToolCall:
    return ToolCall(f"c{number}", "weather", "{}")


def test_a_turn_is_forgotten_with_its_tools() -> None:
    """The outcome of a tool never stays without its call: the protocol refuses the whole conversation then."""
    history = History("")
    history.said("x" * (LONGEST_CHARS - LONGEST_OUTPUT_CHARS))
    history.called([(_call(1), "y" * (LONGEST_OUTPUT_CHARS // 2))])
    history.heard("z")
    history.said("u" * LONGEST_OUTPUT_CHARS)
    assert [message.role for message in history.messages()] == [Role.USER]
    history.called([(_call(2), "sunny")])
    assert [message.call_id for message in history.messages()] == ["", "", "c2"]


def test_what_a_tool_says_too_much_is_cut() -> None:
    """One long outcome does not push out the question, and the model is told that it is not whole."""
    history = History("")
    history.said("What?")
    history.called([(_call(1), "y" * (2 * LONGEST_CHARS))])
    question, called, outcome = history.messages()
    assert (question.text, called.calls) == ("What?", (_call(1),))
    assert len(outcome.text) == LONGEST_OUTPUT_CHARS
    assert outcome.text.endswith(CUT_MARK)


def test_many_tools_in_one_turn_forget_the_oldest_outcomes() -> None:
    """A turn that fills the history alone keeps every call and the newest outcomes."""
    history = History("")
    history.said("What?")
    history.heard("I look.")
    history.called([(_call(number), str(number) * LONGEST_OUTPUT_CHARS) for number in range(1, 5)])
    _, called, *outcomes = history.messages()
    assert (called.text, len(called.calls)) == ("I look.", 4)
    assert [message.text[:1] for message in outcomes] == [FORGOTTEN[:1], FORGOTTEN[:1], "3", "4"]
    assert outcomes[0] == ChatMessage(Role.TOOL, FORGOTTEN, call_id="c1")


def test_what_nobody_answered_is_kept_as_far_as_it_fits() -> None:
    """Whoever types on and on, and hears no answer, fills no memory: the beginnings are forgotten, the end is not."""
    history = History("")
    for number in range(1_000):
        history.said(f"{number} {'x' * 4_000}")
    (message,) = history.messages()
    assert LONGEST_CHARS - 4_030 < len(message.text) <= LONGEST_CHARS
    assert message.text.endswith(f"999 {'x' * 4_000}")
    history.unsaid(f"999 {'x' * 4_000}")
    assert history.messages()[0].text.endswith(f"998 {'x' * 4_000}")


def test_a_reply_that_is_too_long_leaves_its_end() -> None:
    """A question and an answer beyond all bounds stay a question and an answer."""
    history = History("")
    history.said("Q" * 3 * LONGEST_CHARS)
    history.heard("A" * LONGEST_CHARS + "end")
    assert [message.role for message in history.messages()] == [Role.USER, Role.ASSISTANT]
    assert sum(len(message.text) for message in history.messages()) <= LONGEST_CHARS
    assert history.messages()[1].text.endswith("end")
