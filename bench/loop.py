"""A fixed piece of pure Python: how fast the interpreter is on this machine, today. For `make bench`."""

import os
import statistics
import time
from typing import Final

ROUNDS: Final = 3_300
"""Takes 1 ms where a bare echo of 50 callers costs 0.20 CPU-seconds a session-minute, as on the day on which the limits
in milliseconds were set. From a slower machine, on which both were measured: 1.55 ms for 2,000 rounds, and 0.515
(2026-11-29)."""
FASTEST_MS: Final = 1.0
"""A loop counts as no less. Part of what a gateway adds are timers, which no machine makes faster."""
REPEATS: Final = 21
KEYS: Final = 97


def work() -> int:
    """What is repeated: numbers, strings and a dictionary."""
    counts: dict[str, int] = {}
    for number in range(ROUNDS):
        key = f"{number % KEYS}:{number}"
        counts[key] = counts.get(key, 0) + number * number % 7
    return sum(counts.values())


def loop_ms(core: int) -> float:
    """The processor's time for one loop on `core`, in ms: the median of some, `FASTEST_MS` at least."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return max(FASTEST_MS, statistics.median(_time_ms() for _ in range(REPEATS)))
    finally:
        os.sched_setaffinity(0, ours)


def _time_ms() -> float:
    began_s = time.thread_time()
    work()
    return (time.thread_time() - began_s) * 1_000
