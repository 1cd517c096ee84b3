"""A worker took its calls with it."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert

DEATHS = f"increase({queries.select(names.WORKER_DEATHS, WHERE)}[30m])"
WORKERS_DIE = Alert(
    "VoiceGatewayWorkersDie",
    f"{queries.summed(DEATHS, *queries.RELEASE, 'pod')} > 0",
    wait="1m",
    severity="warning",
    summary="Workers of <pod> ended unasked within half an hour, and the calls they had with them",
)
