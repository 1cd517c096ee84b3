"""How far a reply has been heard: the client's reports where it gives them, else the clock.

Positions are computed from edges: playout started, starved or complete, and the client's reports.
"""

from dataclasses import dataclass, replace
from enum import Enum

from voice_gateway.domain.instant import Instant, after_ms, samples_between, samples_to_ns
from voice_gateway.domain.player import Player

SLACK_MS = 20
"""A player that has come this near to the end of what was sent has played it: players count in blocks and resample."""

NOTICED_LATE_MS = 150
"""A sound may be noticed this long after it began: soft first consonants, chunks of 32 ms, frames of the client. Nobody
reacts within that time to what they hear."""

_RUNS_DRY = (Player.FLUSHES, Player.PLAYS_OUT)
"""Players that are reckoned to play the last of what they have while playout has to wait."""


class Reporting(Enum):
    """Whether the client tells how far it has played."""

    NOT_YET = "it has told nothing so far"
    YES = "it reports, on this reply or on earlier ones"
    OVER = "it can tell nothing any more"


@dataclass(frozen=True, slots=True)
class Heard:
    """A position in the reply's timeline; an estimate, unless it is from the client's final report."""

    samples: int
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class _Paced:
    """Where playout stood at an instant, and whether it has moved on since, at the pace of real time."""

    samples: int
    at: Instant
    is_moving: bool
    is_drained: bool = False
    """Whether the client plays all that it has of this, and gets no more."""


@dataclass(frozen=True, slots=True)
class _Report:
    """The farthest position that the client has told."""

    samples: int
    at: Instant
    """When the client reported last."""
    is_final: bool
    """Whether it is the client's last word: it plays nothing after it."""


class Playback:
    """Playout of one reply, and what the client tells of it. Positions are samples of the reply's own timeline."""

    def __init__(
        self, rate_hz: int, client_buffer_ms: int, stall_ms: int, reporting: Reporting, player: Player
    ) -> None:
        self.rate_hz = rate_hz
        self.player = player
        """What the client's player does while the reply is held."""
        self._client_buffer_ms = client_buffer_ms
        self._stall_ms = stall_ms
        self._reporting = reporting
        self._paced: _Paced | None = None
        """None: nothing has left."""
        self._total: int | None = None
        self._report: _Report | None = None
        self._began: Instant | None = None
        """When its first sample was heard, as far as that is known; None: nothing of it has left."""
        self.left_at: Instant | None = None
        """When its first audio left."""
        self._moved_at = Instant(0)
        """When the client was last known to play on."""
        self._resumed_samples = 0
        """Heard before audio left again, after the reply was held or playout had to wait."""
        self._is_outdated = False
        """Whether audio leaves again to a player that was flushed or has run dry, and the client told nothing of it."""

    @property
    def is_reporting(self) -> bool:
        """Whether the client reports, on this reply or on earlier ones."""
        return self._reporting is Reporting.YES

    @property
    def is_settled(self) -> bool:
        """Whether the client has told its last position."""
        return self._report is not None and self._report.is_final

    @property
    def is_completed(self) -> bool:
        """Whether all audio has left."""
        return self._total is not None

    @property
    def is_empty(self) -> bool:
        """Whether playout is complete, and there was no audio."""
        return self._total == 0

    @property
    def total_samples(self) -> int:
        """Length of a completed playout; 0 before, or without any audio."""
        return self._total or 0

    def started(self, at_samples: int, now: Instant, *, is_held: bool) -> None:
        """Audio leaves from `at_samples` on. `is_held`: the reply is held, so that only some players play it."""
        is_silent = is_held and self.player.falls_silent
        if self._is_dropped(is_held=is_held):
            return
        if self._paced is not None and self._paced.is_drained:
            self._resumed_samples = self.heard(now).samples
            self._is_outdated = self.player is Player.FLUSHES
        if self.player is Player.FLUSHES:
            self._resumed_samples = min(self._resumed_samples, at_samples)  # a slow wire had not written the rest
        self._paced, self._moved_at = _Paced(at_samples, now, is_moving=not is_silent), now
        self.left_at = self.left_at or now
        if not is_silent:
            self._began = self._began or after_ms(now, self._client_buffer_ms)

    def starved(self, at_samples: int, now: Instant, *, is_held: bool) -> None:
        """Playout waits at `at_samples` for more audio."""
        if self._is_dropped(is_held=is_held):
            return
        self._paced = _Paced(at_samples, now, is_moving=False, is_drained=self.player in _RUNS_DRY)

    def _is_dropped(self, *, is_held: bool) -> bool:
        """Whether a fact of playout crosses with a hold that has flushed the client: it plays nothing of that."""
        return is_held and self.player is Player.FLUSHES and self._paced is not None

    def held(self, now: Instant) -> None:
        """The reply is held: nothing more leaves. A client that plays out what it has plays on."""
        if not self.player.falls_silent:
            return
        heard, stands_at = self.heard(now).samples, self.paced(now)
        if not heard:
            self._began = None
        if self.player is Player.FLUSHES:
            self._resumed_samples = stands_at = heard
        if self._paced is not None:
            self._paced = _Paced(stands_at, now, is_moving=False)

    def resumed(self, now: Instant) -> int:
        """The reply is no longer held. Returns what had been heard of it.

        A player that pauses plays on from there. One that was flushed gets the audio from there on again: `started`
        and `completed` follow.
        """
        heard = self.heard(now).samples
        if self._report is not None:
            self._report = replace(self._report, is_final=False)
        if not self.player.falls_silent:
            return heard
        self._resumed_samples = heard
        if self.player is Player.FLUSHES:
            self._total, self._began, self._is_outdated = None, self._began if heard else None, True
            self._paced, self._moved_at = _Paced(heard, now, is_moving=False), now
        else:
            self.started(heard, now, is_held=False)
        return heard

    def may_end_at(self, total_samples: int) -> bool:
        """Whether playout can have ended there: of what is to leave again it has not, before that has begun to."""
        paced = self._paced
        return self.player is not Player.FLUSHES or paced is None or paced.is_moving or total_samples <= paced.samples

    def completed(self, total_samples: int) -> None:
        """All audio has left."""
        self._total = total_samples

    def reported(self, played_samples: int, now: Instant, *, is_final: bool, is_held: bool) -> None:
        """The client has played up to there. Of a report that goes back only its instant and `is_final` count."""
        known = self._report
        is_of_before = self._is_outdated and not self._may_have_played(played_samples, now)
        if not is_held:
            self._is_outdated = is_of_before
            is_final = is_final and not is_of_before
        if (known is None or not known.samples) and (is_held or not is_of_before):
            self._began = self._reckoned(played_samples, now, is_held=is_held)
        if self._reporting is Reporting.NOT_YET:
            self._reporting = Reporting.YES
        if known is None or played_samples > known.samples:
            self._report, self._moved_at = _Report(played_samples, now, is_final), now
        else:
            self._report = _Report(known.samples, now, is_final or known.is_final)

    def _may_have_played(self, played_samples: int, now: Instant) -> bool:
        """Whether this position can be one in what has left again."""
        is_moving = self._paced is not None and self._paced.is_moving
        return is_moving and self._resumed_samples < played_samples <= self.paced(now)

    def _reckoned(self, played_samples: int, now: Instant, *, is_held: bool) -> Instant | None:
        """When the first sample was heard, by this position; one told at a hold may not have sounded yet.

        None: it was dropped before it sounded.
        """
        if is_held and self.player is Player.FLUSHES and not played_samples:
            return None
        if not (is_held and self.player.falls_silent) or self._paced is None:
            return Instant(now - samples_to_ns(played_samples, self.rate_hz))
        reckoned = Instant(self._paced.at - samples_to_ns(played_samples, self.rate_hz))
        return max(reckoned, self._began or reckoned)

    def reports_ended(self) -> None:
        """The client can report no more."""
        self._reporting = Reporting.OVER

    def paced(self, now: Instant) -> int:
        """Where real time stands in the reply."""
        if self._paced is None:
            return 0
        moved = samples_between(self._paced.at, now, self.rate_hz) if self._paced.is_moving else 0
        paced = self._paced.samples + moved
        return paced if self._total is None else min(paced, self._total)

    def heard(self, now: Instant) -> Heard:
        """What has been heard by `now`; never more than was sent."""
        paced, report = self.paced(now), self._report
        if report is not None and report.is_final:
            return Heard(report.samples, is_estimate=False)
        told = 0 if report is None else report.samples
        if report is None or self._is_outdated:
            buffered = self._client_buffer_ms * self.rate_hz // 1_000
            if self._paced is not None and self._paced.is_drained:
                buffered = max(0, buffered - samples_between(self._paced.at, now, self.rate_hz))
            return Heard(max(told, self._resumed_samples, paced - buffered), is_estimate=True)
        since = samples_between(report.at, now, self.rate_hz)
        return Heard(max(told, min(paced, told + since)), is_estimate=True)

    def heard_ms(self, now: Instant) -> int:
        """What has been heard by `now`, in whole milliseconds."""
        return self.heard(now).samples * 1_000 // self.rate_hz

    def is_heard_by(self, instant: Instant) -> bool:
        """Whether its first sample was heard before this instant: by the client's first position, else by the clock.

        The instant is when speech was noticed, up to `NOTICED_LATE_MS` after it began.
        """
        return self._began is not None and after_ms(self._began, NOTICED_LATE_MS) < instant

    def is_over(self, now: Instant) -> bool:
        """Whether all of a completed playout has been heard; the player must not stand still."""
        if self.is_reporting:
            return self.is_settled or self._is_played(self.total_samples)
        over_at = self._over_at()
        return over_at is not None and now >= over_at

    def deadline(self) -> Instant | None:
        """When to look again, while the player moves: its end by the clock, or the stall of one that reports."""
        if not self.is_reporting:
            return self._over_at()
        return after_ms(self._moved_at, self._stall_ms) if self._is_audio_due() else None

    def is_stalled(self, now: Instant) -> bool:
        """Whether a reporting client's playback has stood still for `stall_ms` while audio was due."""
        return self.is_reporting and self._is_audio_due() and now >= after_ms(self._moved_at, self._stall_ms)

    def _is_audio_due(self) -> bool:
        if self.is_settled or self._paced is None or (self._paced.is_drained and self._total is None):
            return False
        limit = self._paced.samples if self._total is None else self._total
        return not self._is_played(limit) or (self._paced.is_moving and self._total is None)

    def _is_played(self, until_samples: int) -> bool:
        reported = 0 if self._report is None else self._report.samples
        if self.player is Player.FLUSHES:
            reported = max(reported, self._resumed_samples)  # it is not sent again, so that no report of it comes
        return reported + SLACK_MS * self.rate_hz // 1_000 >= until_samples

    def _over_at(self) -> Instant | None:
        if self._total is None or self._paced is None:
            return None
        left = samples_to_ns(max(0, self._total - self._paced.samples), self.rate_hz)
        return after_ms(Instant(self._paced.at + left), self._client_buffer_ms)
