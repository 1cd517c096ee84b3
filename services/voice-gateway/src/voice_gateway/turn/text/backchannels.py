"""What acknowledges and takes no floor, in the languages that people are likely to say it in."""

import re
import unicodedata

from voice_gateway.turn.text.backchannel_words import ACKNOWLEDGING, NOISES

_LONGEST_CHARS = 40
"""Longer text is none: nobody acknowledges so much within `backchannel_ms`."""
_DRAWN_OUT = re.compile(r"(.)\1++")
_SAID_AGAIN = re.compile(rf"(.{{1,{_LONGEST_CHARS // 2}}}?)\1*+")
_JOINERS = str.maketrans("", "", "'\u2019\u02bc\u30fc")
"""Apostrophes, and the sign with which Japanese draws a vowel out."""
_UNSPACED = "[\u0e00-\u0e7f\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""Thai, kana, Han, Hangul: such words follow one another without a space."""


def _plain(text: str) -> str:
    """In small letters; letters that are drawn out, as in "mmm" and "yesss", are written once."""
    return _DRAWN_OUT.sub(r"\1", unicodedata.normalize("NFKC", text).casefold().translate(_JOINERS))


_WORDS = frozenset(map(_plain, ACKNOWLEDGING))
_WHOLE = _WORDS | frozenset(map(_plain, NOISES))
_IN_A_ROW = re.compile(
    f"(?:{'|'.join(sorted((word for word in _WORDS if re.match(_UNSPACED, word)), key=len, reverse=True))})++"
)


def is_backchannel(text: str) -> bool:
    """Whether the text only acknowledges, as "Mm-hm." and "Yes, yes" do, or holds no word. "No" is an answer.

    How long a sound is drawn out and how often a word is said does not count.
    """
    if len(text) > _LONGEST_CHARS:
        return False
    plain = _plain(text)
    if any(map(str.isnumeric, plain)):
        return False
    words = "".join(char if unicodedata.category(char)[0] in "LM" else " " for char in plain).split()
    return _plain("".join(words)) in _WHOLE or all(map(_acknowledges, words))


def _acknowledges(word: str) -> bool:
    again = _SAID_AGAIN.fullmatch(word)
    return word in _WORDS or _IN_A_ROW.fullmatch(word) is not None or (again is not None and again[1] in _WORDS)
