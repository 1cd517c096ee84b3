"""Soon newcomers are refused."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

NEAR_CAPACITY = Alert(
    "VoiceGatewayNearCapacity",
    f"100 * avg by (namespace, service) ({queries.select(names.FULLNESS, WHERE)}) > {value('nearCapacityPercent')}",
    wait="10m",
    severity="warning",
    summary="The pods are {{ $value | humanize }} % full, and refuse callers at 100 %",
)
