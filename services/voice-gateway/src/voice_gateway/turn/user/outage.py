"""Streams of recognition that failed in a row: when the next one is opened, and from when on that is an outage."""

from dataclasses import dataclass, field
from typing import Final

from voice_gateway.domain.instant import Instant, after_ms

REOPEN_MS: Final = (0, 500, 1_000, 2_000, 4_000)
"""Waits before a broken stream is opened again, one for each failure in a row; a Riva pod restarts in its place within
that time or another address answers. The last is for all that follow: an outage ends no session before its patience
is over, since a user who types needs no recogniser and one who speaks waits for it; a stream each 4 s is no load on one
that comes back. After the client half-closed, a failure beyond these ends the session: nobody else would end it."""
AWAY_FAILURES: Final = 3
"""This many failures in a row are an outage: the attempts after 0 and 0.5 s have failed, too. Replay mends fewer, and
nobody notices."""
STEADY_MS: Final = 30_000
"""A stream that was open for this time was in order, and its end begins a new row of failures: Riva drops an idle
stream every minute. Longer than `listening.FINALISE_MS`, so that a stream that does not finalise stays a failure."""


@dataclass(slots=True)
class Failures:
    """A row of streams none of which transcribed anything for good."""

    count: int = field(default=0, init=False)
    _since: Instant = field(default=Instant(0), init=False)
    """When the first of them failed."""
    _opened_at: Instant = field(default=Instant(0), init=False)
    """When the newest stream was opened."""

    @property
    def are_outage(self) -> bool:
        """Whether they are so many that recognition is away."""
        return self.count >= AWAY_FAILURES

    @property
    def are_all_tried(self) -> bool:
        """Whether every wait of REOPEN_MS was in vain."""
        return self.count >= len(REOPEN_MS)

    @property
    def steady_at(self) -> Instant | None:
        """When the newest stream will have proved steady; None: nothing has failed of late."""
        return after_ms(self._opened_at, STEADY_MS) if self.count else None

    def opened(self, now: Instant) -> None:
        """The next stream is open."""
        self._opened_at = now

    def end(self) -> None:
        """Recognition works."""
        self.count = 0

    def go_on(self, now: Instant) -> None:
        """The newest stream has failed; if it had been steady, a new row begins with it."""
        if now >= after_ms(self._opened_at, STEADY_MS):
            self.count = 0
        if self.count == 0:
            self._since = now

    def last_for(self, patience_ms: int, now: Instant) -> bool:
        """Whether they have lasted so long."""
        return now >= after_ms(self._since, patience_ms)

    def add(self, now: Instant) -> Instant:
        """Count the one that has just been; gives when the next stream is to be opened."""
        wait_ms = REOPEN_MS[min(self.count, len(REOPEN_MS) - 1)]
        self.count += 1
        return after_ms(now, wait_ms)
