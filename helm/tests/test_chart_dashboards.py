"""Dashboards, as the chart ships them."""

import json
import re

from chart_kit import DASHBOARDS, GATEWAY, merged, objects, template
from voice_gateway.observability.metric_names import METRICS

from monitoring.dashboards import pages


def test_the_chart_ships_every_dashboard() -> None:
    """Grafana gets what is declared, unchanged by Helm, whose braces legends have too; and nothing unasked."""
    shipped = objects(GATEWAY, DASHBOARDS)["ConfigMap-dashboards"]["data"]
    assert shipped == {name: page.rstrip("\n") for name, page in pages().items()}
    assert "ConfigMap-dashboards" not in objects(GATEWAY)


def test_a_label_of_the_operator_takes_the_place_of_the_charts() -> None:
    """A sidecar that looks for another value finds it, and the label is there once: strict readers refuse two."""
    made = template(GATEWAY, merged(DASHBOARDS, {"metrics": {"dashboards": {"labels": {"grafana_dashboard": "yes"}}}}))
    assert re.findall("grafana_dashboard: .*", made) == ['grafana_dashboard: "yes"']


def test_dashboards_keep_their_links() -> None:
    """A link that somebody saved leads to the same dashboard after an upgrade: its UID is its file's name."""
    assert {name: json.loads(page)["uid"] for name, page in pages().items()} == {
        f"voice-gateway-{name}.json": f"voice-gateway-{name}" for name in ("service", "one-turn", "capacity")
    }


def test_dashboards_ask_for_metrics_of_the_gateway() -> None:
    """No panel asks for a series that nobody counts, and each says what it is good for."""
    known = {metric.name for metric in METRICS}
    for page in pages().values():
        asked = set(re.findall(r"\bvoicegateway_\w+", page))
        assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} <= known
        assert all(panel["description"] and panel["targets"] for panel in json.loads(page)["panels"])
