"""Which stars are read, and what of an address, a code block and a line's beginning is."""

import pytest
from voice_gateway.turn.text.speakable import Speakable


@pytest.mark.parametrize(
    "written",
    [
        "5 * 3 * 2 is 30",
        "5 * 3 in *.py",
        "**/*.py is all of it",
        "*67 is the code",
        "Dial *67 now",
        'Press "*5" now.',
        "Enter your code (*67#).",
        "Press '*5' now.",
        "Press [*6] now.",
        'Press "*5" or "*6".',
        '"*5" is the key.',
        "Enter (*67) or (*68).",
        "Dr\u00fccken Sie \u201e*5\u201c.",
        "(a+b)*c is 5",
        "2**ab and ab**2",
        "a**b is big",
        "x = a**b",
    ],
)
def test_stars_that_are_read(written: str) -> None:
    """What multiplies, stands for files or is a key of a telephone is read as it is written."""
    assert Speakable().of(written).text == written


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("The marks `*` and `**` differ.", "The marks * and ** differ."),
        ("**Note** the *", "Note the *"),
        ("**Note** the * and more", "Note the * and more"),
        ("**and**/or x", "and/or x"),
        ("**5 apples are red.", "5 apples are red."),
        ("*okay then", "okay then"),
        ('It is "*5 apples*" here', 'It is "5 apples" here'),
        ("It is (*so*) here", "It is (so) here"),
        ("un***believ***able", "unbelievable"),
        ("un**believ**able", "unbelievable"),
        ("2***nd*** place", "2nd place"),
        ("plan**b** works", "planb works"),
        ("x**ray** works", "xray works"),
        ("x**of** works", "xof works"),
        ("re**d** one", "red one"),
        ("It is re**d** now", "It is red now"),
        ("\u8fd9*\u5f88*\u597d", "\u8fd9\u5f88\u597d"),
        ("Wow!\u200d Yes", "Wow! Yes"),
        ("Yes\uffe4no", "Yes no"),
        ("Yes\ufdd0no", "Yes no"),
        ("Yes\ue000no", "Yes no"),
        ("a || b |", "a || b"),
        ("| a || b", "a || b"),
        ("|X|Y|", "X, Y"),
    ],
)
def test_marks_that_are_not_read(written: str, spoken: str) -> None:
    """No mark is a word: no emphasis, also inside one, no character without a sound, no bar of a table cut in two."""
    assert Speakable().of(written).text == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("https://user@www.example.org", "example.org"),
        ("https://example.org/docs/", "example.org/docs"),
        ("https://example.org/MAX", "example.org/MAX"),
        ("https://example.org/a%20b", "example.org"),
        (f"https://example.org/{'abcdefghij' * 3}", f"example.org/{'abcdefghij' * 3}"),
        (f"https://example.org/{'abcdefghij' * 3}k", "example.org"),
    ],
)
def test_what_of_an_address_is_read(written: str, spoken: str) -> None:
    """Of an address its host is read, and a path of up to 30 characters that can be followed by ear."""
    assert Speakable().of(written).text == spoken


@pytest.mark.parametrize(
    ("before", "written", "spoken"),
    [
        ("One\n  ", "- two", "two"),
        ("Plan\nX", " - 5 apples", "- 5 apples"),
        ("See. ", "[1]: https://example.org", "[1]: example.org"),
        ("See.\n", "[1]: https://example.org", ""),
        ("Yes. ", "[x] done.", "[x] done."),
        ("Yes.\n", "[x] done.", "done."),
    ],
)
def test_what_begins_a_line(before: str, written: str, spoken: str) -> None:
    """Bullets, boxes and definitions are marks where a line begins, whatever blanks are in between, and only there."""
    speakable = Speakable()
    speakable.of(before)
    assert speakable.of(written).text == spoken


def test_words_round_code_blocks_know_their_places() -> None:
    """What is said before, between and behind blocks in one sentence is cut where it was written."""
    written = "Do this:\n```sh\nls\n```\nThen go:\n```\n```\nThe end"
    spoken = Speakable().of(written)
    assert spoken.text == "Do this: Then go: The end"
    assert spoken.word_ends == (2, 8, 26, 30, 42, 46)
