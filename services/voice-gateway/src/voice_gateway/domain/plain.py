"""Values as JSON has them, and back, by the fields of their dataclasses: a new class needs no line here."""

from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from voice_gateway.domain.errors import ClientError

_AS_IS = frozenset({str, int, float, bool, NoneType})


class PlainError(Exception):
    """A plain value is not one of the type that was to be read; the message says why."""


def to_plain(value: object, *, with_names: bool = False) -> Any:
    """The value as JSON has it; `with_names` tells dataclasses with equal fields apart.

    Raises:
        TypeError: there is something in it that is neither a dataclass, an enum, a list nor a scalar.
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


def from_plain(kind: Any, value: Any) -> Any:
    """The value of type `kind` that `to_plain` made `value` of. Takes what JSON makes of it, too.

    Raises:
        PlainError: it is not of that type, or the class itself refuses its fields.
    """
    if isinstance(kind, NewType):
        return from_plain(kind.__supertype__, value)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return None if value is None else from_plain(_the_other(kind), value)
    if origin is tuple and isinstance(value, list):
        return tuple(from_plain(get_args(kind)[0], item) for item in value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, value)
    if isinstance(kind, type) and issubclass(kind, Enum) and value in [member.value for member in kind]:
        return kind(value)
    if type(value) is kind or (kind is float and type(value) is int):
        return kind(value)
    raise PlainError(f"{value!r} is no {getattr(kind, '__name__', kind)}")


def _read_fields(kind: type[Any], value: object) -> Any:
    kinds = _kinds(kind)  # type: ignore[arg-type]  # a class is hashable
    if not isinstance(value, dict) or value.keys() - kinds.keys():
        raise PlainError(f"{value!r} is no {kind.__name__}")
    needed = {spec.name for spec in fields(kind) if spec.default is MISSING and spec.default_factory is MISSING}
    if missing := sorted(needed - value.keys()):
        raise PlainError(f"a {kind.__name__} needs {', '.join(missing)}")
    given = {name: from_plain(kinds[name], item) for name, item in value.items()}
    try:
        return kind(**given)
    except ClientError as error:  # a value out of its range
        raise PlainError(str(error)) from error


@cache
def _kinds(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, in order."""
    hints = get_type_hints(kind)
    return {spec.name: hints[spec.name] for spec in fields(kind)}


def _the_other(kind: Any) -> Any:
    """T of `T | None`."""
    (other,) = (each for each in get_args(kind) if each is not NoneType)
    return other
