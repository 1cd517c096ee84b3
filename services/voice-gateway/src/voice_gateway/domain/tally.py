"""How many of something there are at the same time, in all and by account."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Tally:
    """Counts what is held; an account that holds nothing is forgotten."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Of all accounts."""
        return self._held.total()

    def of(self, account: str) -> int:
        """Of one account."""
        return self._held[account]

    @contextmanager
    def one_more(self, account: str) -> Iterator[None]:
        """Hold one meanwhile."""
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1
            if not self._held[account]:
                del self._held[account]
