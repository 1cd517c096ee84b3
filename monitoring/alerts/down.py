"""Nobody is there."""

from monitoring import queries
from monitoring.rule import WHERE, Alert

UP = f"up{{{WHERE}}}"
DOWN = Alert(
    "VoiceGatewayDown",
    f"{queries.summed(UP, *queries.RELEASE)} == 0\nor absent({UP})",
    wait="2m",
    severity="critical",
    summary="No pod of <service> in <namespace> answers Prometheus",
)
