"""Whether input comes faster than real time. Pure: the runner tells it of each piece of audio."""

from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.turn.inputs import BacklogBegan, CaughtUp

GAIN_MS = 500
"""Input that has gained this much on real time was kept somewhere before it was sent. What a network held back gains
nothing: it only makes up for its delay. The first message of a client that sends long ones gains less."""
CALM_MS = 500
"""A backlog is over when nothing was gained for this time."""
UNREAD_MS = 500
"""A backlog is not over while the tape holds this much unread audio: input then comes at the pace of the reader.
In a call in real time it holds 100 ms at most (`hearing.BATCH_MS`)."""
FOLLOWED_PERCENT = 5
"""The level follows the lead by this share of the time in which audio comes, so that drift is no gain: the clocks of
sound cards differ by 0.01 to 0.1 %. In a backlog the share is 25 ms in `CALM_MS`, and more than that is a gain."""


class Backlog:
    """Says when a backlog begins and when it has been caught up.

    The measure is the *lead*: the length of all audio that has come, less the time in which it came. It is compared
    with a *level*, which follows it slowly. A gap in the client's clock (silence that was not sent, or a clock that was
    set) is not audio that was pushed: it brings the lead to the level at most.
    """

    def __init__(self) -> None:
        self._heard_at: Instant | None = None
        """When audio came last; None: never."""
        self._lead_ns = 0
        self._level_ns = 0
        self._is_on = False
        self._calm_since = Instant(0)
        """Since this instant nothing was gained, and the tape was read."""

    @property
    def is_on(self) -> bool:
        """Whether there is one. Else nobody needs to know what the tape has that nobody has read."""
        return self._is_on

    def heard(
        self, *, audio_ns: int, gap_ns: int, unread_ns: int, received_samples: int, now: Instant
    ) -> list[BacklogBegan | CaughtUp]:
        """Audio that lasts `audio_ns` came after a gap of `gap_ns` in the client's clock.

        What holds before this audio: the tape has `unread_ns` that nobody has read, and input had been received up to
        `received_samples` of its clock. A backlog is caught up there, also if the client has sent nothing for a while.
        """
        edges: list[BacklogBegan | CaughtUp] = []
        elapsed_ns = 0 if self._heard_at is None else now - self._heard_at
        self._heard_at = now
        lead_ns = self._lead_ns - elapsed_ns
        self._lead_ns = max(lead_ns, min(lead_ns + gap_ns, self._level_ns)) if gap_ns else lead_ns
        if self._is_on and unread_ns >= UNREAD_MS * NS_PER_MS:
            self._calm_since = now
        if self._is_on and now - self._calm_since >= CALM_MS * NS_PER_MS:
            self._is_on = False
            self._level_ns = self._lead_ns + min(elapsed_ns, audio_ns)  # what real time makes of this audio
            edges.append(CaughtUp(received_samples))
        self._lead_ns += audio_ns
        self._follow(min(elapsed_ns, audio_ns) * FOLLOWED_PERCENT // 100)
        gained_ns = self._lead_ns - self._level_ns
        if self._is_on and gained_ns > CALM_MS * NS_PER_MS * FOLLOWED_PERCENT // 100:
            self._level_ns, self._calm_since = self._lead_ns, now
        elif not self._is_on and gained_ns >= GAIN_MS * NS_PER_MS:
            self._is_on, self._level_ns, self._calm_since = True, self._lead_ns, now
            edges.append(BacklogBegan())
        return edges

    def _follow(self, step_ns: int) -> None:
        """Move the level towards the lead."""
        self._level_ns += max(-step_ns, min(self._lead_ns - self._level_ns, step_ns))
