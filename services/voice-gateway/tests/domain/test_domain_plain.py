"""Values as JSON has them, and back."""

import json
import re
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.plain import PlainError, from_plain, to_plain
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.trace_context import TraceContext


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


OUTER: dict[str, Any] = {
    "reply": 1,
    "colour": "red",
    "inner": {"part": 1.0},
    "texts": ["a"],
    "maybe": None,
    "is_set": True,
}


@given(st.from_type(Outer))
def test_a_value_comes_back_from_json(value: Outer) -> None:
    """Whatever its fields hold, reading gives the value that was written."""
    through_json = json.loads(json.dumps(to_plain(value)))
    assert repr(from_plain(Outer, through_json, "outer")) == repr(value)  # as text, since nan is not equal to itself


def test_names_tell_twins_apart() -> None:
    """Two classes with equal fields are different values where the names count."""
    assert to_plain(Inner(1)) == to_plain(Twin(1))
    assert to_plain([Inner(1)], with_names=True) == [{"": "Inner", "part": 1}]
    assert to_plain((Inner(1), Twin(1)), with_names=True) == [{"": "Inner", "part": 1}, {"": "Twin", "part": 1}]


def test_names_stand_in_what_is_inside_too() -> None:
    """A value that holds two twins is told from one that holds them the other way round."""
    value = Outer(ReplyId(1), Colour.RED, Inner(1.0), ("a",), Inner(2.0))
    assert to_plain(value, with_names=True) == {
        "": "Outer",
        "reply": 1,
        "colour": "red",
        "inner": {"": "Inner", "part": 1.0},
        "texts": ["a"],
        "maybe": {"": "Inner", "part": 2.0},
        "is_set": False,
    }


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (float, 2, 2.0),
        (ReplyId | None, 5, ReplyId(5)),
        (ReplyId | None, None, None),
        (tuple[Inner, ...], [{"part": 1}, {"part": 2}], (Inner(1.0), Inner(2.0))),
        (Colour, "red", Colour.RED),
        (bool, False, False),
        (str, "", ""),
        (int, -(2**70), -(2**70)),
    ],
)
def test_each_kind_is_read(kind: Any, value: Any, read: Any) -> None:
    """What another process has kept comes back with its own type: a whole number is a float where a float was."""
    assert repr(from_plain(kind, value, "x")) == repr(read)


def test_all_that_is_missing_is_told_at_once() -> None:
    """Whoever mends what was kept need not try again for each field."""
    with pytest.raises(PlainError, match=r"^x has no reply, texts$"):
        from_plain(Outer, {name: value for name, value in OUTER.items() if name not in ("reply", "texts")}, "x")


def test_what_json_does_not_have_is_refused() -> None:
    """A value that could not be read again is not written."""
    with pytest.raises(TypeError, match="a set has no plain form"):
        to_plain({1})


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (Inner, {"part": 1.0, "other": 2}, "x has 2 fields; a Inner has 1"),
        (Inner, [1.0], "x is list; it must be Inner"),
        (Inner, {}, "x has no part"),
        (Inner, {"part": True}, "x.part is bool; it must be float"),
        (int, 1.0, "x is float; it must be int"),
        (ReplyId | None, "1", "x is str; it must be int"),
        (ReplyId, None, "x is NoneType; it must be int"),
        (Colour, 1, "x is int; it must be Colour"),
        (tuple[Inner, ...], [{"part": 1}, {"part": "2"}], "x[1].part is str; it must be float"),
        (Inner, {"part": "1"}, "x.part is str; it must be float"),
        (Inner, {"part": 10**400}, "x.part is a number that no double holds"),
        (Outer, OUTER | {"texts": ["a", "b", 3]}, "x.texts[2] is int; it must be str"),
        (Outer, OUTER | {"maybe": {"part": None}}, "x.maybe.part is NoneType; it must be float"),
        (Colour, "blue", "x is no Colour"),
        (Colour, ["red"], "x is list; it must be Colour"),
        (int, True, "x is bool; it must be int"),
        (int, -(10**400), "x is a number that no double holds"),
        (tuple[int, ...], {}, "x is dict; it must be tuple"),
        (
            TurnPolicy,
            asdict(TurnPolicy()) | {"lead_ms": 1},
            "x: POLICY_OUT_OF_RANGE: lead_ms is 1; it must be 40 to 5000",
        ),
        (TraceContext, {"parent": "00-4bf9-00f0-01", "state": ""}, "x: traceparent or tracestate is unlawful"),
    ],
)
def test_what_is_of_another_type_is_refused(kind: Any, value: Any, why: str) -> None:
    """Nothing is guessed or converted: a wrong value is one typed error, a value out of its range too."""
    with pytest.raises(PlainError, match=f"^{re.escape(why)}$"):
        from_plain(kind, value, "x")


@pytest.mark.parametrize("name", [spec.name for spec in fields(Outer)])
def test_no_default_is_filled_in(name: str) -> None:
    """A field that is not there was lost, or is unknown to who wrote it: the default may be another by now."""
    with pytest.raises(PlainError, match=f"^x has no {name}$"):
        from_plain(Outer, {key: value for key, value in OUTER.items() if key != name}, "x")


@pytest.mark.parametrize("kind", [int, float, str, Colour, Inner, tuple[int, ...], Inner | None])
def test_an_error_quotes_nothing(kind: Any) -> None:
    """Whoever reads a value logs the error; the value may be long, nested without end, or what a caller said."""
    nested: Any = "secret"
    for _ in range(100_000):
        nested = [nested]
    for value in (nested, {"secret": "secret" * 100_000}, 10**400 if kind is not str else 5):
        with pytest.raises(PlainError, match=r"^x") as refused:
            from_plain(kind, value, "x")
        assert "secret" not in str(refused.value)
        assert len(str(refused.value)) < 100
