"""Measures the load, once a second."""

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from voice_gateway.session.admission.load import LATE_MS, Load

EVERY_MS = 1_000
"""Long enough for 50 ticks of the pacer; with `load.SUSTAINED` the answer to a change takes 3 s."""
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
"""The limit of a container: quota and period in microseconds, or `max` (kernel documentation, cgroup-v2, "CPU")."""
_PERCENTILE = 90
"""The percentile of a second's lateness that counts: one tick in ten may meet a garbage collection."""


def usable_cores(cpu_max: Path = CPU_MAX, *, workers: int = 1, cores: int | None = None) -> float:
    """How much of a core the process may use: one event loop can use one, and a limit may grant less.

    Args:
        cpu_max: where the limit stands.
        workers: processes that share what is granted.
        cores: that this process may run on; None: as the system says.
    """
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
        granted = math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup v2: not in a container, or not on Linux
        granted = math.inf
    granted = granted if granted > 0 else math.inf
    if workers == 1:
        return min(1.0, granted)
    return min(1.0, min(granted, cores or _cores()) / workers)


def _cores() -> int:
    """Cores that the process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LoadSampler:
    """Measures the load from one call to the next."""

    def __init__(
        self,
        take_lateness_ms: Callable[[], Sequence[float]],
        *,
        cores: float,
        cpu_s: Callable[[], float] = time.process_time,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take_lateness_ms = take_lateness_ms
        self._cores = cores
        self._cpu_s = cpu_s
        self._clock_s = clock_s
        self._before = (cpu_s(), clock_s())

    def sample(self) -> Load:
        """The load since the last call."""
        before, self._before = self._before, (self._cpu_s(), self._clock_s())
        used_s, passed_s = (now - then for now, then in zip(self._before, before, strict=True))
        percent = 100 * used_s / (passed_s * self._cores) if passed_s > 0 else 0.0
        lateness_ms = self._take_lateness_ms()
        late_ticks = sum(late_ms > LATE_MS for late_ms in lateness_ms)
        return Load(percent, _percentile(lateness_ms), late_ticks)

    async def watch(self, observe: Callable[[Load], Awaitable[None]]) -> None:
        """Measure until cancelled."""
        while True:
            await asyncio.sleep(EVERY_MS / 1_000)
            await observe(self.sample())


def _percentile(lateness_ms: Sequence[float]) -> float:
    """0 without any value: nobody talks, so nobody waits."""
    if not lateness_ms:
        return 0.0
    return sorted(lateness_ms)[math.ceil(len(lateness_ms) * _PERCENTILE / 100) - 1]
