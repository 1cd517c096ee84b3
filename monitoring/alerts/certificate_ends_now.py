"""The same, on the last day and after it."""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.alerts.certificate_ends import CERTIFICATE_ENDS
from monitoring.rule import WHERE, Alert

CERTIFICATE_ENDS_NOW = Alert(
    "VoiceGatewayCertificateEndsNow",
    f"min by ({', '.join(queries.RELEASE)}) ({queries.select(names.CERTIFICATE_EXPIRY, WHERE)}) < time() + 86400",
    wait="5m",
    severity="critical",
    summary=CERTIFICATE_ENDS.summary,
    page=CERTIFICATE_ENDS.page,
)
