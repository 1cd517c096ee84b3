"""How much the process has to do, and whether that lets anybody in. Pure.

Two measures, because each is blind where the other sees. CPU rises with our own work at once, long before anything is
late, but knows nothing of neighbours that take the core, or of a limit that stops us. Added latency sees those, but of
our own work only when it is nearly too late. The lag of the event loop is in neither: at 98 % of the core its p99 is
still 10 ms while callers wait 80 ms longer (docs/adr/0023-admission-by-cpu-and-added-latency.md).
"""

from dataclasses import dataclass
from enum import StrEnum

SUSTAINED = 3
"""Measurements in a row, a second each, before the verdict changes: a pause of the interpreter, a garbage collection or
a neighbour's burst refuses nobody."""
RELIEF_PERCENT = 90
"""Load must fall below this share of its limit before anybody is admitted again, or each newcomer would tip it over."""


LATE_MS = 20
"""A tick that is later than this is a frame of audio late."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured over about a second."""

    cpu_percent: float = 0.0
    """CPU of the process, in percent of the core that it may use; above 100 where gRPC's threads run beside it."""
    added_ms: float = 0.0
    """How late reply audio left after it was due: the 90th percentile."""
    late_ticks: int = 0
    """Ticks that came later than LATE_MS, those that never came included."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """The most that is allowed; 0: that measure does not count."""

    max_cpu_percent: int = 90
    """100 calls take 78 % (docs/how-to/size-the-pods.md, 2026-11-21), and at 98 % answers are 80 ms late."""
    max_added_ms: int = 40
    """One frame to the client: later ones use up what its player has in store."""


class Excess(StrEnum):
    """What there is too much of."""

    CPU = "cpu"
    ADDED_LATENCY = "added_latency"


@dataclass(frozen=True, slots=True)
class Pressure:
    """The verdict so far."""

    excess: Excess | None = None
    """None: the load lets newcomers in."""
    streak: int = 0
    """Measurements in a row that speak against the verdict."""
    share: float = 0.0
    """The last load as a share of its limit, 0 to 1, for the measure that is nearer to its limit."""


def judge(before: Pressure, load: Load, limits: LoadLimits) -> Pressure:
    """The verdict after one more measurement."""
    share = min(1.0, max(_shares(load, limits).values(), default=0.0))
    if before.excess is None:
        found = _excess(load, limits, percent=100)
        streak = before.streak + 1 if found else 0
        return Pressure(found, 0, share) if streak >= SUSTAINED else Pressure(None, streak, share)
    streak = 0 if _excess(load, limits, percent=RELIEF_PERCENT) else before.streak + 1
    return Pressure(None, 0, share) if streak >= SUSTAINED else Pressure(before.excess, streak, share)


def _excess(load: Load, limits: LoadLimits, *, percent: int) -> Excess | None:
    """What is at or above `percent` of its limit; None: neither measure."""
    return next((kind for kind, share in _shares(load, limits).items() if share * 100 >= percent), None)


def _shares(load: Load, limits: LoadLimits) -> dict[Excess, float]:
    """Each measure that counts, as a share of its limit."""
    rows = (
        (Excess.CPU, load.cpu_percent, limits.max_cpu_percent),
        (Excess.ADDED_LATENCY, load.added_ms, limits.max_added_ms),
    )
    return {kind: measured / limit for kind, measured, limit in rows if limit}
