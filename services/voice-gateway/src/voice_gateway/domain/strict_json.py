"""JSON that other readers accept as well: Python's own accepts more, and we would pass that on to them."""

import json
import math
from collections.abc import Iterable
from sys import float_info
from typing import Any, Final, Never

MAX_NESTING: Final = 100
"""Objects and lists within one another. Readers accept different depths; in Python it depends on who calls."""


def loads(text: str) -> Any:
    """The value of a JSON text. Takes time in proportion to its length.

    Raises:
        ValueError: it is not JSON (NaN and Infinity are not either), is nested deeper than MAX_NESTING, or has a number
            that no double holds, such as 1e999, or half of a surrogate pair.
    """
    text.encode()  # UnicodeEncodeError is a ValueError
    try:
        value: Any = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if "\\ud" in text.lower() or text.count("[") + text.count("{") > MAX_NESTING:
            _check(json.loads(text, object_pairs_hook=tuple))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def is_object(text: str) -> bool:
    """Whether a text is a JSON object, by the same rules."""
    try:
        return isinstance(loads(text), dict)
    except ValueError:
        return False


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("a number that is too large")
    return value


def _whole(number: str) -> int:
    if len(number) > float_info.max_10_exp:
        _finite(number)
    return int(number)


def _check(value: Any) -> None:
    """Raise ValueError for what is nested too deeply, and for half a surrogate pair.

    Objects are tuples of (name, value) here: a name that stands twice keeps both values, and both are passed on.
    """
    level = [value]
    for _ in range(MAX_NESTING):
        level = [item for each in level for item in _items(each)]
    if any(isinstance(each, list | tuple) for each in level):
        raise ValueError("nested too deeply")
    json.dumps(value, ensure_ascii=False).encode()


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, tuple):
        return [item for _, item in value]
    return value if isinstance(value, list) else ()
