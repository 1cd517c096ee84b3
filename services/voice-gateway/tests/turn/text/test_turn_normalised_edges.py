"""When two spellings are the same words: amounts, long texts, and what only sounds alike."""

import pytest
from voice_gateway.turn.text.normalised import Difference, difference, normalised, same_words

SO_ON = "so on " * 30
"""60 words."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("one over two", "1/2"),
        ("one over two", "1\u20442"),
        ("three o\u2019clock", "3:00"),
        ("\u00bfQu\u00e9?", "qu\u00e9"),
        ("five dollars and fifty", "$5.50"),
        ("five dollars fifty five cents", "$5.55"),
        ("five zero point five", "50.5"),
        ("it is zero point five", "it is .5"),
    ],
)
def test_amounts_are_written_in_more_than_one_way(one: str, other: str) -> None:
    """A guess is not lost to the way in which an amount, a fraction or an hour is written."""
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u20a95", "5"),
        ("five dollars for 2", "five dollars 2"),
        ("salt and pepper", "salt pepper"),
        ("three and four", "three four"),
        ("two dollars and more", "two dollars more"),
        ("five dollars or less", "five dollars or more"),
        ("a dollar is not one cent", "a dollar is not one"),
        ("what o'clock", "what"),
        ("zero tolerance", "tolerance"),
        ("two zero point five", "2.5"),
        ("60 miles per hour", "60 miles per gallon"),
        ("two cents", "three cents"),
        ("ten per cent more", "ten per cent less"),
    ],
)
def test_no_word_is_left_out_that_tells_something(one: str, other: str) -> None:
    """A word is left out only where figures do not have it: a reply to other words is not played."""
    assert normalised(one) != normalised(other)


def test_normal_forms() -> None:
    """Ordinals stand apart, and only they; a long text has nothing between its pieces."""
    assert normalised("one second") == "1 2th"
    assert normalised("twelfth") == " 12th"
    assert normalised("here with me") == normalised("herewith me") == "herewithme"
    assert normalised("caf\u00e9 " * 30) == "caf\u00e9" * 30


@pytest.mark.parametrize(
    ("speculated", "said", "expected"),
    [
        ("ice cream now", "icecream now please", Difference.MORE_WORDS),
        ("ice cream now", "icecream new please", Difference.CHANGED_WORD),
        ("over there at ten per cent", "over their at ten percent", Difference.FORMATTING),
        (f"{SO_ON}at half past nine", f"{SO_ON}at 9:30", Difference.FORMATTING),
        (f"half past nine {SO_ON}", f"9:30 {SO_ON}", Difference.FORMATTING),
        (f"9:30 {SO_ON}", f"half past nine {SO_ON}", Difference.FORMATTING),
        ("5 men", "6 bees", Difference.CHANGED_WORD),
        ("five men", "six bees", Difference.CHANGED_WORD),
        ("half", "nine", Difference.CHANGED_WORD),
        ("big", "9", Difference.CHANGED_WORD),
        ("9", "big", Difference.CHANGED_WORD),
        ("half past nine or there", "9:30 or bees", Difference.CHANGED_WORD),
    ],
)
def test_how_a_guess_was_lost(speculated: str, said: str, expected: Difference) -> None:
    """Only what is between the first and the last difference tells formatting from another word."""
    assert difference(speculated, said) is expected
    assert not same_words(speculated, said)


@pytest.mark.parametrize(("words_between", "expected"), [(42, Difference.FORMATTING), (43, Difference.CHANGED_WORD)])
def test_up_to_48_words_are_compared_by_their_sound(words_between: int, expected: Difference) -> None:
    """Two times of three words each, with 42 words between them, are 48; more is another text."""
    between = "so " * words_between
    assert difference(f"9:30 {between} 9:30", f"half past nine {between} half past nine") is expected


def test_up_to_2400_characters_are_compared_word_by_word() -> None:
    """Longer texts are the same only letter by letter."""
    assert difference("a" * 2_400, "A" * 2_400) is Difference.SAME
    assert difference("a" * 2_401, "A" * 2_401) is Difference.CHANGED_WORD
    assert same_words("a" * 2_400, "A" * 2_400)
    assert not same_words("a" * 2_401, "A" * 2_401)
    assert same_words("a" * 2_401, "a" * 2_401)


def test_up_to_480_words_are_compared_as_numbers() -> None:
    """Of more words the same number written in another way is another word."""
    assert difference("one " * 480, "1 " * 480) is Difference.SAME
    assert difference("one " * 481, "1 " * 481) is Difference.CHANGED_WORD
    assert difference("ONE " * 481, "one " * 481) is Difference.SAME
    assert same_words("one " * 480, "1 " * 480)
    assert not same_words("one " * 481, "1 " * 481)
    assert same_words("ONE " * 481, "one " * 481)


def test_a_space_in_front_takes_no_letter_away() -> None:
    """White space before one of two texts is not part of a common beginning."""
    assert same_words(" 5", "five")
    assert same_words("five", " 5")


def test_a_text_may_grow_by_4800_characters() -> None:
    """282 ligatures of 18 characters and 6 of 2 grow by 4,800 and are taken apart; with one more, none is."""
    assert "\ufdfa" not in normalised("\ufdfa" * 282 + "\u338e" * 6)
    assert "\ufdfa" in normalised("\ufdfa" * 282 + "\u338e" * 7)
