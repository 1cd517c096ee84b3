"""Writes the template of the chart's PrometheusRule from monitoring/. With --check: fails if it is stale."""

import sys

import generated

from monitoring.rules import template

if __name__ == "__main__":
    path = generated.ROOT / "helm" / "voice-gateway" / "templates" / "prometheusrule.yaml"
    sys.exit(generated.publish_at(path, template()))
