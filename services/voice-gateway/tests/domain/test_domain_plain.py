"""Values as JSON has them, and back."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.plain import PlainError, from_plain, to_plain
from voice_gateway.domain.policy import TurnPolicy


class Colour(Enum):
    """An enum."""

    RED = "red"


@dataclass(frozen=True)
class Inner:
    """A dataclass inside of another."""

    part: float


@dataclass(frozen=True)
class Twin:
    """Another with the same field."""

    part: float


@dataclass(frozen=True)
class Outer:
    """A field of each kind."""

    reply: ReplyId
    colour: Colour
    inner: Inner
    texts: tuple[str, ...]
    maybe: Inner | None
    is_set: bool = False


@given(st.from_type(Outer))
def test_a_value_comes_back_from_json(value: Outer) -> None:
    """Whatever its fields hold, reading gives the value that was written."""
    through_json = json.loads(json.dumps(to_plain(value)))
    assert repr(from_plain(Outer, through_json)) == repr(value)  # as text, since nan is not equal to itself


def test_names_tell_twins_apart() -> None:
    """Two classes with equal fields are different values where the names count."""
    assert to_plain(Inner(1)) == to_plain(Twin(1))
    assert to_plain([Inner(1)], with_names=True) == [{"": "Inner", "part": 1}]


def test_what_json_does_not_have_is_refused() -> None:
    """A value that could not be read again is not written."""
    with pytest.raises(TypeError, match="a set has no plain form"):
        to_plain({1})


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (Inner, {"part": 1.0, "other": 2}, "is no Inner"),
        (Inner, [1.0], "is no Inner"),
        (Inner, {}, "a Inner needs part"),
        (Inner, {"part": "1"}, "'1' is no float"),
        (Colour, "blue", "'blue' is no Colour"),
        (Colour, ["red"], r"\['red'\] is no Colour"),
        (int, True, "True is no int"),
        (tuple[int, ...], {}, "is no "),
        (TurnPolicy, {"lead_ms": 1}, "POLICY_OUT_OF_RANGE: lead_ms is 1"),
    ],
)
def test_what_is_of_another_type_is_refused(kind: Any, value: Any, why: str) -> None:
    """Nothing is guessed or converted: a wrong value is one typed error, a value out of its range too."""
    with pytest.raises(PlainError, match=why):
        from_plain(kind, value)
