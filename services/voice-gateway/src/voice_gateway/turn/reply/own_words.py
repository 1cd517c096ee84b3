"""What the agent has said aloud of late: what comes back as an echo of it."""

from voice_gateway.domain.instant import Instant
from voice_gateway.turn.reply.reply import Reply

SOON_MS = 500
"""Without word times from synthesis, the place in a sentence is known to within about this time."""


class OwnWords:
    """Remembers the words of the last reply that was heard; a reply in flight knows its own."""

    def __init__(self) -> None:
        self._last = ""
        self._fell_silent_at = Instant(0)

    def reply_ended(self, reply: Reply, now: Instant) -> None:
        """A reply is about to end, or to be stopped."""
        if reply.is_audible:
            self._last, self._fell_silent_at = _spoken(reply, now), now

    def spoken(self, reply: Reply | None, began: Instant, ended: Instant, now: Instant) -> str:
        """What may come back in words that were spoken from `began` to `ended`; `reply` is in flight."""
        before = self._last if began <= self._fell_silent_at else ""
        left_at = reply.playback.left_at if reply is not None else None
        if reply is None or left_at is None or left_at > ended:
            return before
        return f"{before} {_spoken(reply, now)}".strip()


def _spoken(reply: Reply, now: Instant) -> str:
    """What has been said aloud by `now`, and the next words."""
    playback = reply.playback
    return reply.wording.spoken_text(playback.paced(now) + SOON_MS * playback.rate_hz // 1_000)
