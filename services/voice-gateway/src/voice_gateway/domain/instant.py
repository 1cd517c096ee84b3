"""Monotonic time as an integer, so that equality and arithmetic are exact."""

from typing import NewType

Instant = NewType("Instant", int)
"""Nanoseconds on the monotonic clock."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def after_ms(start: Instant, duration_ms: int) -> Instant:
    """The instant `duration_ms` milliseconds after `start`."""
    return Instant(start + duration_ms * NS_PER_MS)


def earliest(*instants: Instant | None) -> Instant | None:
    """The first of these instants; None: all of them are None."""
    first = None
    for instant in instants:
        if instant is not None and (first is None or instant < first):
            first = instant
    return first


def ms_between(earlier: Instant, later: Instant) -> int:
    """Whole milliseconds from `earlier` to `later`, rounded down; negative if they are the other way round."""
    return (later - earlier) // NS_PER_MS


def samples_between(earlier: Instant, later: Instant, rate_hz: int) -> int:
    """Whole samples at `rate_hz` that fit between two instants; 0 if they are the other way round."""
    return max(0, later - earlier) * rate_hz // NS_PER_S


def samples_to_ns(samples: int, rate_hz: int) -> int:
    """Nanoseconds that `samples` last at `rate_hz`, rounded up, so that this wait is always long enough."""
    return -(-samples * NS_PER_S // rate_hz)
