"""Calls to one address fail."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

ERRORS = queries.rate(queries.select(names.BACKEND_ERRORS, WHERE), "5m")
BACKEND_ERRORS = Alert(
    "VoiceGatewayBackendErrors",
    f"{queries.summed(ERRORS, *queries.RELEASE, 'backend', 'address')} > {value('backendErrorsPerSecond')}",
    wait="5m",
    severity="warning",
    summary="Calls to <backend> at <address> fail",
)
