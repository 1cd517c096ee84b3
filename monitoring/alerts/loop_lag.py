"""A pod has more to do than its core can."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

LOOP_LAG = Alert(
    "VoiceGatewayLoopLag",
    f"{queries.quantile(0.99, names.LOOP_LAG, WHERE, '5m', *queries.RELEASE, 'pod')} > {value('loopLagSeconds')}",
    wait="5m",
    severity="warning",
    summary="<pod> is over its capacity, and speech stutters",
)
