"""What of a written sentence is read aloud: no Markdown marks, addresses, emoji or code blocks."""

import re
import unicodedata
from dataclasses import dataclass, field

_FENCE = re.compile(r"```|~~~")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\s]*\)")
_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*\)")
_URL = re.compile(r"<?\b(?:https?://|www\.)[^\s<>]*[^\s<>.,;:!?)\]}'\"]>?", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*+\u2022]|>)\s+", re.MULTILINE)
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$|^(?=[\s|:-]*---)[\s|:-]+$", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\d*])\*{1,3}(?=\S)|(?<=\S)\*{1,3}(?![\d*])|~~|`+")
"""A star between digits multiplies."""
_UNDERSCORES = re.compile(r"(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)")
_CELL = re.compile(r"\s*\|\s*")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_SPACES = re.compile(r"\s+")
_ORPHAN_MARK = re.compile(r" (?=[.,;:!?](?:\s|$))")
_JOINERS = "\u200d\ufe0f\ufe0e\u20e3"


@dataclass(slots=True)
class Speakable:
    """Takes the sentences of one reply in order; remembers whether a code block is open."""

    _in_code: bool = field(default=False, init=False)

    def of(self, sentence: str) -> str:
        """What to say of the sentence; empty when nothing of it is to be said."""
        text = self._without_code(sentence)
        text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
        text = _TAG.sub("", _URL.sub("", text))
        text = _BULLET.sub("", _HEADING.sub("", _RULE.sub("", text)))
        text = _UNDERSCORES.sub("", _EMPHASIS.sub("", text))
        text = _CELL.sub(", ", text.strip().strip("|"))
        text = _ORPHAN_MARK.sub("", _SPACES.sub(" ", _EMPTY_BRACKETS.sub("", _without_emoji(text)))).strip()
        return text if any(char.isalnum() for char in text) else ""

    def _without_code(self, text: str) -> str:
        kept = []
        for index, part in enumerate(_FENCE.split(text)):
            self._in_code ^= index > 0
            if not self._in_code:
                kept.append(part)
        return "".join(kept)


def _without_emoji(text: str) -> str:
    """Drop pictographs (category So), skin tones (Sk) and what joins them; keep the degree sign and its like."""
    return "".join(char for char in text if not _is_pictograph(char))


def _is_pictograph(char: str) -> bool:
    if char in _JOINERS:
        return True
    if char < "\u2190":
        return False
    return unicodedata.category(char) in {"So", "Sk", "Cn", "Co"}
