"""Takes out of a reply's text what is not for the user: thoughts, calls, other channels, tokens of templates. Pure.

Nothing that is spoken can be unsaid, so what may still become a mark is held until the next piece. The memory is
bounded by the longest mark and a part of a line, and the time is linear in the text.
"""

import re
from enum import Enum, auto

from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.mentions import Line
from voice_gateway.backends.openai_chat.thought_marks import (
    ANY_MARK,
    END_OF_ANY_THOUGHT,
    LINE_HEADS,
    MESSAGE_KINDS,
    MESSAGE_MARK,
    Kind,
    Mark,
    held_from,
    mark_of,
    marks_within,
)

_HARMONY_HEADS = ("<|start|>", "<|channel|>")
_MAX_HEAD_CHARS = 256
"""A header is a role, a channel and a recipient; what is longer is no header, and hidden."""
_TOO_MANY_MARKS = "wrote more marks of its template than words"
_FOR_THE_USER = ("", "assistant", "model")
_MOST_MARKS = 300
"""Marks of a reply. A model that fell into writing marks says nothing; each costs up to 7 us (measured 2026-11-28)."""
_ESCAPE = re.compile(r"\\.", re.DOTALL)


class _State(Enum):
    SAYING = auto()
    THINKING = auto()
    """In a thought or a call."""
    HEADING = auto()
    """In the header of a message."""
    ASIDE = auto()
    """In a message that is not for the user."""


class _Aside:
    """A thought or a call, and whether a mark in it may end it."""

    def __init__(self, opening: Mark | None) -> None:
        """Begin with its mark; None if the chat template has written that, whichever it was."""
        self.opening = opening
        self.marks = END_OF_ANY_THOUGHT if opening is None else marks_within(opening)
        """What to look for."""
        self.is_call = opening is not None and opening.kind is Kind.CALL
        self._line = Line()
        self._depth = 0
        """Thoughts that were begun within this one."""
        self._is_json: bool | None = None
        """Whether a call is written in JSON, once it is known."""
        self._is_in_string = False
        self._is_escaped = False
        self._is_broken = False
        """A line ended within a string, which no JSON has: where strings begin and end is not known any more."""
        self._tail = ""
        """The last character that is no space."""

    def add(self, text: str) -> None:
        """Some of its text."""
        if self.is_call:
            self._add_arguments(text)
        else:
            self._line.add(text)

    def meet(self, mark: Mark) -> bool:
        """A mark comes; says whether it ends this. Not in a string of a call, and not that of a thought within."""
        if self.opening is None:
            return True
        if self.is_call:
            return not self._is_in_string or self._tail == "\n" or (self._is_broken and self._tail in {"}", "]"})
        if mark.name == self.opening.closing:
            self._depth -= 1
            return self._depth < 0
        # A mark that is written twice at the beginning is ended once.
        if mark.name == self.opening.name and not self._line.is_empty and not self._line.mentions(""):
            self._depth += 1
        return False

    def _add_arguments(self, text: str) -> None:
        if self._is_json is None and text.strip():
            self._is_json = text.lstrip()[0] in "{["
        if not self._is_json:
            return
        bare = _ESCAPE.sub("", text[self._is_escaped :])
        self._is_escaped = bare.endswith("\\")
        self._tail = (self._tail + text).rstrip(" \t")[-1:]
        *lines, last = bare.split("\n")
        for line in lines:
            self._is_in_string ^= line.count('"') % 2 == 1
            self._is_broken = self._is_broken or self._is_in_string
        self._is_in_string ^= last.count('"') % 2 == 1


class ThoughtFilter:
    """Gives what of a text is for the user. However the text is cut, the pieces joined are the same.

    White space at the beginning, and beside a thought, is not for the user either: a reply that is all thought has no
    text. A thought is a boundary, as a space is.
    """

    def __init__(self, *, begins_in_thought: bool = False) -> None:
        """Make it.

        Args:
            begins_in_thought: the chat template has opened a thought already, and the model only closes it.
        """
        self._state = _State.THINKING if begins_in_thought else _State.SAYING
        self._aside = _Aside(None)
        self._count = 0
        """Marks that were looked at."""
        self._held = ""
        """Might be the beginning of a mark."""
        self._head = ""
        self._ends_with_line = False
        """Whether the header ends with its line."""
        self._line = Line()
        """The current line of what is for the user."""
        self._mentioned: set[str] = set()
        """What would end the marks that the text only spoke of."""
        self._last = ""
        """The last character that was given."""
        self._is_gap = True
        """Nothing has been given yet, or not since a mark."""
        self.has_thought = False
        """Something was taken out, other than a mark alone."""
        self.has_call = False
        """The model wrote a tool call into its text, which is not made."""
        self.has_stray_end = False
        """A thought was ended that had not been begun: what was said may have been one."""

    def feed(self, text: str) -> str:
        """What is for the user of all that is certain now.

        Raises:
            ChatStreamError: this is nothing but marks.
        """
        text = self._held + text
        certain = held_from(text)
        self._held = text[certain:]
        return self._go_on(text, certain)

    def finish(self) -> str:
        """What was held and is no mark, at the end of the text."""
        text, self._held = self._held, ""
        return self._go_on(text, len(text))

    def _go_on(self, text: str, end: int) -> str:
        said: list[str] = []
        at = 0
        while match := self._marks().search(text, at, end):
            self._count += 1
            if self._count > _MOST_MARKS:
                raise ChatStreamError(_TOO_MANY_MARKS)
            self._take(text[at : match.start()], said)
            at = match.end()
            if self._meets(mark_of(match[0]), text[at : at + 1]):
                self._is_gap = True
            else:
                self._take(match[0], said)
        self._take(text[at:end], said)
        return "".join(said)

    @property
    def holds_text(self) -> bool:
        """Whether there is text for the user that may still become a mark."""
        return bool(self._held) and self._state is _State.SAYING

    def are_apart(self) -> None:
        """The server tells thoughts in a field of their own: the text does not begin in one."""
        if self._state is _State.THINKING and self._aside.opening is None:
            self._state = _State.SAYING

    def _marks(self) -> re.Pattern[str]:
        if self._state is _State.THINKING:
            return self._aside.marks
        is_message = self._state is _State.ASIDE or (self._state is _State.HEADING and not self._ends_with_line)
        return MESSAGE_MARK if is_message else ANY_MARK

    def _take(self, text: str, said: list[str]) -> None:
        if self._state is _State.HEADING:
            text = self._take_head(text)
        if self._state is _State.SAYING:
            self._say(text, said)
        elif text and not text.isspace():
            self.has_thought = self.has_thought or self._state is not _State.HEADING
        if self._state is _State.THINKING:
            self._aside.add(text)

    def _take_head(self, text: str) -> str:
        """What of the text follows the header."""
        head, end, rest = text.partition("\n") if self._ends_with_line else (text, "", "")
        self._head += head[: max(0, _MAX_HEAD_CHARS - len(self._head))]
        if end:
            self._end_head()
        return rest

    def _say(self, text: str, said: list[str]) -> None:
        self._line.add(text)
        if self._is_gap and (not self._last or self._last.isspace()):
            text = text.lstrip()
        elif self._is_gap and text and not text[0].isspace():
            text = " " + text
        if text:
            said.append(text)
            self._last, self._is_gap = text[-1], False

    def _meets(self, mark: Mark, after: str) -> bool:
        """Go on from a mark; `after` is the character behind it. False if it is no mark here, but text."""
        if self._state is _State.THINKING:
            is_end = self._aside.meet(mark)
            self._state = _State.SAYING if is_end else self._state
            return is_end
        if self._state is _State.HEADING and self._ends_with_line and mark.kind in (Kind.THOUGHT, Kind.CALL):
            self._end_head()
        if self._state is _State.SAYING:
            return self._meets_saying(mark, after)
        return self._meets_message(mark)

    def _meets_saying(self, mark: Mark, after: str) -> bool:
        if self._mention(mark, after):
            return False
        self._line.meet()
        if mark.kind in (Kind.THOUGHT, Kind.CALL):
            self._state, self._aside = _State.THINKING, _Aside(mark)
            self.has_call = self.has_call or self._aside.is_call
        elif mark.kind is Kind.CLOSING:
            self.has_stray_end = self.has_stray_end or mark.ends_thought
        else:
            self._meets_message(mark)
        return True

    def _mention(self, mark: Mark, after: str) -> bool:
        """Whether the answer only speaks of the mark, as one about models or about HTML does; its end is remembered."""
        if mark.name in self._mentioned:
            self._mentioned.remove(mark.name)
            return True
        if mark.is_markup and mark.kind is Kind.THOUGHT:
            is_spoken_of = self._line.mentions(after)
        elif mark.name == "<s>":
            is_spoken_of = not self._line.is_new or self._line.quotes("")
        else:
            is_spoken_of = self._line.quotes("")
        if is_spoken_of and mark.closing:
            self._mentioned.add(mark.closing)
        return is_spoken_of

    def _meets_message(self, mark: Mark) -> bool:
        if mark.kind not in MESSAGE_KINDS:
            return False
        if mark.kind is Kind.HEAD:
            is_further = mark.name == _HARMONY_HEADS[1] and self._state is _State.HEADING
            name = mark.name if mark.name in _HARMONY_HEADS else ""
            self._head = f"{self._head} {name}"[:_MAX_HEAD_CHARS] if is_further else name
            self._ends_with_line = mark.name in LINE_HEADS
            self._state = _State.HEADING
        elif mark.kind is Kind.HEAD_END:
            self._end_head()
        else:
            self._state = _State.ASIDE if mark.kind is Kind.OTHERS else _State.SAYING
        return True

    def _end_head(self) -> None:
        is_hidden = self._state is _State.HEADING and not _is_for_the_user(self._head)
        self._state = _State.ASIDE if is_hidden or self._state is _State.ASIDE else _State.SAYING


def _is_for_the_user(head: str) -> bool:
    """Whether a message is, by its header: that of the channel `final`, and a comment that calls no tool."""
    role, _, channel = head.removeprefix(_HARMONY_HEADS[0]).partition(_HARMONY_HEADS[1])
    words = channel.split()
    is_call = "to=" in head or "<|constrain|>" in head
    if is_call or len(head) >= _MAX_HEAD_CHARS or role.strip() not in _FOR_THE_USER:
        return False
    return not words or words[0] in ("final", "commentary")
