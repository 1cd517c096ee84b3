"""Turns get no answer so often that a month's budget goes in hours."""

from monitoring.objectives import ANSWERED, PAGE
from monitoring.rule import Alert

TURNS_UNANSWERED = Alert(
    "VoiceGatewayTurnsUnanswered",
    ANSWERED.burns(PAGE),
    wait="2m",
    severity="critical",
    summary="Callers get no answer: a month's budget is gone in five days or sooner",
)
