"""What of a written sentence is read aloud: every word and number that a person would read, without the marks.

The marks of Markdown and HTML, code blocks, emoji, footnote numbers, and the scheme, query and long path of an address
are not read. docs/reference/what-is-read-aloud.md shows it by examples, which are tests.
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field

from voice_gateway.turn.text import marks
from voice_gateway.turn.text.traced import Traced

_SHORT_PATH_CHARS = 30
"""A path up to this, as "github.com/acme/tool" has, is read; nobody could follow a longer one."""
_JOINERS = "\ufe0e\ufe0f\u20e3"
"""Variation selectors, and the frame round a keycap, whose digit is read."""
_READ = "\u266d\u266e"
"""Flat and natural, in music; the sharp is no symbol to Unicode."""
_UNREAD = "\u2120\u2122"
"""Nobody says that a name is a trade mark."""
_UNSPACED = "\u0530"
"""From this character on, stars inside unspaced text may be emphasis. Before it, which is most of Latin, Greek and
Cyrillic, they multiply."""
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
    """Takes the sentences of one reply in order, each with the white space round it.

    Remembers whether a code block is open, and whether the next sentence begins a line: a dash is a bullet only there.
    """

    _fence: str = field(default="", init=False)
    """What opened the code block that is open; "": no block is open."""
    _begins_line: bool = field(default=True, init=False)

    def of(self, sentence: str) -> Spoken:
        """What to say of the sentence; empty when nothing of it is to be said."""
        first = 0 if self._begins_line else 1
        text = self._without_code(sentence, first)
        if ink := sentence.rstrip(" \t"):
            self._begins_line = ink.endswith("\n")
        if marks.ANY.search(text.text):
            text = _lines(_tags(_links(text, first)), first)
            for step in (_emphasis, _symbols):
                text = step(text)
        text = _spaces(text)
        return Spoken(text.text, text.word_ends()) if any(map(str.isalnum, text.text)) else NOTHING

    def would_be(self, sentence: str) -> str:
        """What `of` would say of it, which it has yet to be given."""
        fence, begins_line = self._fence, self._begins_line
        spoken = self.of(sentence).text
        self._fence, self._begins_line = fence, begins_line
        return spoken

    def _without_code(self, sentence: str, first: int) -> Traced:
        kept: list[str] = []
        ends: list[int] = []
        at, look_at = 0, first
        while (fence := self._next_fence(sentence, look_at)) is not None:
            if self._fence:
                self._fence = ""
            else:
                kept.append(sentence[at : fence.start()])
                ends.extend(range(at + 1, fence.start() + 1))
                self._fence = fence["run"] or fence["late"]
            # The line break before a line is what begins it.
            at = fence.end()
            look_at = at - (sentence[at - 1] == "\n")
        if not at and not self._fence:
            return Traced.of(sentence)
        if not self._fence:
            kept.append(sentence[at:])
            ends.extend(range(at + 1, len(sentence) + 1))
        return Traced("".join(kept), ends)

    def _next_fence(self, sentence: str, at: int) -> re.Match[str] | None:
        """The next that opens a code block or, if one is open, closes it: with the same mark, and at least as long."""
        if not self._fence:
            opening = marks.OPENING_SENTENCE.match(sentence) if at == 1 else None
            return opening or marks.OPENING_FENCE.search(sentence, at)
        closing = marks.CLOSING_FENCE.finditer(sentence, at)
        return next((fence for fence in closing if (fence["run"] or fence["late"]).startswith(self._fence)), None)


def _links(text: Traced, first: int) -> Traced:
    text = text.without(marks.COMMENT).without(marks.DEFINITION, first).without(marks.FOOTNOTE)
    text = text.without(marks.IMAGE).without(marks.LINK).without(marks.REFERENCE)
    text = text.without(marks.CITATION)
    if marks.READ_NUMBER.search(text.text) is None:
        text = text.without(marks.CITATION_AT_END)
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
    inline = marks.INLINE_TAG if "</" in text.text else marks.OPEN_INLINE_TAG
    text = text.without(marks.NAMED_TAG).replaced(marks.BLOCK_TAG, " ").without(inline).without(marks.END_TAG)
    text = text.without(marks.OPENING_TAG).without(marks.KEY)
    return text.without(marks.PLACEHOLDER).replaced(marks.ENTITY, _entity)


def _entity(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def _lines(text: Traced, first: int) -> Traced:
    for mark in (marks.RULE, marks.TABLE_RULE, marks.QUOTE, marks.HEADING, marks.HEADING_END):
        text = text.without(mark, first)
    return text.without(marks.BULLET, first).without(marks.TASK_BOX, first)


def _emphasis(text: Traced) -> Traced:
    stars = [match for match in marks.STARS.finditer(text.text) if _is_emphasis(match)]
    is_lone = len(stars) == 1 and bool(marks.GLOB.match(text.text, stars[0].start()))
    if stars and not is_lone:
        text = text.replaced(marks.STARS, lambda match: "" if _is_emphasis(match) else match[0])
    return text.without(marks.UNDERSCORES).without(marks.OTHER_EMPHASIS).without(marks.ESCAPE)


def _is_emphasis(match: re.Match[str]) -> bool:
    """Whether stars are emphasis: not for multiplication ("2*3*4", "2**8", "a**b", "5 * 3", "n*(n-1)"), files
    ("**/*.py") or a telephone ("*67").
    """
    start, end = match.span()
    before, after = match.string[max(0, start - 1) : start], match.string[end : end + 1]
    is_free = not before or before.isspace() or before == "`"
    if is_free and (not after or after.isspace() or after == "`"):
        return False
    if (after == "/" and (is_free or before == "/")) or (before == "/" and after == "."):
        return False
    is_quoted = start > 0 and marks.QUOTED_KEYS.match(match.string, start - 1) is not None
    if (is_free or is_quoted) and len(match[0]) == 1 and _are_keys(match.string, end):
        return False
    is_factor = (_is_operand(before) or before == ")") and (_is_operand(after) or after == "(")
    is_power = before.isdecimal() or after.isdecimal() or _are_variables(match.string, start, end)
    return not (is_factor and len(match[0]) <= (2 if is_power else 1))


def _are_keys(text: str, at: int) -> bool:
    """Whether keys of a telephone follow, and not words in stars: `*5 apples*`."""
    closing = text.find("*", at)
    is_closed = closing >= 0 and not (text[closing - 1].isspace() or marks.QUOTED_KEYS.match(text, closing - 1))
    return marks.KEYS.match(text, at) is not None and not is_closed


def _are_variables(text: str, start: int, end: int) -> bool:
    """Whether what is on both sides is one letter long."""
    return not (_is_operand(text[max(0, start - 2) : max(0, start - 1)]) or _is_operand(text[end + 1 : end + 2]))


def _is_operand(char: str) -> bool:
    return char < _UNSPACED and char.isalnum()


def _symbols(text: Traced) -> Traced:
    """Without pictographs; units and numbers that are one character are taken apart."""
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
    if char in _READ:
        return char
    if char in _UNREAD:
        return ""
    if category == "So" and (parts := unicodedata.decomposition(char)):
        made_of = "".join(chr(int(code, 16)) for code in parts.split() if not code.startswith("<"))
        made_of = made_of.replace("\u2215", "/")
        return made_of if any(part.isalnum() for part in made_of) else " "
    return " " if category in {"So", "Sk", "Cn", "Co"} else char


def _spaces(text: Traced) -> Traced:
    text = text.replaced(marks.SPACES, " ").stripped()
    if text.text.startswith("|") and text.text.endswith("|"):
        text = text.stripped("|").replaced(marks.CELL, ", ")
    else:
        text = text.without(marks.LONE_BAR).replaced(marks.SPACED_CELL, ", ")
    text = text.replaced(marks.EMPTY_BRACKETS, "").replaced(marks.SPACES, " ").stripped()
    return text.without(marks.SPACE_BEFORE_MARK)
