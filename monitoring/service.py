"""Dashboard *service*: is it good for callers?"""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.objectives import ANSWERED, PROMPT
from monitoring.panels import OF_RELEASE, WHERE, WINDOW, Chart, Query, Unit

CHARTS = (
    Chart(
        "Turns without an answer",
        "Share of the last 5 minutes and of the last hour. The objective allows 0.1 % by default.",
        Unit.SHARE,
        tuple(Query(f"{ANSWERED.record(window)}{{{OF_RELEASE}}}", window) for window in ("5m", "1h")),
    ),
    Chart(
        "Replies that begin late",
        "Share of the last 5 minutes and of the last hour. The objective allows 5 % by default.",
        Unit.SHARE,
        tuple(Query(f"{PROMPT.record(window)}{{{OF_RELEASE}}}", window) for window in ("5m", "1h")),
    ),
    Chart(
        "Voice to voice",
        "From the caller's last word to the first sound of the reply.",
        Unit.SECONDS,
        tuple(
            Query(queries.quantile(share, names.VOICE_TO_VOICE, WHERE, WINDOW), f"p{100 * share:.0f}")
            for share in (0.5, 0.95, 0.99)
        ),
    ),
    Chart(
        "Time to silence",
        "From the first sound of who speaks over the agent to its pause.",
        Unit.SECONDS,
        tuple(
            Query(queries.quantile(share, names.TIME_TO_SILENCE, WHERE, WINDOW), f"p{100 * share:.0f}")
            for share in (0.5, 0.95)
        ),
    ),
    Chart(
        "Turns",
        "By what became of them. FAILED and ABANDONED are what callers suffer; TAKEN_BACK are no turns of their own.",
        Unit.PER_SECOND,
        (Query(queries.summed(queries.rate(queries.select(names.TURNS, WHERE), WINDOW), "outcome"), "{{outcome}}"),),
    ),
    Chart(
        "Words over the agent",
        "What became of them: an interruption, an echo, a backchannel or a noise.",
        Unit.PER_SECOND,
        (
            Query(
                queries.summed(queries.rate(queries.select(names.BARGE_INS, WHERE), WINDOW), "outcome"), "{{outcome}}"
            ),
        ),
    ),
    Chart(
        "Trouble that callers were told of",
        "By reason; the runbooks say what each one means.",
        Unit.PER_SECOND,
        (Query(queries.summed(queries.rate(queries.select(names.NOTICES, WHERE), WINDOW), "reason"), "{{reason}}"),),
    ),
    Chart(
        "Gaps in speech",
        "Underruns: a backend did not keep up. Late ticks: the gateway did not.",
        Unit.PER_SECOND,
        (
            Query(queries.summed(queries.rate(queries.select(names.UNDERRUNS, WHERE), WINDOW)), "underruns"),
            Query(queries.summed(queries.rate(queries.select(names.LATE_TICKS, WHERE), WINDOW)), "late ticks"),
        ),
    ),
)
