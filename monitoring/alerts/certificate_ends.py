"""After its end nobody comes in."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

CERTIFICATE_ENDS = Alert(
    "VoiceGatewayCertificateEnds",
    f"min by (namespace, service) ({queries.select(names.CERTIFICATE_EXPIRY, WHERE)}) - time()"
    f" < 86400 * {value('certificateDays')}",
    wait="15m",
    severity="warning",
    summary="The certificate ends in {{ $value | humanizeDuration }}",
)
