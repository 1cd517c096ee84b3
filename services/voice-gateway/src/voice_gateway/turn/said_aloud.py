"""What the agent has said aloud of late: what comes back as an echo of it."""

from voice_gateway.domain.instant import Instant
from voice_gateway.turn.reply import ReplyInFlight


class SaidAloud:
    """Remembers the last reply that was heard; the reply in flight speaks for itself."""

    def __init__(self) -> None:
        self._last = ""
        self._fell_silent_at = Instant(0)

    def is_over(self, reply: ReplyInFlight, now: Instant) -> None:
        """A reply has ended."""
        if reply.clock.played is not None:
            self._last, self._fell_silent_at = reply.spoken_text(now), now

    def text(self, reply: ReplyInFlight | None, began: Instant, ended: Instant, now: Instant) -> str:
        """What may come back in words that were spoken from `began` to `ended`; `reply` is in flight."""
        before = self._last if began <= self._fell_silent_at else ""
        has_left = reply is not None and reply.clock.played is not None and reply.clock.played <= ended
        return f"{before} {reply.spoken_text(now)}".strip() if reply is not None and has_left else before
