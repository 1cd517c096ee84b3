"""Who calls does not come in, and that is no fault of theirs."""

from voice_gateway.domain.errors import Reason
from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

REASONS = (Reason.AT_CAPACITY, Reason.BACKEND_UNAVAILABLE, Reason.INTERNAL)
"""The others are of the caller's own doing, as a token that is wrong or a quota that is used up, or end by themselves,
as DRAINING does: who is told that connects again, to another pod."""
ENOUGH_REFUSALS = 5
"""Fewer in the window raise no alert."""
REFUSED = queries.refused(WHERE, *REASONS)
BY = (*queries.RELEASE, "reason")
ATTEMPTS = f"{queries.rate(queries.select(names.SESSIONS_STARTED, WHERE), '10m')} or {queries.rate(REFUSED, '10m')}"
CALLERS_REFUSED = Alert(
    "VoiceGatewayCallersRefused",
    f"100 * {queries.summed(queries.rate(REFUSED, '10m'), *BY)}\n"
    f"  / on ({', '.join(queries.RELEASE)}) group_left {queries.summed(ATTEMPTS, *queries.RELEASE)}"
    f" > {value('refusedPercent')}\n"
    f"and {queries.summed(f'increase({REFUSED}[10m])', *BY)} >= {ENOUGH_REFUSALS}",
    wait="2m",
    severity="critical",
    summary="{{ $value | humanize }} % of calls are refused <reason>",
)
