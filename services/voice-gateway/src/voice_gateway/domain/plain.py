"""Turns values into what JSON has, and back, by the fields of their dataclasses: a new class needs no code here."""

from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from voice_gateway.domain.errors import ClientError

_AS_IS = frozenset({str, int, float, bool, NoneType})


class PlainError(Exception):
    """A plain value does not have the type that was expected; the message says why."""


def to_plain(value: object, *, with_names: bool = False) -> Any:
    """The value as JSON has it; `with_names` tells dataclasses with equal fields apart.

    Raises:
        TypeError: it holds something that is neither a dataclass, an enum, a list nor a scalar.
    """
    if type(value) in _AS_IS:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_plain(item, with_names=with_names) for item in value]
    if is_dataclass(value):
        named = {name: to_plain(getattr(value, name), with_names=with_names) for name in _kinds(type(value))}  # type: ignore[arg-type]  # a class is hashable
        return {"": type(value).__name__, **named} if with_names else named
    raise TypeError(f"a {type(value).__name__} has no plain form")


def from_plain(kind: Any, value: Any, path: str) -> Any:
    """The value of type `kind` from which `to_plain` made `value`, also if JSON was in between.

    Nothing is guessed: every field of a dataclass must be there, also one that has a default.

    Args:
        kind: the type, with any type arguments.
        value: what JSON gave.
        path: what the value is called in errors.

    Raises:
        PlainError: it is not of that type, or the class itself refuses its fields. The message says where, and is safe
            to log: it quotes no value, except numbers out of their range.
    """
    if isinstance(kind, NewType):
        return from_plain(kind.__supertype__, value, path)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return None if value is None else from_plain(_the_other(kind), value, path)
    if origin is tuple and isinstance(value, list):
        return tuple(from_plain(get_args(kind)[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, value, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_member(kind, value, path)
    if type(value) is kind or (kind is float and type(value) is int):
        return _read_scalar(kind, value, path)
    raise _wrong(kind, value, path)


def _read_fields(kind: type[Any], value: object, path: str) -> Any:
    kinds = _kinds(kind)  # type: ignore[arg-type]  # a class is hashable
    if not isinstance(value, dict):
        raise _wrong(kind, value, path)
    if missing := [name for name in kinds if name not in value]:
        raise PlainError(f"{path} has no {', '.join(missing)}")
    if len(value) > len(kinds):
        raise PlainError(f"{path} has {len(value)} fields; a {kind.__name__} has {len(kinds)}")
    given = {name: from_plain(kinds[name], value[name], f"{path}.{name}") for name in kinds}
    try:
        return kind(**given)
    except (ClientError, ValueError) as error:  # a value out of its range
        raise PlainError(f"{path}: {error}") from error


def _read_member(kind: type[Enum], value: object, path: str) -> Enum:
    for member in kind:
        if member.value == value:
            return member
    if isinstance(value, str):
        raise PlainError(f"{path} is no {kind.__name__}")
    raise _wrong(kind, value, path)


def _read_scalar(kind: type[Any], value: Any, path: str) -> Any:
    if isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            raise PlainError(f"{path} is a number that no double holds") from None
    return kind(value)


def _wrong(kind: Any, value: object, path: str) -> PlainError:
    return PlainError(f"{path} is {type(value).__name__}; it must be {getattr(kind, '__name__', kind)}")


@cache
def _kinds(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, in order."""
    hints = get_type_hints(kind)
    return {spec.name: hints[spec.name] for spec in fields(kind)}


def _the_other(kind: Any) -> Any:
    """T of `T | None`."""
    (other,) = (each for each in get_args(kind) if each is not NoneType)
    return other
