"""How late the event loop is: everything else of the process waits at least as long as this.

A late alarm: with the core 98 % used its 99th percentile is still 10 ms, while replies are 80 ms late. Admit by other
measures.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

EVERY_MS = 50
"""From one sample to the next: 1,200 a minute make a 99th percentile, and cost nothing that can be measured."""
LOG_EVERY_S = 60

_log = logging.getLogger("voice_gateway.loop_lag")


@dataclass(frozen=True, slots=True)
class LoopLag:
    """Lags of one stretch of time, in ms."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    samples: int


async def watch_loop_lag(observe: Callable[[float], None]) -> None:
    """Measure until cancelled; log once a minute, and what is left when cancelled. `observe` gets each, in seconds."""
    lags_ms: list[float] = []
    try:
        while True:
            due_s = time.monotonic() + EVERY_MS / 1_000
            await asyncio.sleep(EVERY_MS / 1_000)
            lag_s = max(0.0, time.monotonic() - due_s)
            observe(lag_s)
            lags_ms.append(lag_s * 1_000)
            if len(lags_ms) * EVERY_MS >= LOG_EVERY_S * 1_000:
                _tell(lags_ms)
                lags_ms.clear()
    finally:
        _tell(lags_ms)


def summary(lags_ms: Collection[float]) -> LoopLag | None:
    """What the samples amount to; None when there is no sample."""
    if not lags_ms:
        return None
    ordered = sorted(lags_ms)
    return LoopLag(percentile(ordered, 50), percentile(ordered, 99), ordered[-1], len(ordered))


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The least of some values, in ascending order, that so many percent of them do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _tell(lags_ms: Sequence[float]) -> None:
    if (lag := summary(lags_ms)) is not None:
        fields = {"p50_ms": round(lag.p50_ms, 2), "p99_ms": round(lag.p99_ms, 2), "max_ms": round(lag.max_ms, 2)}
        _log.info("loop_lag", extra={**fields, "samples": lag.samples})
