"""Numbers between words and digits, and text made plain for matching."""

import re
import unicodedata

from num2words import num2words
from text_to_num import alpha2digit  # type: ignore[import-untyped]  # the package ships no type information

_NOT_WORD = re.compile(r"[^\w\s']+")
_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """Lower case, no punctuation but apostrophes, single spaces: what a recogniser's spelling cannot change."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _SPACES.sub(" ", _NOT_WORD.sub(" ", folded)).strip()


def with_digits(text: str) -> str:
    """Write number words as digits: "twelve times seven" gives "12 times 7"."""
    return str(alpha2digit(text, "en", threshold=0))


def spoken_number(value: float) -> str:
    """Say a number in words, at most two decimals, without the hyphens and commas that a voice does not need."""
    rounded = round(value, 2)
    exact = int(rounded) if rounded == int(rounded) else rounded
    return str(num2words(exact)).replace("-", " ").replace(",", "")


def spoken_ordinal(value: int) -> str:
    """Say the place of a day in its month: 21 gives "twenty first"."""
    return str(num2words(value, to="ordinal")).replace("-", " ")
