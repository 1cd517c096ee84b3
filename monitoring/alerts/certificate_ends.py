"""After its end nobody comes in."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.rule import WHERE, Alert, value

CERTIFICATE_ENDS = Alert(
    "VoiceGatewayCertificateEnds",
    f"min by ({', '.join(queries.RELEASE)}) ({queries.select(names.CERTIFICATE_EXPIRY, WHERE)})"
    f" < time() + 86400 * {value('certificateDays')}",
    wait="15m",
    severity="warning",
    summary="The certificate ends, or ended, at {{ $value | humanizeTimestamp }}",
)
