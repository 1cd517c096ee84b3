"""No text of a model, a recogniser or a client takes more time than its length is worth.

Time itself is measured by `make bench SECTION=text`; here is what makes it so, and can be looked at.
"""

import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from voice_gateway import turn
from voice_gateway.backends import openai_chat
from voice_gateway.turn.text.heard import LONGEST_CHARS, bounded, count_words

PARSER = importlib.import_module("re._parser")
BACKTRACKING = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
FEW = 64
"""Repeats up to so many times are bounded."""
GIVES_BACK = frozenset({"WEB", "TABLE_RULE"})
"""These give back what they took, once, and cannot begin again inside of it: `WEB`, which begins with a scheme, the
marks at its end, and `TABLE_RULE`, which begins with a line, its line."""


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every pattern of the rooms that meet a model's words, with its name."""
    for found in itertools.chain.from_iterable(
        pkgutil.walk_packages(room.__path__, f"{room.__name__}.") for room in (turn, openai_chat)
    ):
        for name, value in vars(importlib.import_module(found.name)).items():
            for pattern in value if isinstance(value, tuple) else [value]:
                for each in pattern if isinstance(pattern, tuple) else [pattern]:
                    if isinstance(each, re.Pattern):
                        yield name, each


def inside(name: str, argument: Any) -> Iterator[tuple[Iterable[Any], bool]]:
    """The parts of a piece of a pattern, and whether what they took is theirs whatever follows the piece."""
    if name == "BRANCH":
        yield from ((branch, False) for branch in argument[1])
    elif name == "SUBPATTERN":
        yield argument[3], False
    elif name == "ATOMIC_GROUP":
        yield argument, True
    elif name in {"ASSERT", "ASSERT_NOT"}:
        yield argument[1], True
    elif name in BACKTRACKING or name == "POSSESSIVE_REPEAT":
        yield argument[2], name == "POSSESSIVE_REPEAT"


def repeats(parsed: Iterable[tuple[Any, Any]], *, is_last: bool = True) -> Iterator[str]:
    """The endless repeats of a pattern that give back what they took, because something follows that may not match.

    What is repeated is followed by itself.
    """
    items = list(parsed)
    for place, (code, argument) in enumerate(items):
        name, ends = str(code), is_last and place == len(items) - 1
        is_endless = name in BACKTRACKING and argument[1] > FEW
        if is_endless and not ends:
            yield f"{name} of {argument[2]}"
        for part, is_kept in inside(name, argument):
            yield from repeats(part, is_last=is_kept or (ends and not is_endless))


@pytest.mark.parametrize(("name", "pattern"), [*patterns()])
def test_no_pattern_tries_a_text_in_many_ways(name: str, pattern: re.Pattern[str]) -> None:
    """What repeats without end keeps what it took: brackets, dots or white space without end cost their length."""
    found = list(repeats(PARSER.parse(pattern.pattern, pattern.flags)))
    assert not found or name in GIVES_BACK


@pytest.mark.parametrize("pattern", [r"\s*\|", r"(?:a+)+", r"(?:a|b*)*c", r"(?=\S+$)x*y"])
def test_what_is_slow_is_found(pattern: str) -> None:
    """The test above finds patterns that were quadratic, or worse."""
    assert list(repeats(PARSER.parse(pattern)))


def test_the_patterns_are_found() -> None:
    """It looks at those of the core."""
    assert len(list(patterns())) > len(GIVES_BACK)
    assert {name for name, _ in patterns()} > GIVES_BACK


def test_what_a_recogniser_says_is_bounded() -> None:
    """A megabyte of transcript is no more to the core than the longest turn; what is shorter is whole."""
    assert bounded("x" * 1_000_000) == "x" * LONGEST_CHARS
    assert bounded(f" {'x' * (LONGEST_CHARS - 2)} ") == "x" * (LONGEST_CHARS - 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("...", 0),
        ("no", 1),
        ("no, but", 2),
        ("- 5 -", 1),
        ("\u4e0d", 1),
        ("\u6211\u60f3\u8981\u53e6\u5916\u4e00\u4e2a", 4),
        ("\u3044\u3044\u3048\u3001\u9055\u3044\u307e\u3059\u3002", 4),
        ("\u0e44\u0e21\u0e48\u0e43\u0e0a\u0e48", 3),
        ("\ub124, \uc88b\uc544\uc694", 2),
        ("OK \u597d\u7684", 2),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    """A sentence of a script without spaces is not one word."""
    assert count_words(text) == words
