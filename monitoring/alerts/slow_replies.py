"""Replies begin late, by a quantile that needs no objective."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

SLOW_REPLIES = Alert(
    "VoiceGatewaySlowReplies",
    f"{queries.quantile(0.95, names.VOICE_TO_VOICE, WHERE, '10m')} > {value('slowReplySeconds')}",
    wait="10m",
    severity="warning",
    summary=f"One reply in twenty begins more than {value('slowReplySeconds')} s after the last word",
)
