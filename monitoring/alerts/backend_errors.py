"""Calls to one address fail."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

BACKEND_ERRORS = Alert(
    "VoiceGatewayBackendErrors",
    f"{queries.summed(queries.rate(queries.select(names.BACKEND_ERRORS, WHERE), '5m'), 'backend', 'address')}"
    f" > {value('backendErrorsPerSecond')}",
    wait="5m",
    severity="critical",
    summary="Calls to <backend> at <address> fail",
)
