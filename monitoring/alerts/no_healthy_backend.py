"""A pod has nobody left to ask."""

from voice_gateway.domain.backend_status import AddressState

from monitoring import queries
from monitoring.rule import WHERE, Alert

NO_HEALTHY_BACKEND = Alert(
    "VoiceGatewayNoHealthyBackend",
    f"{queries.summed(queries.addresses(WHERE, AddressState.HEALTHY), 'pod', 'backend')} == 0",
    wait="2m",
    severity="critical",
    summary="<pod> has no healthy address of <backend>, and its callers hear apologies",
)
