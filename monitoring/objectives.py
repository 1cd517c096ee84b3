"""The two objectives, and alerts on how fast they burn their error budget.

Windows and factors are those of the SRE workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", for an objective of
30 days: a long window says that it matters, a short one that it still goes on.
"""

from dataclasses import dataclass

from monitoring import queries
from monitoring.rule import WHERE, Recording, value

ENOUGH_MISSES = 5
"""Fewer in the long window raise no alert: at night one failed turn of three would burn a month's budget."""
PAGE = ((14.4, "5m", "1h"), (6, "30m", "6h"))
TICKET = ((3, "2h", "1d"), (1, "6h", "3d"))
"""Factor, short and long window. 14.4 for an hour is 2 % of a month's budget, 1 for three days is 10 %."""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of events that are to be good."""

    name: str
    """Of its series: what is missed."""
    good: str
    valid: str
    percent: str
    """Which value of the chart has it."""

    def record(self, window: str) -> str:
        """Name of the share that was missed in that window."""
        return f"voicegateway:{self.name}:ratio_rate{window}"

    def recordings(self) -> tuple[Recording, ...]:
        """Its series."""
        return tuple(
            Recording(self.record(window), queries.missed_share(self.good, self.valid, window, *queries.RELEASE))
            for window in WINDOWS
        )

    def burns(self, speeds: tuple[tuple[float, str, str], ...]) -> str:
        """Whether its budget burns at one of these speeds."""
        return "\nor\n".join(self._burns(*speed) for speed in speeds)

    def _burns(self, factor: float, short: str, long: str) -> str:
        limit = f"{factor:g} * (100 - {value(self.percent)}) / 100"
        over = (f"{self.record(window)}{{{WHERE}}} > {limit}" for window in (long, short))
        risen = (queries.summed(f"increase({what}[{long}])", *queries.RELEASE) for what in (self.valid, self.good))
        return "(\n  " + "\n  and ".join((*over, f"{' - '.join(risen)} >= {ENOUGH_MISSES}")) + "\n)"


ANSWERED = Objective("turns_unanswered", queries.answered(WHERE), queries.turns(WHERE), "answeredPercent")
PROMPT = Objective(
    "replies_late", queries.prompt_replies(WHERE, value("promptSeconds")), queries.replies(WHERE), "promptPercent"
)
OBJECTIVES = (ANSWERED, PROMPT)
