"""Who may begin a session now: as many as the process carries, and never a queue. Pure: the instant is an argument.

A caller is asked about twice. `check` refuses before anything was read or built for the call, so that a flood costs
little; `take` looks and takes the place in one step, so that two who come at once cannot both have the last one. A
place is held until it is released, whether its session ever ran or not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Limit, Reason, Refused
from voice_gateway.domain.instant import Instant
from voice_gateway.session.admission.load import Excess, Load, LoadLimits, Pressure, judge
from voice_gateway.session.admission.quotas import Quotas, QuotaSettings, Usage
from voice_gateway.session.admission.unstarted import Unstarted

FULL_RETRY_MS = 1_000
"""Nobody needs to come again sooner: the shortest calls last seconds, and another pod may have room at once."""
RETRY_SPREAD_MS = 2_000
"""Callers that are refused together come back spread over this much more time, not all at once."""
_SPREAD_STEP_MS = 1_237
"""Near the golden section of the spread: neighbours, and their neighbours, are told instants far apart."""
UNSTARTED = 60
"""Calls that may wait for their first message when all sessions run; for each session that does not, one more may.
They are fewer than the other streams of a connection (app/servers.py), so that a proxy's next call always reaches us.
Each holds up to 1.3 MB: 80 MB."""
ALWAYS_ADMITTED = 4
"""This many sessions are never refused for load. They cost a few percent of a core: if the machine is that busy, others
make it so, and a refusal would help nobody (a laptop that also runs the models)."""


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """How much the process takes on."""

    max_sessions: int = 100
    """At 100 calls the gateway uses 0.78 of the one core that it can use, and no frame is late; from about 150 on
    speech may stutter (docs/how-to/size-the-pods.md, 2026-11-21)."""
    load: LoadLimits = field(default_factory=LoadLimits)
    quotas: QuotaSettings = field(default_factory=QuotaSettings)
    unready_when_full: bool = False
    """Whether a full pod asks for no more calls. Off by default: when all pods are full, an empty Service would refuse
    connections instead of saying why, block disruption budgets and hang `helm --wait`."""


_ALMOST = 0.99
_OF_EXCESS = {Excess.CPU: Limit.CPU, Excess.ADDED_LATENCY: Limit.ADDED_LATENCY}
_TOLD = {
    Limit.SESSIONS: "every session that this server carries is taken",
    Limit.CPU: "the server is at the limit of its CPU",
    Limit.ADDED_LATENCY: "the server is late with what it has to do",
}


class Place:
    """One session's place. Given back once, however often it is released."""

    def __init__(self, give_back: "Callable[[Place], None]", usage: Usage) -> None:
        self._give_back = give_back
        self._usage = usage

    def count(self, heard_ms: Callable[[], int]) -> None:
        """Count what the session hears on its caller's account; `heard_ms` tells how much it has heard so far."""
        self._usage.heard_ms = heard_ms

    def release(self, now: Instant) -> None:
        """Give the place back."""
        self._usage.end(now)
        self._give_back(self)


class Admission:
    """The places of one process."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._places: set[Place] = set()
        self._pressure = Pressure()
        self._quotas = Quotas(settings.quotas)
        self._refusals = count()
        self.unstarted = Unstarted(self._room, self._retry_after_ms)
        """Calls that have not said what they want."""

    @property
    def sessions(self) -> int:
        """Places that are taken."""
        return len(self._places)

    @property
    def capacity(self) -> int:
        """Places in all."""
        return self._settings.max_sessions

    @property
    def fullness(self) -> float:
        """How full the process is, 0 to 1, by whatever is nearest to its limit; at 1 newcomers are refused."""
        if self._full() is not None:
            return 1.0
        taken = len(self._places) / self._settings.max_sessions
        # Load that has not lasted yet is no refusal, hence not quite 1.
        return taken if len(self._places) < ALWAYS_ADMITTED else max(taken, min(self._pressure.share, _ALMOST))

    def observe(self, load: Load) -> None:
        """Take a measurement."""
        self._pressure = judge(self._pressure, load, self._settings.load)

    def check(self, caller: Caller, now: Instant) -> None:
        """Refuse a caller whom `take` would refuse; takes nothing.

        Raises:
            Refused: AT_CAPACITY or QUOTA_EXCEEDED.
        """
        if (limit := self._full()) is not None:
            raise Refused(Reason.AT_CAPACITY, limit, _TOLD[limit], self._retry_after_ms())
        self._quotas.check(caller, now)

    def take(self, caller: Caller, now: Instant) -> Place:
        """Take a place; raises as `check` does."""
        self.check(caller, now)
        place = Place(self._places.discard, self._quotas.begin(caller, now))
        self._places.add(place)
        return place

    def _room(self) -> int:
        return self._settings.max_sessions + UNSTARTED - len(self._places)

    def _full(self) -> Limit | None:
        taken = len(self._places)
        if taken >= self._settings.max_sessions:
            return Limit.SESSIONS
        if self._pressure.excess is None or taken < ALWAYS_ADMITTED:
            return None
        return _OF_EXCESS[self._pressure.excess]

    def _retry_after_ms(self) -> int:
        return FULL_RETRY_MS + next(self._refusals) * _SPREAD_STEP_MS % RETRY_SPREAD_MS
