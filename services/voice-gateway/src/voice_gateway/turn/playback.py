"""How far a reply has been heard: the client's reports where it gives them, else the clock.

Positions are computed from edges: playout started, starved or complete, and the client's reports.
"""

from dataclasses import dataclass, field

from voice_gateway.domain.instant import Instant, after_ms, samples_between, samples_to_ns

SLACK_MS = 20
"""A player that has come so near to the end of what was sent has played it: players count in blocks and resample."""

NOTICED_LATE_MS = 150
"""A sound is noticed so much after it began: soft first consonants, chunks of 32 ms, frames of the client. Nobody
reacts to what they hear within that time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A position in the reply's timeline, and whether the client's own last word stands behind it."""

    samples: int
    is_estimate: bool


@dataclass(slots=True)
class Playback:
    """Playout of one reply."""

    rate_hz: int
    client_buffer_ms: int
    stall_ms: int
    expects_reports: bool
    """Whether this client has reported on earlier replies."""
    _anchor: Instant | None = field(default=None, init=False)
    _anchor_samples: int = field(default=0, init=False)
    _is_running: bool = field(default=False, init=False)
    _total: int | None = field(default=None, init=False)
    _reported: int | None = field(default=None, init=False)
    _reported_at: Instant = field(default=Instant(0), init=False)
    _began: Instant | None = field(default=None, init=False)
    """When its first sample was heard, as far as that is known; None: nothing of it has left."""
    _moved_at: Instant = field(default=Instant(0), init=False)
    _is_settled: bool = field(default=False, init=False)
    _is_paused: bool = field(default=False, init=False)
    _can_report: bool = field(default=True, init=False)
    _resumed_samples: int = field(default=0, init=False)
    """Heard before the client's player was held: it goes on from there."""

    def started(self, at_samples: int, now: Instant) -> None:
        """Audio leaves from `at_samples` on."""
        self._anchor, self._anchor_samples, self._moved_at = now, at_samples, now
        self._is_running = not self._is_paused
        if not self._is_paused:
            self._began = self._began or after_ms(now, self.client_buffer_ms)

    def starved(self, at_samples: int, now: Instant) -> None:
        """Playout waits at `at_samples` for more audio."""
        self._moved_at = now if self._anchor is None else self._moved_at
        self._anchor, self._anchor_samples, self._is_running = now, at_samples, False

    def paused(self, now: Instant) -> None:
        """The client holds its player."""
        if not self.heard(now).samples:
            self._began = None
        if self._anchor is not None:
            self.starved(self.paced(now), now)
        self._is_paused = True

    def resumed(self, at_samples: int, now: Instant) -> None:
        """The client plays on from `at_samples`."""
        self._is_paused = self._is_settled = False
        self._resumed_samples = at_samples
        self.started(at_samples, now)

    def released(self) -> None:
        """Nothing had been sent when it was held, and nothing is held any more."""
        self._is_paused = False

    def completed(self, total_samples: int) -> None:
        """All audio has left."""
        self._total = total_samples

    def reported(self, played_samples: int, *, is_final: bool, now: Instant) -> None:
        """The client has played so far; reports that go back are ignored."""
        if not self._reported:
            self._began = self._reckoned(played_samples, now)
        if self._reported is None or played_samples > self._reported:
            self._reported, self._moved_at, self._is_settled = played_samples, now, False
        self._reported_at = now
        self._is_settled = self._is_settled or is_final

    def _reckoned(self, played_samples: int, now: Instant) -> Instant:
        """When the first sample was heard, by this position; one told at a hold may have yet to sound."""
        if not self._is_paused or self._anchor is None:
            return Instant(now - samples_to_ns(played_samples, self.rate_hz))
        reckoned = Instant(self._anchor - samples_to_ns(played_samples, self.rate_hz))
        return max(reckoned, self._began or reckoned)

    def reports_ended(self) -> None:
        """The client can report no more."""
        self._can_report = False

    @property
    def total_samples(self) -> int:
        """Length of a completed playout; 0 before, or without any audio."""
        return self._total or 0

    @property
    def is_reporting(self) -> bool:
        """Whether the client reports, on this reply or on earlier ones."""
        return self._can_report and (self.expects_reports or self._reported is not None)

    @property
    def is_paused(self) -> bool:
        """Whether the client's player is held."""
        return self._is_paused

    @property
    def is_settled(self) -> bool:
        """Whether the client has told its last position."""
        return self._is_settled

    def paced(self, now: Instant) -> int:
        """Where real time stands in the reply."""
        if self._anchor is None:
            return 0
        moved = samples_between(self._anchor, now, self.rate_hz) if self._is_running else 0
        paced = self._anchor_samples + moved
        return paced if self._total is None else min(paced, self._total)

    def heard(self, now: Instant) -> Heard:
        """What has been heard by `now`; never more than was sent."""
        paced = self.paced(now)
        if self._reported is None:
            buffered = self.client_buffer_ms * self.rate_hz // 1_000
            return Heard(max(self._resumed_samples, paced - buffered), is_estimate=True)
        if self._is_settled:
            return Heard(self._reported, is_estimate=False)
        since = samples_between(self._reported_at, now, self.rate_hz)
        return Heard(max(self._reported, min(paced, self._reported + since)), is_estimate=True)

    def is_heard_by(self, instant: Instant) -> bool:
        """Whether its first sample was heard before this instant: by the client's first position, else by the clock.

        Of speech that began then, the instant is known `NOTICED_LATE_MS` too late at most.
        """
        return self._began is not None and after_ms(self._began, NOTICED_LATE_MS) < instant

    def is_over(self, now: Instant) -> bool:
        """Whether all of a completed playout has been heard."""
        if self._total is None or self._is_paused:
            return False
        if self.is_reporting:
            return self._is_settled or self._is_played(self._total)
        over_at = self._over_at()
        return over_at is not None and now >= over_at

    def deadline(self) -> Instant | None:
        """When to look again: the end by the clock, or the instant a reporting client counts as stalled."""
        if not self.is_reporting:
            return self._over_at()
        return after_ms(self._moved_at, self.stall_ms) if self._is_audio_due() else None

    def is_stalled(self, now: Instant) -> bool:
        """Whether a reporting client's playback has stood still for `stall_ms` while audio was due."""
        return self.is_reporting and self._is_audio_due() and now >= after_ms(self._moved_at, self.stall_ms)

    def _is_audio_due(self) -> bool:
        if self._is_settled or self._is_paused or self._anchor is None:
            return False
        limit = self._anchor_samples if self._total is None else self._total
        return not self._is_played(limit) or (self._is_running and self._total is None)

    def _is_played(self, until_samples: int) -> bool:
        return (self._reported or 0) + SLACK_MS * self.rate_hz // 1_000 >= until_samples

    def _over_at(self) -> Instant | None:
        if self._total is None or self._anchor is None or self._is_paused:
            return None
        left = samples_to_ns(max(0, self._total - self._anchor_samples), self.rate_hz)
        return after_ms(Instant(self._anchor + left), self.client_buffer_ms)
