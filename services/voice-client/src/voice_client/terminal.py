"""Draws lines and the live line. On anything but a terminal the live line is left out and every line stands alone.

A terminal gets colours, unless NO_COLOR says otherwise (no-color.org) or it says of itself that it has none.
"""

import os
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TextIO

from voice_client.screen import Draw, Line, Live, Tone

# ECMA-48, SGR: cyan, green, faint, yellow; 0 sets all back.
_COLOURS: Final = {Tone.USER: "36", Tone.AGENT: "32", Tone.FAINT: "2", Tone.TROUBLE: "33"}
# ECMA-48: return to the first column, erase to the end of the line.
_REDRAW = "\r\x1b[K"


class Terminal:
    """The one writer of standard output."""

    def __init__(
        self,
        stream: TextIO,
        *,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._is_tty = stream.isatty()
        self._has_colours = self._is_tty and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        self._live = ""

    def draw(self, draws: Iterable[Draw]) -> None:
        """Show lines in order; the live line stays below them."""
        for draw in draws:
            match draw:
                case Line(text, tone):
                    self._line(self._coloured(text, tone))
                case Live(text):
                    self._live_line(text)
        self._stream.flush()

    def line(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Show one line that stays."""
        self.draw((Line(text, tone),))

    def _coloured(self, text: str, tone: Tone) -> str:
        colour = _COLOURS.get(tone) if self._has_colours else None
        return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"

    def _line(self, text: str) -> None:
        if self._live:
            self._stream.write(_REDRAW)
        self._stream.write(f"{text}\n{self._live}")

    def _live_line(self, text: str) -> None:
        if not self._is_tty or (not text and not self._live):
            return
        self._live = end_that_fits(text, self._columns() - 1)
        self._stream.write(f"{_REDRAW}{self._live}")


def end_that_fits(text: str, columns: int) -> str:
    """The end of a text that fits: the newest words matter, and a wrapped line cannot be drawn again."""
    width = 0
    for index in range(len(text) - 1, -1, -1):
        width += _columns_of(text[index])
        if width > columns:
            return text[index + 1 :]
    return text


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
