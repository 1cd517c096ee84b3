"""Puts together what is collected and what is asked for at the moment."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.domain.overview.values import BackendSeen, Overview
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.overview.collector import Collector
from voice_gateway.observability.overview.refusals import WINDOW_MS
from voice_gateway.session.ports import BackendHealth, Occupancy

STATM = Path("/proc/self/statm")
"""Sizes of the process in pages; the second number is what is resident (proc_pid_statm(5))."""


class Lookout:
    """The overview of one process."""

    def __init__(
        self,
        collector: Collector,
        readiness: Readiness,
        backends: Sequence[BackendHealth],
        occupancy: Occupancy,
        *,
        version: str,
        clock: Callable[[], Instant],
    ) -> None:
        self._collector = collector
        self._readiness = readiness
        self._backends = backends
        self._occupancy = occupancy
        self._version = version
        self._clock = clock
        self._began = clock()

    def look(self) -> Overview:
        """What the process does now."""
        now = self._clock()
        collected = self._collector
        return Overview(
            version=self._version,
            uptime_ms=ms_between(self._began, now),
            is_ready=self._readiness.is_ready(now),
            is_draining=self._readiness.is_draining,
            sessions=self._occupancy.sessions,
            capacity=self._occupancy.capacity,
            fullness_ratio=self._occupancy.fullness,
            calls=collected.calls.seen(now),
            turns=collected.calls.turns_seen(now),
            backends=tuple(self._backend(each) for each in self._backends),
            refusals=collected.refusals.seen(now),
            refusals_window_ms=WINDOW_MS,
            loop_lag=collected.loop_lag(),
            cpu_percent=collected.cpu_percent,
            resident_bytes=resident_bytes(),
        )

    def _backend(self, health: BackendHealth) -> BackendSeen:
        seen = self._collector.addresses.seen
        addresses = tuple(seen(health.backend, each) for each in health.status().addresses)
        return BackendSeen(health.backend, health.is_healthy, addresses)


def resident_bytes(statm: Path = STATM) -> int:
    """Memory of the process that is resident; 0 where the system does not tell."""
    try:
        pages = int(statm.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
