"""What the agent has said aloud of late: what comes back as an echo of it."""

from voice_gateway.domain.instant import Instant
from voice_gateway.turn.reply.reply import Reply

SOON_MS = 500
"""Without word times from synthesis, the place in a sentence is known to within about this time."""


class OwnWords:
    """Remembers the words of the last reply that was heard; a reply in flight knows its own."""

    def __init__(self) -> None:
        self._last = ""
        self._left_at = self._fell_silent_at = Instant(0)
        self._has_asked = False
        """Whether the last sentence of that reply of which a word was heard is a question."""

    def reply_ended(self, reply: Reply, now: Instant) -> None:
        """A reply is about to end, or to be stopped."""
        if (left_at := reply.playback.left_at) is not None:
            self._last, self._left_at, self._fell_silent_at = _spoken(reply, now), left_at, now
            self._has_asked = reply.wording.has_asked(reply.playback.heard(now).samples)

    def has_asked(self, then: Instant) -> bool:
        """Whether the last reply was there at that instant, and its last words were a question."""
        return self._has_asked and self._left_at <= then <= self._fell_silent_at

    def spoken(self, reply: Reply | None, began: Instant, ended: Instant, now: Instant) -> str:
        """What may come back in words that were spoken from `began` to `ended`; `reply` is in flight."""
        before = self._last if began <= self._fell_silent_at and self._left_at <= ended else ""
        left_at = reply.playback.left_at if reply is not None else None
        if reply is None or left_at is None or left_at > ended:
            return before
        return f"{before} {_spoken(reply, now)}".strip()


def _spoken(reply: Reply, now: Instant) -> str:
    """What has been said aloud by `now`, and the next words."""
    playback = reply.playback
    return reply.wording.spoken_text(playback.paced(now) + SOON_MS * playback.rate_hz // 1_000)
