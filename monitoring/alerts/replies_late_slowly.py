"""The same, in days."""

from monitoring.alerts.replies_late import REPLIES_LATE
from monitoring.objectives import PROMPT, TICKET
from monitoring.rule import Alert, value

REPLIES_LATE_SLOWLY = Alert(
    "VoiceGatewayRepliesLateSlowly",
    PROMPT.burns(TICKET),
    wait="15m",
    severity="warning",
    summary=f"Some replies begin later than {value('promptSeconds')} s: this month's budget will not last",
    page=REPLIES_LATE.page,
)
