"""Words that acknowledge and do not take the floor, in the languages that have a list."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from voice_gateway.turn.text.backchannel_words import LISTS, NOISES

_LONGEST_CHARS = 40
"""A longer text is no backchannel: nobody says more than this within `backchannel_ms`."""
_DRAWN_OUT = re.compile(r"(.)\1++")
_SAID_AGAIN = re.compile(rf"(.{{1,{_LONGEST_CHARS // 2}}}?)\1*+")
_JOINERS = str.maketrans("", "", "'\u2019\u02bc\u30fc")
"""Apostrophes, and the sign with which Japanese draws a vowel out."""
_UNSPACED = "[\u0e00-\u0e7f\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""Thai, kana, Han, Hangul: such words follow one another without a space."""
_NOTHING = r"(?!)"


def _plain(text: str) -> str:
    """In small letters; letters that are drawn out, as in "mmm" and "yesss", are written once."""
    return _DRAWN_OUT.sub(r"\1", unicodedata.normalize("NFKC", text).casefold().translate(_JOINERS))


@dataclass(frozen=True, slots=True)
class _List:
    """What acknowledges in one language."""

    words: frozenset[str]
    whole: frozenset[str]
    """The same, and words that acknowledge only when nothing else is said."""
    in_a_row: re.Pattern[str]
    """Words of scripts without spaces, one behind the other."""

    def acknowledges(self, word: str) -> bool:
        """Whether this word acknowledges, or repeats one that does."""
        if word in self.words or self.in_a_row.fullmatch(word) is not None:
            return True
        again = _SAID_AGAIN.fullmatch(word)
        return again is not None and again[1] in self.words


def is_backchannel(text: str, language_code: str) -> bool:
    """Whether the text only acknowledges, as "Mm-hm." and "Yes, yes" do, or holds no word. "No" is an answer.

    It does not matter how long a sound is drawn out, or how often a word is said. In a language without a list no word
    acknowledges.
    """
    if len(text) > _LONGEST_CHARS:
        return False
    plain = _plain(text)
    if any(map(str.isnumeric, plain)):
        return False
    words = "".join(char if unicodedata.category(char)[0] in "LM" else " " for char in plain).split()
    code = language_code.casefold().partition("-")[0]
    return not words or (code in LISTS and _is_listed(words, _list_of(code)))


def _is_listed(words: Sequence[str], listed: _List) -> bool:
    return _plain("".join(words)) in listed.whole or all(map(listed.acknowledges, words))


@cache
def _list_of(code: str) -> _List:
    words = frozenset(map(_plain, LISTS[code]))
    unspaced = sorted((word for word in words if re.match(_UNSPACED, word)), key=len, reverse=True)
    in_a_row = re.compile(f"(?:{'|'.join(unspaced)})++" if unspaced else _NOTHING)
    noises = frozenset(map(_plain, NOISES)) if code == "en" else frozenset[str]()
    return _List(words, words | noises, in_a_row)
