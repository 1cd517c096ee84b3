"""The one clock work of the process: a 20 ms tick for all reply audio that is being played."""

import asyncio
from typing import Protocol

from voice_gateway.domain.instant import Instant
from voice_gateway.session import clock

TICK_MS = 20


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

    def add(self, paced: Paced) -> None:
        """Tick it from now on."""
        self._paced[paced] = None
        if self._timer is None:
            self._next_at = asyncio.get_running_loop().time()
            self._arm()

    def remove(self, paced: Paced) -> None:
        """Tick it no more."""
        self._paced.pop(paced, None)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_at = max(self._next_at + TICK_MS / 1_000, loop.time())
        self._timer = loop.call_at(self._next_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = clock.now()
        for paced in tuple(self._paced):
            try:
                paced.tick(now)
            except Exception as error:  # noqa: BLE001  one that fails is logged by the loop and silences no other
                told = {"message": "a tick failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)
        if self._paced:
            self._arm()
