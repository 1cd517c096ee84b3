"""Where echo begins and ends: how much of a transcript has to be the agent's, and what counts as one word misheard."""

import pytest
from voice_gateway.turn.text.echo import beyond_echo

FIRST = "alpha bravo charlie"
LAST = "india juliet kilo lima"
SPOKEN = f"{FIRST} delta echo foxtrot golf hotel {LAST}"
"""Words that are like no others, with more than a chain bridges between the first and the last."""


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{FIRST} Mango tango rhino", "Mango tango rhino"),
        (f"{FIRST} Mango tango rhino zebra", f"{FIRST} Mango tango rhino zebra"),
        (f"{FIRST} mango", f"{FIRST} mango"),
        (f"{FIRST} mango rhino", ""),
        (f"mango rhino {FIRST}", ""),
        (f"{FIRST} x y z", ""),
        (f"{FIRST} b2 mango tango", "b2 mango tango"),
        (f"{FIRST} mango 77 rhino", ""),
        (f"{FIRST} mango please", "mango please"),
        (f"Mango tango rhino, {FIRST}", "Mango tango rhino,"),
        (f"{FIRST}. - Xylophone tango rhino!", "Xylophone tango rhino!"),
        (f"Mango, tango, rhino. {SPOKEN}, pixel zebra igloo.", "Mango, tango, rhino. pixel zebra igloo."),
    ],
)
def test_how_much_has_to_be_echo(text: str, left: str) -> None:
    """Half of the words make a transcript echo, up to four words only all; of what is beside it three words count."""
    assert beyond_echo(text, SPOKEN) == left


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST} {LAST}",
        f"bravo charlie {LAST}",
        "alpha bravo india juliet",
        f"charlie delta echo foxtrot {LAST}",
    ],
)
def test_what_was_left_out_in_the_middle_leaves_two_pieces_of_echo(text: str) -> None:
    """A recogniser that loses the middle of a sentence gives its two ends side by side, and both are the agent's."""
    assert beyond_echo(text, SPOKEN) == ""


@pytest.mark.parametrize(
    ("text", "spoken", "left"),
    [
        ("alpha it", "alpha it", ""),
        ("is it so", "is it so", ""),
        ("42 is", "42 is", ""),
        ("see the maybe", "see the may be", ""),
        ("see the may be", "see the maybe", ""),
        ("it is", "it is", "it is"),
        ("Frence Pari", "France Paris", ""),
        ("Frence Pari", "France is Paris", "Frence Pari"),
        ("ice cream", "icecream", "ice cream"),
    ],
)
def test_how_little_is_echo(text: str, spoken: str, left: str) -> None:
    """A longer word and a short one are echo, or three short ones, or two misheard ones in a row; a number is long."""
    assert beyond_echo(text, spoken) == left


@pytest.mark.parametrize(
    ("text", "spoken", "left"),
    [
        ("Mango tango rhino eight hundred people visit", "eight hundred people visit", "Mango tango rhino"),
        ("people visit eight hundred. Mango tango rhino", "people visit eight hundred", "Mango tango rhino"),
        ("call 5 5 5 now", "call 555 now", ""),
        ("People count one two. Mango tango rhino igloo", "people count one two", "Mango tango rhino igloo"),
        ("Mango tango rhino igloo, one two people count", "one two people count", "Mango tango rhino igloo,"),
    ],
)
def test_a_number_is_echo_from_its_first_word_to_its_last(text: str, spoken: str, left: str) -> None:
    """No word of a number that the agent said is left over as the user's."""
    assert beyond_echo(text, spoken) == left


@pytest.mark.parametrize(
    ("text", "spoken", "is_echo"),
    [
        ("kite", "kits", True),
        ("kite", "kiln", False),
        ("kite", "kites", True),
        ("kites", "kite", True),
        ("kit", "kits", False),
        ("kits", "kit", False),
        ("planet", "planks", False),
        ("1234", "1235", False),
        ("1234", "1234b", False),
        ("1234b", "1234", False),
        ("I\u2019m", "I'm", True),
        ("I'm", "I\u2019m", True),
        ("OK", "ok", True),
    ],
)
def test_a_word_misheard(text: str, spoken: str, is_echo: bool) -> None:  # noqa: FBT001  one of the pair
    """Words of four letters and more with three of five pairs of letters in common are one; numbers never are."""
    assert beyond_echo(text, spoken) == ("" if is_echo else text)


def test_a_word_alone_is_compared_with_the_last_six() -> None:
    """What was said six words ago may still come back; what was said before is the user's word."""
    assert beyond_echo("Paris", "Paris has a very long river") == ""
    assert beyond_echo("Paris", "Paris has a very long old river") == "Paris"


def test_half_a_word_at_the_beginning_is_no_word() -> None:
    """Of a long reply the last 6,000 characters are compared, from the first whole word on."""
    rest = "z" * 5_994
    assert beyond_echo("Paris", f"x Paris {rest}") == ""
    assert beyond_echo("Paris", f"LoParis {rest}") == "Paris"
    assert beyond_echo("Paris", f"a LoParis {rest}") == "Paris"
    assert beyond_echo("Paris", "z" * 7_000) == "Paris"
