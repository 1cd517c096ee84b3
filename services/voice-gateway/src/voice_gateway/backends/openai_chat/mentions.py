"""Where in a text a mark is meant, and where the text only speaks of it. Pure."""

import re

_HEAD_CHARS, _TAIL_CHARS = 16, 112
"""Characters of a line that are kept: of its beginning, which may be the mark of a block of code, and of its end, which
stands before a mark."""
_FENCE = re.compile(r"^[ \t]{0,8}+(?:`{3,}+[^`\n]*+|~{3,}+[^\n]*+)$", re.MULTILINE)
_CODE = re.compile(r"`++")
_QUOTE = re.compile(r"(?:(?:^|\s)[\"'*_~]{1,4}|[(\[{\u00ab\u201c\u2018\u201e\u2039\u300a\u300c\u300e])$")
"""An opening one, or a bracket, at the end."""
_LIST_ITEM = re.compile(r"\s*+(?:\d++[.)]|[-*+>#|\u2022])")
_SENTENCE_END = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f\u0964\u061f\u06d4][\"'\u00bb\u201d\u2019\u300d\u300f)*_`\]]{0,4}$"
)
_JOINED = re.compile("[/|=+\u3001\u0e01-\u0e7f\u3041-\u30ff\u3400-\u9fff]$")
"""What goes on with a mark without a space: a sign between two, and letters of scripts that write none."""


class Line:
    """The line of a text that is being written, so far."""

    def __init__(self) -> None:
        """Begin a text."""
        self._text = ""
        self._is_fenced = False
        """Within a block of code."""
        self.is_empty = True
        """Nothing but white space has come since the beginning."""

    def add(self, text: str) -> None:
        """Go on. However the text is cut, the line is the same."""
        self.is_empty = self.is_empty and not text.strip()
        text = self._text + text
        begin = text.rfind("\n") + 1
        if begin and len(_FENCE.findall(text, 0, begin - 1)) % 2:
            self._is_fenced = not self._is_fenced
        text = text[begin:]
        is_long = len(text) > _HEAD_CHARS + _TAIL_CHARS
        self._text = text[:_HEAD_CHARS] + text[-_TAIL_CHARS:] if is_long else text

    def meet(self) -> None:
        """A mark stood here: what follows it begins anew."""
        self._text = ""

    @property
    def is_new(self) -> bool:
        """Whether nothing stands before this place in its line."""
        return not self._text or self._text.isspace()

    def quotes(self, after: str) -> bool:
        """Whether a mark here, with this character behind it, is quoted: in code, in quotation marks or in brackets.

        A letter behind it is that of a thought, which may be in brackets itself: `(<think>so` and `"<think>"`.
        """
        is_fence = _FENCE.fullmatch(self._text) is not None
        if is_fence or self._is_fenced:
            return is_fence is not self._is_fenced
        is_quoted = _QUOTE.search(self._text) is not None and not after.isalnum()
        return is_quoted or len(_CODE.findall(self._text)) % 2 == 1

    def mentions(self, after: str) -> bool:
        """Whether a mark here is part of a sentence: it is quoted, or stands after some of the sentence's words."""
        if self.quotes(after):
            return True
        if self.is_new or _QUOTE.search(self._text):
            return False
        before = self._text.rstrip()
        if before == self._text:
            return _JOINED.search(before) is not None
        if _LIST_ITEM.fullmatch(before):
            return not after.isalnum()
        return _SENTENCE_END.search(before) is None
