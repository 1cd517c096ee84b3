"""The one clockwork of the process: a 20 ms tick, for reply audio that is being played and for the voice bank."""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from voice_gateway.domain.instant import Instant
from voice_gateway.session import clock

TICK_MS = 20
MAX_LATENESS = 500
"""Ticks whose lateness is kept for whoever asks: 10 s."""


class Paced(Protocol):
    """Something that is moved by the tick."""

    def tick(self, now: Instant) -> None:
        """Do what is due by `now`. Must not raise."""


class Pacer:
    """Ticks everything that was added; sleeps while there is nothing."""

    def __init__(self) -> None:
        self._paced: dict[Paced, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0
        self._context = contextvars.Context()
        """Nobody's: whoever is ticked first would lend its span to all others."""
        self._lateness_ms: deque[float] = deque(maxlen=MAX_LATENESS)

    def add(self, paced: Paced) -> None:
        """Tick it from now on."""
        self._paced[paced] = None
        if self._timer is None:
            self._next_at = asyncio.get_running_loop().time()
            self._arm()

    def remove(self, paced: Paced) -> None:
        """Stop ticking it."""
        self._paced.pop(paced, None)

    def take_lateness_ms(self) -> Sequence[float]:
        """How late each tick since the last call was done: every caller waited longer by as much.

        Ticks that a late tick replaced count as well, or a stall would weigh no more than a tick in time.
        """
        taken = tuple(self._lateness_ms)
        self._lateness_ms.clear()
        return taken

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_at = max(self._next_at + TICK_MS / 1_000, loop.time())
        self._timer = loop.call_at(self._next_at, self._tick, context=self._context)

    def _tick(self) -> None:
        self._timer = None
        began_s = time.perf_counter()  # uvloop's own time stands still within a turn of the loop
        late_s = asyncio.get_running_loop().time() - self._next_at
        now = clock.now()
        for paced in tuple(self._paced):
            try:
                paced.tick(now)
            except Exception as error:  # noqa: BLE001  one that fails is logged by the loop and silences no other
                told = {"message": "a tick failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)
        took_ms, late_ms = 1_000 * (time.perf_counter() - began_s), max(0.0, 1_000 * late_s)
        missed = min(int(late_ms / TICK_MS), MAX_LATENESS)
        self._lateness_ms.extend(late_ms - TICK_MS * number + took_ms for number in range(missed + 1))
        if self._paced:
            self._arm()
