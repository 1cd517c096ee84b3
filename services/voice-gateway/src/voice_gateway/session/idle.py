"""Notices that nothing has happened in a session for some time.

A mark only keeps the time; the one timer is armed again only when it rings.
"""

import asyncio
from collections.abc import Callable

from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.session import clock


class IdleWatch:
    """Calls `tell` when nothing was marked for `limit_ms`, and after each further `limit_ms`; 0: never."""

    def __init__(self, limit_ms: int, tell: Callable[[], None]) -> None:
        self._limit_ms = limit_ms
        self._tell = tell
        self._active_at = Instant(0)
        self._timer: asyncio.TimerHandle | None = None

    def mark(self, now: Instant) -> None:
        """Something happens now."""
        self._active_at = now

    def start(self) -> None:
        """Watch from now on."""
        self.mark(clock.now())
        if self._limit_ms:
            self._arm()

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        due = after_ms(self._active_at, self._limit_ms)
        self._timer = asyncio.get_running_loop().call_at(clock.loop_time(due), self._ring)

    def _ring(self) -> None:
        if after_ms(self._active_at, self._limit_ms) <= clock.now():
            self._tell()
            self.mark(clock.now())
        self._arm()
