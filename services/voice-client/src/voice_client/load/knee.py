"""Looks for the largest number of calls that a server serves well: doubles until it does not, then halves. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from voice_client.load.scores import Summary

GRAIN_SHARE: Final = 0.05
"""The knee is known when the smallest bad number is at most that much, or one call, above the largest good one."""


@dataclass(slots=True)
class KneeSearch:
    """Ask `next_calls` for what to try, and tell how it went."""

    max_calls: int
    good_calls: int = 0
    """The largest number that was good."""
    bad_calls: int | None = None
    """The smallest number that was not."""
    doubtful_calls: int | None = None
    """A number that was not good, and is tried once more: a machine that was busy for a moment is no bound."""

    def next_calls(self) -> int | None:
        """What to try now; None: the search is over."""
        if self.doubtful_calls is not None:
            return self.doubtful_calls
        if self.bad_calls is None:
            return None if self.good_calls >= self.max_calls else min(max(1, 2 * self.good_calls), self.max_calls)
        if self.bad_calls - self.good_calls <= max(1, GRAIN_SHARE * self.good_calls):
            return None
        return (self.good_calls + self.bad_calls) // 2

    def tell(self, calls: int, *, is_good: bool) -> None:
        """How that number went."""
        was_doubtful, self.doubtful_calls = self.doubtful_calls == calls, None
        if is_good:
            self.good_calls = max(self.good_calls, calls)
        elif not was_doubtful:
            self.doubtful_calls = calls
        else:
            self.bad_calls = calls if self.bad_calls is None else min(self.bad_calls, calls)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a number of calls must keep: p95 over the floor, everybody answered, no gap, no failed call."""

    limit_ms: float
    floor_ms: float

    def broken(self, run: Summary) -> list[str]:
        """What a run did not keep, in words."""
        added_ms = run.after_frame.p95_ms - self.floor_ms
        faults = []
        if not run.is_in_time:
            faults.append(f"INVALID: {run.invalid_because}")
        if run.failed_calls:
            faults.append(f"{run.failed_calls} calls failed")
        if run.unanswered or not run.turns:
            faults.append(f"{run.unanswered} of {run.turns} turns unanswered")
        elif added_ms > self.limit_ms:
            faults.append(f"p95 {added_ms:.0f} ms over the floor of {self.floor_ms:.0f} ms")
        if run.gaps:
            faults.append(f"{run.gaps} gaps")
        return faults


@dataclass(frozen=True, slots=True)
class Knee:
    """What a search found."""

    calls: int
    """The largest good number; 0: not even one call was good."""
    limit_ms: float
    floor_ms: float
    is_certain: bool
    """Whether a slightly larger number was tried, and it was the server that did not serve it well."""
    faults: dict[int, list[str]]
    """For each number of calls that was tried, what it did not keep."""


def lone_floor_ms(run: Summary) -> float:
    """How long a single call waits for its answers, by the median; infinite without an answer."""
    return run.after_frame.p50_ms if not math.isnan(run.after_frame.p50_ms) else math.inf
