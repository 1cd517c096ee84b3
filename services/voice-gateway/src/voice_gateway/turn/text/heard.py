"""Bounds what a recogniser says, and counts its words."""

import re

LONGEST_CHARS = 16_000
"""Characters of one result, at most. A turn lasts at most ten minutes (`max_turn_ms`), and nobody speaks more than 25
characters a second for that time: nobody has said a longer text. This bounds the texts of every rule of the core."""

_LETTERS_A_WORD = 2
"""Letters of a word in scripts without spaces: words of Chinese, Japanese and Thai have two letters or more."""
_UNSPACED = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ede\u1000-\u109f\u1780-\u17d3\u3041-\u3096\u30a1-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\U00020000-\U0003134f]+"
)
"""Thai, Lao, Myanmar, Khmer, kana, Han."""


def bounded(text: str) -> str:
    """The text without white space round it; if it is too long, its end."""
    return text[-LONGEST_CHARS:].strip()


def count_words(text: str) -> int:
    """How many words were said; in scripts that write no spaces, two letters are a word."""
    unspaced = sum((len(run) + _LETTERS_A_WORD - 1) // _LETTERS_A_WORD for run in _UNSPACED.findall(text))
    others = _UNSPACED.sub(" ", text).split()
    return unspaced + sum(any(map(str.isalnum, word)) for word in others)
