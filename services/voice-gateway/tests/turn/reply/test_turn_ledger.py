"""From samples heard to words heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn.reply.ledger import (
    RECENT_CHARS,
    RECENT_WORDS,
    SpokenSentence,
    heard_text,
    last_heard,
    spoken_text,
)
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
    assert heard_text([aloud("two more words", 1_400, TOLD)], 800, RATE_HZ) == "two more"
    assert heard_text([aloud("words", 1_000, TOLD)], 999, RATE_HZ) == ""
    assert spoken_text([aloud("two more words", 1_400, TOLD)], 800, RATE_HZ) == "two more words"


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


@pytest.mark.parametrize(
    ("text", "samples", "heard", "part"),
    [
        ("One sentence.", 1_000, 229, ""),
        ("One sentence.", 1_000, 230, "One"),
        ("abc d", None, 198, ""),
        ("abc d", None, 199, "abc"),
        ("abc d", None, 333, "abc d"),
        ("a", None, 65, ""),
        ("a", None, 66, "a"),
    ],
)
def test_the_end_of_a_word_is_a_whole_sample(text: str, samples: int | None, heard: int, part: str) -> None:
    """Three of thirteen letters in 1,000 samples end at 230; five letters that are still coming take 333 samples."""
    assert heard_text([aloud(text, samples)], heard, RATE_HZ) == part


@pytest.mark.parametrize(
    ("heard", "text", "last"),
    [
        (99, "", ""),
        (100, "One.", "One. "),
        (299, "One.", "One. "),
        (300, "One. Three.", "Three. "),
        (599, "One. Three.", "Three. "),
        (600, "One. Three. Four.", "Four."),
        (9_000, "One. Three. Four.", "Four."),
    ],
)
def test_a_sentence_without_sound_is_left_out_of_what_was_heard(heard: int, text: str, last: str) -> None:
    """Sentences of one word each, which end at 100, 300 and 600; the second one has no sound, and nobody heard it."""
    silent = SpokenSentence("Two. ", "", 0, is_skipped=True)
    sentences = [aloud("One. ", 100), silent, aloud("Three. ", 200), aloud("Four.", 300)]
    assert heard_text(sentences, heard, RATE_HZ) == text
    assert last_heard(sentences, heard, RATE_HZ) == last


@pytest.mark.parametrize(
    ("until", "spoken"),
    [
        (0, "One"),
        (99, "One"),
        (100, "One two"),
        (898, "One two"),
        (899, "One two three."),
        (999, "One two three."),
        (1_000, "One two three. Four"),
        (1_499, "One two three. Four"),
        (1_500, "One two three. Four five."),
        (9_000, "One two three. Four five."),
    ],
)
def test_what_is_said_aloud_has_the_word_that_has_begun(until: int, spoken: str) -> None:
    """Words of the first sentence end when synthesis says, at 100, 899 and 1,000; of the second by their letters."""
    words = (SpokenWord("One", 0, 100), SpokenWord("two", 100, 899), SpokenWord("three.", 899, 1_000))
    sentences = [aloud("One two three. ", 1_000, words), SpokenSentence("Four five.", "Four five.", 1_250)]
    assert spoken_text(sentences, until, RATE_HZ) == spoken


@pytest.mark.parametrize(
    ("count", "of", "kept"),
    [
        (RECENT_WORDS - 1, "a b c", 3 * (RECENT_WORDS // 3 + 1)),
        (RECENT_WORDS, "a b", RECENT_WORDS),
        (RECENT_WORDS, "a", RECENT_WORDS),
        (RECENT_WORDS, "x" * 1_000, RECENT_CHARS // 1_000),
        (RECENT_WORDS, "x" * 1_001, RECENT_CHARS // 1_001 + 1),
    ],
)
def test_of_a_long_reply_only_the_end_is_kept(count: int, of: str, kept: int) -> None:
    """Whole sentences from the end, until there are 400 words or 6,000 characters of them."""
    sentences = [SpokenSentence(of, of, 100)] * (count + 9)
    assert len(spoken_text(sentences, 100_000, RATE_HZ).split()) == kept
