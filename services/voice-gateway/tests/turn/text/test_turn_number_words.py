"""Which words are one number, and where a number ends."""

import pytest
from voice_gateway.turn.text.number_words import as_digits, is_number_word


@pytest.mark.parametrize("word", ["zero", "one", "nine", "ten", "nineteen", "twenty", "ninety", "0", "42"])
def test_numbers_by_themselves(word: str) -> None:
    """A word that is a number alone is known as one, "zero" as well."""
    assert is_number_word(word)


@pytest.mark.parametrize("word", ["", "oh", "o", "a", "and", "hundred", "thousand", "first", "double", "4th", "Zero"])
def test_no_numbers_by_themselves(word: str) -> None:
    """What is a number only beside another one, or counts a place, is none alone."""
    assert not is_number_word(word)


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("two thousand six", ["2006"]),
        ("2 million five hundred thousand", ["2500000"]),
        ("an hundred", ["100"]),
        ("a trillion", ["1000000000000"]),
        ("one hundred 200", ["100", "200"]),
        ("123456789 thousand", ["123456789000"]),
        ("1234567890 thousand", ["1234567890", "thousand"]),
        ("two thousand five thousand", ["2000", "5000"]),
        ("five thousand two million", ["5000", "2000000"]),
    ],
)
def test_what_is_one_number(words: str, items: list[str]) -> None:
    """A smaller number behind a scale is added to it; one that is as large or larger is another number."""
    assert as_digits(words.split()) == items


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("two thousand and more", ["2000", "and", "more"]),
        ("a hundred and more", ["100", "and", "more"]),
        ("a hundred and", ["100", "and"]),
        ("two million and a half", ["2000000", "and", "a", "half"]),
        ("a room", ["a", "room"]),
        ("thousand islands", ["thousand", "islands"]),
        ("a double agent", ["a", "double", "agent"]),
        ("double two", ["22"]),
        ("triple seven please", ["777", "please"]),
    ],
)
def test_no_word_beside_a_number_is_lost(words: str, items: list[str]) -> None:
    """An "and", an article or a scale that belongs to no number stays a word."""
    assert as_digits(words.split()) == items


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("oh five please", ["0", "5", "please"]),
        ("five oh please", ["5", "0", "please"]),
        ("five o o please", ["5", "0", "0", "please"]),
        ("zero please", ["0", "please"]),
        ("oh well", ["oh", "well"]),
        ("and oh please", ["and", "oh", "please"]),
        ("the first oh", ["the", "1th", "oh"]),
        ("five well oh", ["5", "well", "oh"]),
    ],
)
def test_oh_is_a_digit_beside_a_number_only(words: str, items: list[str]) -> None:
    """Whoever sighs says no digit; whoever reads out a number means nought."""
    assert as_digits(words.split()) == items


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("the fifth million", ["the", "5th", "million"]),
        ("the fifth hundred", ["the", "5th", "hundred"]),
        ("two thousandth five", ["2000th", "5"]),
        ("two hundredth five", ["200th", "5"]),
        ("twentieth one", ["20th", "1"]),
        ("twentieth first", ["20th", "1th"]),
        ("twenty first one", ["21th", "1"]),
        ("two hundred and first one", ["201th", "1"]),
        ("two thousand and first hundred", ["2001th", "hundred"]),
    ],
)
def test_an_ordinal_ends_its_number(words: str, items: list[str]) -> None:
    """What follows "fifth" or "hundredth" is counted apart."""
    assert as_digits(words.split()) == items
