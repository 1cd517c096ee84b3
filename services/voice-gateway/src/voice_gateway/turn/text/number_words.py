"""English number words as the digits that a recogniser may write for them.

One pass of a recogniser says "four two" where its formatted pass writes "42", so it does not matter here how
digits are grouped: what cannot be one number ("four two", "nineteen ninety nine") becomes several in a row.
"""

from collections.abc import Sequence

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNIT = {word: value for value, word in enumerate(_UNITS, 1)}
_TEEN = {word: value for value, word in enumerate(_TEENS, 10)}
_TEN = dict(zip(_TENS, range(20, 100, 10), strict=True))
_SCALE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_IRREGULAR = {"first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine"}
_ORDINAL = {
    **_IRREGULAR,
    "twelfth": "twelve",
    **{f"{word}th": word for word in (*_UNITS, *_TEENS, "hundred", *_SCALE)},
    **{f"{word[:-1]}ieth": word for word in _TENS},
}
_REPEAT = {"double": 2, "triple": 3}
_ZERO = frozenset({"zero", "oh", "o"})
_BEGINNINGS = frozenset((*_UNIT, *_TEEN, *_TEN, *_ORDINAL, *_REPEAT, *_ZERO, "a", "an"))
"""With these words a number may begin, besides one that is written in digits."""
_LONGEST_WRITTEN = 9
"""Digits that a scale may still multiply ("2 million"); a longer run is a name, not an amount."""

ORDINAL = "th"
"""What follows the digits of an ordinal."""


def is_number_word(word: str) -> bool:
    """Whether the word alone is a number, spoken or written."""
    return word.isdecimal() or word in _UNIT or word in _TEEN or word in _TEN or word == "zero"


def as_digits(words: Sequence[str]) -> list[str]:
    """The words with every number as its digits (and `ORDINAL`); each item is one number or word.

    Args:
        words: small letters or decimal digits, without punctuation.
    """
    found: list[str] = []
    at = 0
    while at < len(words):
        item, at = _next(words, at, after_number=bool(found) and found[-1].isdecimal())
        found.append(item)
    return found


def _next(words: Sequence[str], at: int, *, after_number: bool) -> tuple[str, int]:
    word = words[at]
    if word not in _BEGINNINGS and not word.isdecimal():
        return word, at + 1
    if word == "zero" or (word in _ZERO and (after_number or is_number_word(_word(words, at + 1)))):
        return "0", at + 1
    if word in _REPEAT and (digit := _UNIT.get(_word(words, at + 1), 0)):
        return str(digit) * _REPEAT[word], at + 2
    if word.isdecimal() and not _multiplies(words, at + 1):
        return word, at + 1
    value, end = _number(words, at)
    if end == at:
        return word, at + 1
    return (f"{value}{ORDINAL}" if words[end - 1] in _ORDINAL else str(value)), end


def _number(words: Sequence[str], at: int) -> tuple[int, int]:
    """The longest number that begins at `at`, and where it ends; `at` if no number begins there."""
    value, end = _below_thousand(words, at)
    total = 0
    limit = max(_SCALE.values()) + 1
    while end > at:
        scale = _SCALE.get(_cardinal(words, end), 0)
        if not 0 < scale < limit or words[end - 1] in _ORDINAL:
            break
        total, limit, end = total + value * scale, scale, end + 1
        if words[end - 1] in _ORDINAL:
            return total, end
        value, following = _below_thousand(words, _after_and(words, end))
        is_next = _SCALE.get(_cardinal(words, following), 0) < limit
        if following <= _after_and(words, end) or not is_next:
            return total, end
        end = following
    return total + value, end


def _below_thousand(words: Sequence[str], at: int) -> tuple[int, int]:
    value, end = _below_hundred(words, at)
    if end == at or words[end - 1] in _ORDINAL or _cardinal(words, end) != "hundred":
        return value, end
    value, end = value * 100, end + 1
    if words[end - 1] in _ORDINAL:
        return value, end
    rest, following = _below_hundred(words, _after_and(words, end))
    if following == _after_and(words, end) or _cardinal(words, following) == "hundred":
        return value, end
    return value + rest, following


def _below_hundred(words: Sequence[str], at: int) -> tuple[int, int]:
    word, cardinal = _word(words, at), _cardinal(words, at)
    if word in {"a", "an"} and _multiplies(words, at + 1):
        return 1, at + 1
    if word.isdecimal() and len(word) <= _LONGEST_WRITTEN and _multiplies(words, at + 1):
        return int(word), at + 1
    if cardinal in _TEN and word == cardinal and (unit := _UNIT.get(_cardinal(words, at + 1), 0)):
        return _TEN[cardinal] + unit, at + 2
    value = _TEN.get(cardinal) or _TEEN.get(cardinal) or _UNIT.get(cardinal)
    return (value, at + 1) if value else (0, at)


def _multiplies(words: Sequence[str], at: int) -> bool:
    cardinal = _cardinal(words, at)
    return cardinal == "hundred" or cardinal in _SCALE


def _after_and(words: Sequence[str], at: int) -> int:
    return at + 1 if _word(words, at) == "and" else at


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if at < len(words) else ""


def _cardinal(words: Sequence[str], at: int) -> str:
    word = _word(words, at)
    return _ORDINAL.get(word, word)
