"""An address is out, and others carry its load."""

from voice_gateway.domain.backend_status import AddressState

from monitoring import queries
from monitoring.rule import WHERE, Alert

BACKEND_EJECTED = Alert(
    "VoiceGatewayBackendEjected",
    f"max by ({', '.join((*queries.RELEASE, 'backend'))}) ({queries.addresses(WHERE, AddressState.EJECTED)}) > 0",
    wait="5m",
    severity="warning",
    summary="{{ $value }} addresses of <backend> get no calls, because they failed",
)
