"""Replies begin late, by a quantile that needs no objective."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

ENOUGH_REPLIES = 20
"""Fewer in the window raise no alert: at night one slow reply would be one in twenty."""
SLOW_REPLIES = Alert(
    "VoiceGatewaySlowReplies",
    f"{queries.quantile(0.95, names.VOICE_TO_VOICE, WHERE, '10m', *queries.RELEASE)} > {value('slowReplySeconds')}\n"
    f"and {queries.summed(f'increase({queries.replies(WHERE)}[10m])', *queries.RELEASE)} >= {ENOUGH_REPLIES}",
    wait="10m",
    severity="warning",
    summary=f"One reply in twenty begins more than {value('slowReplySeconds')} s after the last word",
)
