"""All rules, and the template of the chart that has them."""

import re
from collections.abc import Iterable, Iterator

from monitoring.alerts.backend_ejected import BACKEND_EJECTED
from monitoring.alerts.backend_errors import BACKEND_ERRORS
from monitoring.alerts.callers_refused import CALLERS_REFUSED
from monitoring.alerts.certificate_ends import CERTIFICATE_ENDS
from monitoring.alerts.certificate_ends_now import CERTIFICATE_ENDS_NOW
from monitoring.alerts.down import DOWN
from monitoring.alerts.loop_lag import LOOP_LAG
from monitoring.alerts.near_capacity import NEAR_CAPACITY
from monitoring.alerts.no_healthy_backend import NO_HEALTHY_BACKEND
from monitoring.alerts.replies_late import REPLIES_LATE
from monitoring.alerts.replies_late_slowly import REPLIES_LATE_SLOWLY
from monitoring.alerts.slow_replies import SLOW_REPLIES
from monitoring.alerts.turns_unanswered import TURNS_UNANSWERED
from monitoring.alerts.turns_unanswered_slowly import TURNS_UNANSWERED_SLOWLY
from monitoring.alerts.workers_die import WORKERS_DIE
from monitoring.objectives import OBJECTIVES
from monitoring.rule import Alert, Recording

ALERTS = (
    BACKEND_ERRORS,
    SLOW_REPLIES,
    LOOP_LAG,
    TURNS_UNANSWERED,
    TURNS_UNANSWERED_SLOWLY,
    REPLIES_LATE,
    REPLIES_LATE_SLOWLY,
    NO_HEALTHY_BACKEND,
    BACKEND_EJECTED,
    NEAR_CAPACITY,
    CALLERS_REFUSED,
    CERTIFICATE_ENDS,
    CERTIFICATE_ENDS_NOW,
    WORKERS_DIE,
    DOWN,
)
RECORDINGS = tuple(recording for objective in OBJECTIVES for recording in objective.recordings())
HEAD = """\
{{- include "voice-gateway.defaults" . -}}
{{- /* Generated from monitoring/ by `make docs`; edit that. */ -}}
{{- if .Values.metrics.prometheusRule.enabled }}
{{- $rule := .Values.metrics.prometheusRule }}
{{- $service := printf "%s-metrics" (include "voice-gateway.fullname" .) }}
{{- $job := printf "namespace=%q, service=%q" .Release.Namespace $service }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "voice-gateway.fullname" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- $labels := include "voice-gateway.labels" . | fromYaml }}
    {{- toYaml (mergeOverwrite $labels ($rule.labels | default dict)) | nindent 4 }}
spec:
  groups:
"""
OF_PROMETHEUS = re.compile(r"<(\w+)>|\{\{ (\$value[^}]*) \}\}")


def template() -> str:
    """The whole file."""
    alerts, recordings = map(_alert, ALERTS), map(_recording, RECORDINGS)
    groups = _group("voice-gateway", alerts) + _group("voice-gateway-objectives", recordings)
    return f"{HEAD}{groups}{{{{- end }}}}\n"


def _group(name: str, rules: Iterable[Iterator[str]]) -> str:
    lines = [f"    - name: {name}", "      rules:"]
    for rule in rules:
        first, *others = rule
        lines += [f"        - {first}", *(f"          {line}" for line in others)]
    return "\n".join(lines) + "\n"


def _alert(alert: Alert) -> Iterator[str]:
    yield f"alert: {alert.name}"
    yield from _expr(alert.expr)
    yield f"for: {alert.wait}"
    yield "labels:"
    yield f"  severity: {alert.severity}"
    yield "annotations:"
    yield f'  summary: "{OF_PROMETHEUS.sub(_kept_for_prometheus, alert.summary)}"'
    yield "  {{- with $rule.runbookBase }}"
    yield f'  runbook_url: {{{{ printf "%s/{alert.page}" . | quote }}}}'
    yield "  {{- end }}"


def _recording(recording: Recording) -> Iterator[str]:
    yield f"record: {recording.record}"
    yield from _expr(recording.expr)


def _expr(text: str) -> Iterator[str]:
    yield "expr: |-"
    yield from (f"  {line}" for line in text.splitlines())


def _kept_for_prometheus(match: re.Match[str]) -> str:
    """Helm has the same braces as Prometheus, and is to leave these alone."""
    inside = f"$labels.{match[1]}" if match[1] else match[2]
    return f'{{{{ "{{{{ {inside} }}}}" }}}}'
