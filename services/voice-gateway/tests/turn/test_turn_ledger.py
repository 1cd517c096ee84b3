"""From samples heard to words heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn.reply.ledger import RECENT_WORDS, SpokenSentence, heard_text, last_heard, spoken_text
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


@pytest.mark.parametrize(
    ("heard", "last"),
    [
        (0, ""),
        (332, ""),
        (334, "Is it? "),
        (1_000, "Is it? "),
        (1_199, "Is it? "),
        (1_200, "No it is not."),
        (9_000, "No it is not."),
    ],
)
def test_the_last_sentence_of_which_a_word_was_heard(heard: int, last: str) -> None:
    """A word was heard when it has ended, "Is" at 333 and "No" at 1,200; what is shown only is not heard last."""
    sentences = [aloud("Is it? ", 1_000), SpokenSentence("`ls` ", "", 0), aloud("No it is not.", 1_300)]
    assert last_heard(sentences, heard, RATE_HZ) == last


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_hearing_more_never_takes_words_back(less: int, more: int) -> None:
    """The heard text only grows with the samples heard."""
    sentences = [aloud("One two three. ", 1_500), aloud("Four.", None)]
    less, more = sorted((less, more))
    assert heard_text(sentences, more, RATE_HZ).startswith(heard_text(sentences, less, RATE_HZ))
