"""The same, in days."""

from monitoring.alerts.turns_unanswered import TURNS_UNANSWERED
from monitoring.objectives import ANSWERED, TICKET
from monitoring.rule import Alert

TURNS_UNANSWERED_SLOWLY = Alert(
    "VoiceGatewayTurnsUnansweredSlowly",
    ANSWERED.burns(TICKET),
    wait="15m",
    severity="warning",
    summary="Some callers get no answer: this month's budget will not last",
    page=TURNS_UNANSWERED.page,
)
