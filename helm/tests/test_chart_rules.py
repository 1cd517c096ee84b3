"""Alerts and recorded series, as the chart makes them, tried by Prometheus's own `promtool`."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_kit import CHARTS, GATEWAY, RULE, at, merged, objects, refusal
from voice_gateway.observability.metric_names import LATENCY_BUCKETS_S, METRICS

from monitoring.queries import RELEASE
from monitoring.rules import ALERTS, RECORDINGS

CASES = sorted((CHARTS / "tests" / "rules").glob("*.yaml"))
RUNBOOKS = CHARTS.parent / "docs" / "runbooks"
SECONDS = 100
LINKED = merged(RULE, {"metrics": {"prometheusRule": {"runbookBase": "https://runbooks.example"}}})
OBJECTIVE_ALERTS = ("VoiceGatewayTurnsUnanswered", "VoiceGatewayRepliesLate")


def rules(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules of a release by the name of alert or series."""
    groups = objects(GATEWAY, values)["PrometheusRule"]["spec"]["groups"]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str, folder: Path) -> None:
    """Run it in that folder; skips the test where it is not installed (`make dashboards` installs it)."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: make dashboards")
    done = subprocess.run(  # noqa: S603  with our own arguments
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_alerts_fire_and_do_not_fire(case: Path, tmp_path: Path) -> None:
    """Each alert wakes somebody when it must, and only then, on series worked out by hand."""
    spec = objects(GATEWAY, LINKED)["PrometheusRule"]["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    shutil.copy(case, tmp_path)
    promtool("test", "rules", case.name, folder=tmp_path)


def test_every_rule_is_tried_both_ways() -> None:
    """No alert stands in the chart that has not been seen firing and silent, and no series without a case."""
    tests = [test for case in CASES for test in yaml.safe_load(case.read_text(encoding="utf-8"))["tests"]]
    tried = {(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test.get("alert_rule_test", ())}
    assert tried == {(alert.name, fires) for alert in ALERTS for fires in (True, False)}
    asked = [(one["expr"], bool(one["exp_samples"])) for test in tests for one in test.get("promql_expr_test", ())]
    for recording in RECORDINGS:
        assert {has_data for expr, has_data in asked if recording.record in expr.split("{")[0]} >= {True, False}


def test_every_alert_says_of_which_release_it_is() -> None:
    """Alertmanager keeps two releases apart, because each alert has the labels of its own."""
    tests = [test for case in CASES for test in yaml.safe_load(case.read_text(encoding="utf-8"))["tests"]]
    asked = [one for test in tests for one in test.get("alert_rule_test", ())]
    fired = [(one["alertname"], alert["exp_labels"]) for one in asked for alert in one["exp_alerts"]]
    assert {name for name, _ in fired} == {alert.name for alert in ALERTS}
    assert not [name for name, labels in fired if not set(RELEASE) <= set(labels)]


def test_the_chart_has_every_rule() -> None:
    """What is declared is what Prometheus gets, each with its condition, its severity and a sentence."""
    made = rules(LINKED)
    assert list(made) == [*(alert.name for alert in ALERTS), *(recording.record for recording in RECORDINGS)]
    for alert in ALERTS:
        assert made[alert.name]["for"] == alert.wait
        assert made[alert.name]["labels"] == {"severity": alert.severity}
        assert made[alert.name]["annotations"]["summary"]


def test_every_alert_has_its_runbook() -> None:
    """Who is woken finds a page with the causes and what to do; none is left of an alert that is gone."""
    for alert in ALERTS:
        assert at(rules(LINKED)[alert.name], "annotations.runbook_url") == f"https://runbooks.example/{alert.page}"
        page = (RUNBOOKS / alert.page).read_text(encoding="utf-8")
        assert alert.name.startswith(page.removeprefix("# ").splitlines()[0]), alert.page
        assert "## How to tell the cause\n" in page, alert.page
        assert "## What to do\n" in page, alert.page
    assert {alert.page for alert in ALERTS} == {path.name for path in RUNBOOKS.glob("*.md")}
    assert "runbook_url" not in yaml.safe_dump(rules(RULE))


def test_runbooks_ask_for_metrics_of_the_gateway() -> None:
    """Who was woken does not type a query that finds nothing, because its metric was renamed."""
    known = {metric.name for metric in METRICS} | {recording.record for recording in RECORDINGS}
    text = "".join(path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md"))
    asked = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bvoicegateway[_:][\w:]+", text)}
    assert asked <= known


@pytest.mark.parametrize(
    ("name", "value", "alerts", "seen"),
    [
        ("answeredPercent", 99.5, ("VoiceGatewayTurnsUnanswered", "VoiceGatewayTurnsUnansweredSlowly"), "(100 - 99.5)"),
        ("promptPercent", 97, ("VoiceGatewayRepliesLate", "VoiceGatewayRepliesLateSlowly"), "(100 - 97)"),
        ("promptSeconds", 0.8, ("VoiceGatewayRepliesLate", "voicegateway:replies_late:ratio_rate5m"), '"0.8([.]0)?"'),
        ("nearCapacityPercent", 70, ("VoiceGatewayNearCapacity",), "> 70"),
        ("refusedPercent", 2.5, ("VoiceGatewayCallersRefused",), "> 2.5"),
        ("certificateDays", 21, ("VoiceGatewayCertificateEnds",), "86400 * 21"),
    ],
)
def test_thresholds_reach_their_rules(name: str, value: float, alerts: tuple[str, ...], seen: str) -> None:
    """An objective that an operator sets is the one that alerts measure by."""
    made = rules(merged(RULE, {"metrics": {"prometheusRule": {name: value}}}))
    assert all(seen in made[alert]["expr"] for alert in alerts)


def test_prompt_replies_can_be_counted() -> None:
    """The time that the chart takes is a bucket of the gateway: of any other there is no series."""
    schema = (GATEWAY / "values.schema.json").read_text(encoding="utf-8")
    path = "properties.metrics.properties.prometheusRule.properties.promptSeconds.enum"
    assert at(yaml.safe_load(schema), path) == list(LATENCY_BUCKETS_S)


@pytest.mark.parametrize("name", ["promptSeconds", "answeredPercent", "certificateDays"])
def test_a_threshold_that_is_taken_away_is_refused(name: str) -> None:
    """`null` takes a value away, and an alert that compares with nothing is never heard of again."""
    taken = merged(RULE, {"metrics": {"prometheusRule": {name: None}}})
    assert "a threshold must not be null" in refusal(GATEWAY, taken)
