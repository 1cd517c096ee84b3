"""A pod with calls has nobody left to ask."""

from voice_gateway.domain.backend_status import AddressState
from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert

NO_HEALTHY_BACKEND = Alert(
    "VoiceGatewayNoHealthyBackend",
    f"{queries.summed(queries.addresses(WHERE, AddressState.HEALTHY), *queries.RELEASE, 'pod', 'backend')} == 0\n"
    f"and on ({', '.join((*queries.RELEASE, 'pod'))}) {queries.select(names.SESSIONS_IN_PROGRESS, WHERE)} > 0",
    wait="2m",
    severity="critical",
    summary="<pod> has no healthy address of <backend>, and its callers hear apologies",
)
