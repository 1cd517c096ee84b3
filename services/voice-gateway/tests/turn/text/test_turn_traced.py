"""Where in the original each character of a rewritten text came from."""

import re

from voice_gateway.turn.text.traced import Traced


def places(text: Traced) -> tuple[str, list[int]]:
    """The text with its places, however they are kept."""
    return text.text, list(text.ends)


def test_the_original_has_a_place_for_each_character() -> None:
    """Each character of the original ends where it stands, and there are no more places than characters."""
    assert places(Traced.of("abc")) == ("abc", [1, 2, 3])
    assert places(Traced.of("")) == ("", [])


def test_what_is_put_in_ends_where_the_match_ends() -> None:
    """A word that stands for a longer mark counts as heard when all of the mark is."""
    text = Traced.of("a <br> b <br> c").replaced(re.compile("<br>"), "--")
    assert places(text) == ("a -- b -- c", [1, 2, 6, 6, 7, 8, 9, 13, 13, 14, 15])


def test_what_is_put_in_before_everything_ends_at_the_beginning() -> None:
    """Text before the first character of the original ends at its beginning."""
    text = Traced.of("ab").replaced(re.compile(r"\A"), "xy")
    assert places(text) == ("xyab", [0, 0, 1, 2])


def test_what_is_kept_stays_in_its_place() -> None:
    """The words of a link are heard where they stand; what follows them in its place is heard at the end."""
    text = Traced.of("a [b](c) d").replaced(re.compile(r"\[(?P<kept>\w)\]\(\w\)"), "!")
    assert places(text) == ("a b! d", [1, 2, 4, 8, 9, 10])


def test_each_match_may_become_something_else() -> None:
    """What is put in is asked for each match by itself."""
    text = Traced.of("1 2").replaced(re.compile(r"\d"), lambda match: match[0] * int(match[0]))
    assert places(text) == ("1 22", [1, 2, 3, 3])


def test_nothing_is_replaced_before_the_first_place() -> None:
    """A sentence that begins no line has no bullet at its beginning, and may have one further on."""
    text = Traced.of("-a-b")
    assert places(text.without(re.compile("-"), 1)) == ("-ab", [1, 2, 4])


def test_a_step_that_finds_nothing_makes_no_copy() -> None:
    """Most sentences have few marks, and cost no more than a look for each kind."""
    text = Traced.of("- a")
    assert text.replaced(re.compile("x"), "y") is text
    assert text.without(re.compile("-"), 1) is text


def test_what_is_stripped_takes_its_places_along() -> None:
    """Without the white space or marks at its ends, a text still knows its places."""
    assert places(Traced.of("  ab ").stripped()) == ("ab", [3, 4])
    assert places(Traced.of("| ab|").stripped("|")) == (" ab", [2, 3, 4])
    assert places(Traced.of("   ").stripped()) == ("", [])


def test_words_end_where_their_last_characters_do() -> None:
    """Each word, whatever is between them, has one place."""
    assert Traced.of(" ab  c\nd ").word_ends() == (3, 6, 8)
    assert Traced.of("  ").word_ends() == ()
