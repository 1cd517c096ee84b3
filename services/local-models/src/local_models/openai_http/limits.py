"""Cut a reply where the request says: before a stop sequence, or between two tokens when their number is limited."""

from collections.abc import Iterator


class StopCutter:
    """Hold text back only as long as it may still become a stop sequence."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.is_stopped = False

    def feed(self, text: str) -> str:
        """Give the text that is safe to send now; after a stop sequence, nothing."""
        if self.is_stopped:
            return ""
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            # The one that is complete first, so that it does not matter how the text came in pieces.
            self.is_stopped = True
            safe, self._held = self._held[: min(found)[1]], ""
            return safe
        keep = self._undecided_length()
        safe, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return safe

    def flush(self) -> str:
        """Give what was held back once the reply has ended without a stop sequence."""
        rest, self._held = self._held, ""
        return rest

    def _undecided_length(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            tail = self._held[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0


def split_tokens(text: str) -> Iterator[str]:
    """Split into words that carry the space before them; joined they give the text again."""
    start = 0
    for index in range(1, len(text)):
        if text[index].isspace() and not text[index - 1].isspace():
            yield text[start:index]
            start = index
    if text:
        yield text[start:]
