"""A text that is rewritten step by step, and knows where in the original each character came from."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Traced:
    """Each step gives another one; it is linear in the text if its pattern is."""

    text: str
    ends: Sequence[int]
    """For each character where in the original it ends; never falls."""

    @classmethod
    def of(cls, text: str) -> "Traced":
        """The original itself."""
        return cls(text, range(1, len(text) + 1))

    def replaced(self, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str], first: int = 0) -> "Traced":
        """With `by` in place of each match; in the original, all of it ends where the match ends.

        If the pattern has a group `kept`, that stays as it is, and `by` follows it in place of the rest of the match.
        `first` is where the earliest match may begin; if it is above 0, no line begins at the beginning of the text.
        """
        if pattern.search(self.text, first) is None:
            return self
        parts: list[str] = []
        ends: list[int] = []
        at = 0
        for match in pattern.finditer(self.text, first):
            self._keep(parts, ends, at, match.start())
            at = match.end()
            end = self.ends[at - 1] if at else 0
            new = by if isinstance(by, str) else by(match)
            if "kept" in pattern.groupindex:
                self._keep(parts, ends, *match.span("kept"))
            parts.append(new)
            ends.extend([end] * len(new))
        self._keep(parts, ends, at, len(self.text))
        return Traced("".join(parts), ends)

    def without(self, pattern: re.Pattern[str], first: int = 0) -> "Traced":
        """Without the matches; if the pattern has a group `kept`, that stays."""
        return self.replaced(pattern, "", first)

    def stripped(self, chars: str | None = None) -> "Traced":
        """Without these characters, or white space, at both ends."""
        text = self.text.strip(chars)
        start = len(self.text) - len(self.text.lstrip(chars)) if text else 0
        return Traced(text, self.ends[start : start + len(text)])

    def word_ends(self) -> tuple[int, ...]:
        """Where in the original each word ends."""
        return tuple(self.ends[match.end() - 1] for match in _WORD.finditer(self.text))

    def _keep(self, parts: list[str], ends: list[int], start: int, end: int) -> None:
        parts.append(self.text[start:end])
        ends.extend(self.ends[start:end])
