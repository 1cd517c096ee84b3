"""Who is in a conversation now, and how they are told that the server is leaving."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from voice_gateway.domain.instant import Instant, after_ms, ms_between
from voice_gateway.session import clock


class Running(Protocol):
    """A running session."""

    def lead_ms(self) -> int | None:
        """How far the reply audio that was sent is ahead of what is played; None: nothing is being played."""

    def drain(self, deadline_ms: int) -> None:
        """Finish the running turn, at the latest `deadline_ms` from now."""


class Roster:
    """Running sessions of the process."""

    def __init__(self) -> None:
        self._present: set[Running] = set()
        self._deadline: Instant | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._present)

    @property
    def is_draining(self) -> bool:
        """Whether the server is leaving."""
        return self._deadline is not None

    @contextmanager
    def present(self, session: Running) -> Iterator[None]:
        """Count a session while it runs; one that was admitted just before the server began to leave is told."""
        self._present.add(session)
        self._empty.clear()
        if self._deadline is not None:
            session.drain(ms_between(clock.now(), self._deadline))
        try:
            yield
        finally:
            self._present.discard(session)
            if not self._present:
                self._empty.set()

    def leads_ms(self) -> list[int]:
        """How far sent audio is ahead of what is played, in each session whose agent speaks."""
        leads = (session.lead_ms() for session in self._present)
        return [lead_ms for lead_ms in leads if lead_ms is not None]

    def drain(self, deadline_ms: int) -> None:
        """Let every session finish its turn by the deadline."""
        self._deadline = after_ms(clock.now(), deadline_ms)
        for session in tuple(self._present):
            session.drain(deadline_ms)

    async def wait_empty(self) -> None:
        """Return when no session is left."""
        await self._empty.wait()
