"""Limits that a run must keep for the exit status 0. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voice_client.load.scores import Summary


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; None: no gate."""

    max_p95_ms: float | None = None
    """Of the added latency where the serial floor is known, else of voice to voice."""
    max_unanswered: int | None = None
    max_failed: int | None = None
    max_gaps: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit, and what was measured."""

    name: str
    measured: float
    limit: float

    @property
    def is_kept(self) -> bool:
        """What was not measured at all keeps no limit."""
        return not math.isnan(self.measured) and self.measured <= self.limit


def judge(run: Summary, limits: Limits) -> Sequence[Gate]:
    """The gates that were asked for."""
    latency = ("added p95, ms", run.added) if run.added is not None else ("voice to voice p95, ms", run.voice_to_voice)
    gates = (
        (latency[0], round(latency[1].p95_ms, 1), limits.max_p95_ms),
        ("turns unanswered", run.unanswered if run.turns else math.nan, limits.max_unanswered),
        ("calls failed", run.failed_calls, limits.max_failed),
        ("gaps", run.gaps, limits.max_gaps),
    )
    return tuple(Gate(name, measured, limit) for name, measured, limit in gates if limit is not None)
