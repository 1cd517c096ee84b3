"""Replies begin late so often that a month's budget goes in hours."""

from monitoring.objectives import PAGE, PROMPT
from monitoring.rule import Alert, value

REPLIES_LATE = Alert(
    "VoiceGatewayRepliesLate",
    PROMPT.burns(PAGE),
    wait="2m",
    severity="critical",
    summary=f"Replies begin later than {value('promptSeconds')} s: a month's budget is gone in five days or sooner",
)
