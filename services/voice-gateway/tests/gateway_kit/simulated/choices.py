"""Decisions taken from bytes, so that Hypothesis can draw a whole call as one value and shrink it."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Takes one byte for a decision. Bytes that have run out are zeros, and zero decides for what is plain."""

    def __init__(self, decisions: bytes) -> None:
        self._decisions = iter(decisions)

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        return next(self._decisions, 0) * count // 256

    def one_in(self, count: int) -> bool:
        """Whether something happens that happens so rarely."""
        return self.below(count) == count - 1

    def ms(self, low: int, high: int) -> int:
        """A duration in milliseconds; the ends are included."""
        return low + next(self._decisions, 0) * (high - low) // 255

    def of(self, options: Sequence[T]) -> T:
        """One of the options, of which the first is the plain one."""
        return options[self.below(len(options))]
