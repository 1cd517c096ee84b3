"""Who may begin a session now: as many as the process carries, and never a queue. Pure: the instant is an argument.

A caller is asked about twice. `check` refuses before anything was read or built for the call, which is what a flood
costs; `take` takes the place in the same step in which it looks, so that two who come at once cannot both have the
last one. A place is held until it is released, whether its session ever ran or not.
"""

from dataclasses import dataclass
from itertools import count

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Reason, Unavailable
from voice_gateway.domain.instant import Instant

FULL_RETRY_MS = 1_000
"""Sooner nobody needs to come again: the shortest calls last seconds, and another pod may have room at once."""
RETRY_SPREAD_MS = 2_000
"""Those who are refused together are spread over so much more, or they would come back together."""
_SPREAD_STEP_MS = 1_237
"""Near the golden section of the spread: neighbours, and their neighbours, are told instants far apart."""


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """What the process takes upon itself."""

    max_sessions: int = 100
    """At 100 calls the gateway uses 0.78 of the one core that it has use for, and no frame is late; from about 150 on
    speech may stutter (docs/how-to/size-the-pods.md, 2026-11-21)."""


class Place:
    """One session's place. Given back once, however often it is released."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission

    def release(self) -> None:
        """Somebody else may have it."""
        self._admission.give_back(self)


class Admission:
    """The places of one process."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._places: set[Place] = set()
        self._refusals = count()

    @property
    def sessions(self) -> int:
        """Places that are taken."""
        return len(self._places)

    @property
    def capacity(self) -> int:
        """Places that there are."""
        return self._settings.max_sessions

    def check(self, caller: Caller, now: Instant) -> None:
        """Refuse who would be refused by `take`; takes nothing.

        Raises:
            Unavailable: AT_CAPACITY.
        """
        del caller, now
        if len(self._places) >= self._settings.max_sessions:
            message = f"all {self._settings.max_sessions} sessions are taken"
            raise Unavailable(Reason.AT_CAPACITY, message, retry_after_ms=self._retry_after_ms())

    def take(self, caller: Caller, now: Instant) -> Place:
        """Take a place; raises as `check` does."""
        self.check(caller, now)
        place = Place(self)
        self._places.add(place)
        return place

    def give_back(self, place: Place) -> None:
        """Called by the place."""
        self._places.discard(place)

    def _retry_after_ms(self) -> int:
        return FULL_RETRY_MS + next(self._refusals) * _SPREAD_STEP_MS % RETRY_SPREAD_MS
