"""What of a written sentence is read aloud: every word and number that a person would read, without the marks.

Not read are the marks of Markdown and HTML, code blocks, emoji, footnote numbers, and of an address its scheme, its
query and a long path. docs/reference/what-is-read-aloud.md shows it by examples, which are tests.
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field

from voice_gateway.turn.text import marks
from voice_gateway.turn.text.traced import Traced

_SHORT_PATH_CHARS = 30
"""A path up to this, as "github.com/acme/tool" has, is read; longer ones nobody could follow."""
_JOINERS = "\ufe0e\ufe0f\u20e3"
"""Variation selectors, and the frame round a keycap, whose digit is read."""
_ZERO_WIDTH_JOINER = "\u200d"
"""Joins emoji to one; between letters, in Indic scripts, it stays."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said of a sentence, and where in the sentence each word of it ends."""

    text: str = ""
    word_ends: tuple[int, ...] = ()


NOTHING = Spoken()


@dataclass(slots=True)
class Speakable:
    """Takes the sentences of one reply in order; remembers whether a code block is open."""

    _in_code: bool = field(default=False, init=False)

    def of(self, sentence: str) -> Spoken:
        """What to say of the sentence; empty when nothing of it is to be said."""
        text = self._without_code(sentence)
        for step in _STEPS if marks.ANY.search(text.text) else (_spaces,):
            text = step(text)
        return Spoken(text.text, text.word_ends()) if any(map(str.isalnum, text.text)) else NOTHING

    def _without_code(self, sentence: str) -> Traced:
        kept: list[str] = []
        ends: list[int] = []
        at = 0
        for fence in marks.FENCE.finditer(sentence):
            if not self._in_code:
                kept.append(sentence[at : fence.start()])
                ends.extend(range(at + 1, fence.start() + 1))
            at, self._in_code = fence.end(), not self._in_code
        if not at and not self._in_code:
            return Traced.of(sentence)
        if not self._in_code:
            kept.append(sentence[at:])
            ends.extend(range(at + 1, len(sentence) + 1))
        return Traced("".join(kept), ends)


def _links(text: Traced) -> Traced:
    text = text.without(marks.COMMENT).without(marks.DEFINITION).without(marks.FOOTNOTE)
    text = text.without(marks.IMAGE).without(marks.LINK).without(marks.REFERENCE)
    text = text.without(marks.CITATION).without(marks.CITATION_AT_END)
    return text.without(marks.AUTOLINK).without(marks.MAIL_SCHEME).replaced(marks.WEB, _address)


def _address(match: re.Match[str]) -> str:
    """The host as people say it, with its path if that is short."""
    place = match["place"]
    host, slash, path = re.split(r"[?#]", place, maxsplit=1)[0].partition("/")
    host = host.rpartition("@")[2].removeprefix("www.")
    path = path.rstrip("/")
    is_short = path and len(path) <= _SHORT_PATH_CHARS and marks.PATH.fullmatch(path)
    return f"{host}{slash}{path}" if is_short else host


def _tags(text: Traced) -> Traced:
    text = text.replaced(marks.BLOCK_TAG, " ").without(marks.INLINE_TAG).without(marks.END_TAG)
    return text.without(marks.PLACEHOLDER).replaced(marks.ENTITY, _entity)


def _entity(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _lines(text: Traced) -> Traced:
    text = text.without(marks.RULE).without(marks.TABLE_RULE)
    text = text.without(marks.QUOTE).without(marks.HEADING).without(marks.HEADING_END)
    return text.without(marks.BULLET).without(marks.TASK_BOX)


def _emphasis(text: Traced) -> Traced:
    stars = [match for match in marks.STARS.finditer(text.text) if _is_emphasis(match)]
    is_lone = len(stars) == 1 and bool(marks.GLOB.match(text.text, stars[0].start()))
    if stars and not is_lone:
        text = text.replaced(marks.STARS, lambda match: "" if _is_emphasis(match) else match[0])
    return text.without(marks.UNDERSCORES).without(marks.OTHER_EMPHASIS).without(marks.ESCAPE)


def _is_emphasis(match: re.Match[str]) -> bool:
    """Whether stars are no multiplication: "2*3*4", "a*b", "2**8", "5 * 3", "n*(n-1)"."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if (not before or before.isspace()) and (not after or after.isspace()):
        return False
    is_factor = (_is_operand(before) or before == ")") and (_is_operand(after) or after == "(")
    longest = 2 if before.isdecimal() or after.isdecimal() else 1
    return not (is_factor and len(match[0]) <= longest)


def _is_operand(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _symbols(text: Traced) -> Traced:
    """Without pictographs; units and numbers that are one character as those that they are made of."""
    if text.text.isascii():
        return text
    return text.replaced(marks.WIDE, _symbol).without(marks.LONE_JOINER)


def _symbol(match: re.Match[str]) -> str:
    char = match[0]
    if char in _JOINERS:
        return ""
    if char == _ZERO_WIDTH_JOINER:
        return char if unicodedata.category(match.string[match.start() - 1])[0] in "LM" else ""
    if marks.is_tag_character(char):
        return ""
    category = unicodedata.category(char)
    if category == "So" and (parts := unicodedata.decomposition(char)):
        made_of = "".join(chr(int(code, 16)) for code in parts.split() if not code.startswith("<"))
        made_of = made_of.replace("\u2215", "/")
        return made_of if any(part.isalnum() for part in made_of) else " "
    return " " if category in {"So", "Sk", "Cn", "Co"} else char


def _spaces(text: Traced) -> Traced:
    text = text.replaced(marks.SPACES, " ").stripped()
    text = text.stripped("|").replaced(marks.CELL, ", ")
    text = text.replaced(marks.EMPTY_BRACKETS, "").replaced(marks.SPACES, " ").stripped()
    return text.without(marks.SPACE_BEFORE_MARK)


_STEPS = (_links, _tags, _lines, _emphasis, _symbols, _spaces)
