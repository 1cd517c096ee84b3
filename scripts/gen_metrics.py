"""Writes docs/reference/metrics.md from the gateway's declarations. With --check: fails if it is stale."""

import sys

import generated
from voice_gateway.observability.metric_names import METRICS, Metric

HEADS = ("name", "kind", "unit", "labels", "meaning")
HEAD = f"""\
# Metrics of the gateway

{generated.note("services/voice-gateway/src/voice_gateway/observability/metric_names.py")}

Served over HTTP at `/metrics` on `METRICS_PORT`, for Prometheus.
Beside them stand the `process_` metrics of its client library: CPU, memory, descriptors, start.
Where the reader asks for OpenMetrics, latencies carry the trace of a sampled turn as an exemplar.
A label has a closed set of values, or comes from the settings; none is a session, and none holds a word.
"""


def _row(metric: Metric) -> tuple[str, ...]:
    return f"`{metric.name}`", metric.kind.value, metric.unit, ", ".join(metric.labels), metric.doc


def _buckets(metric: Metric) -> tuple[str, ...]:
    return f"`{metric.name}`", ", ".join(f"{bound:g}" for bound in metric.buckets)


def page() -> str:
    """The whole page."""
    buckets = generated.table(("name", "upper bounds"), [_buckets(metric) for metric in METRICS if metric.buckets])
    return f"{HEAD}\n{generated.table(HEADS, map(_row, METRICS))}\n## Buckets\n\n{buckets}"


if __name__ == "__main__":
    sys.exit(generated.publish("metrics.md", page()))
