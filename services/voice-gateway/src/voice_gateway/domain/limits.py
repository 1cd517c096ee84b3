"""What is counted so that it can be limited: how many there are at the same time, and how often something is done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from voice_gateway.domain.instant import NS_PER_S, Instant

MAX_SPAN_TEXT_CHARS = 16_384
"""The most that a span of a trace holds of one text, where spans hold text at all: thousands may wait to be sent."""


class Tally:
    """How many are held at the same time, in all and by account; an account that holds nothing is forgotten."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Held by all accounts."""
        return self._held.total()

    def of(self, account: str) -> int:
        """Held by one account."""
        return self._held[account]

    @contextmanager
    def one_more(self, account: str) -> Iterator[None]:
        """Hold one while the block runs."""
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1
            if not self._held[account]:
                del self._held[account]


class TokenBucket(NamedTuple):
    """How often something may be done: `capacity` tokens at once, and `per_s` more a second.

    A value; time is an argument. It is full at the beginning of time. Taking more than it holds leaves a debt, which
    says how long to wait. A tuple, because one is made for each message of every call.
    """

    capacity: int
    """Tokens of a full bucket."""
    per_s: int
    """Tokens that flow in each second."""
    full_at: Instant = Instant(0)
    """When it will be full again if nothing is taken."""

    def take(self, tokens: int, now: Instant) -> "TokenBucket":
        """The bucket without these tokens."""
        full_at = Instant(max(self.full_at, now) + tokens * NS_PER_S // self.per_s)
        return TokenBucket(self.capacity, self.per_s, full_at)

    def debt_ns(self, now: Instant) -> int:
        """Nanoseconds until what was taken has flowed in; 0 when there was enough."""
        return max(0, self.full_at - now - self.capacity * NS_PER_S // self.per_s)
