"""Numbers of a million and more, which Helm holds as floating point and writes as 1e+06 if it is let."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_kit import GATEWAY, HELMS, LOCAL_MODELS, Manifest, at, by_kind, environment, merged, nested, run
from test_chart_schemas import EVERYTHING
from test_chart_values import CASES, Case

MILLION, MORE, MOST = 1_000_000, 1_234_567, 2_147_483_647
"""The last is the most that Kubernetes takes."""
BESIDE: dict[str, dict[str, Any]] = {
    "podDisruptionBudget.maxUnavailable": {"replicaCount": MOST},
    "podDisruptionBudget.minAvailable": {"replicaCount": MOST, "podDisruptionBudget": {"maxUnavailable": None}},
    "autoscaling.minReplicas": {"autoscaling": {"maxReplicas": MOST}},
}
"""What a large value needs not to contradict others."""


def _schema(path: str) -> dict[str, Any]:
    found = json.loads((GATEWAY / "values.schema.json").read_text(encoding="utf-8"))
    for key in path.split("."):
        found = found["properties"][key]
    return dict(found)


def _is_large(case: Case) -> bool:
    schema = _schema(case.path)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return "integer" in types and schema.get("maximum", MOST) >= MILLION and "enum" not in schema


LARGE = [case for case in CASES if _is_large(case) and case.path != "valuesVersion"]


def _made(helm: str, chart: Path, *arguments: str, values: dict[str, Any]) -> dict[str, Manifest]:
    done = run(helm, "template", "demo", str(chart), "--kube-version", "1.34", *arguments, values=values)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"\d[eE]\+?\d", re.sub(r"checksum.*", "", done.stdout)) == []
    return by_kind([found for found in yaml.safe_load_all(done.stdout) if found])


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("way", ["a file", "--set"])
@pytest.mark.parametrize("value", [MILLION, MORE])
@pytest.mark.parametrize("case", LARGE, ids=[case.path for case in LARGE])
def test_large_numbers_are_written_out(case: Case, value: int, way: str, helm: str) -> None:
    """A million is 1000000 wherever it is put, and no pod is refused for it."""
    values = merged(case.beside, BESIDE.get(case.path, {}))
    more = ("--set", f"{case.path}={value}") if way == "--set" else ()
    made = _made(helm, GATEWAY, *more, values=values if more else merged(values, nested(case.path, value)))
    kind, _, where = case.where.partition(":")
    if kind == "env":
        seen: Any = environment(made["Deployment"])[where]
    elif kind == "config":
        seen = made["ConfigMap"]["data"][where]
    elif "annotations" in where:
        seen = made[kind]["metadata"]["annotations"][where.removeprefix("metadata.annotations.")]
    else:
        seen = at(made[kind], where)
    if case.path == "autoscaling.targetSessions":
        seen = seen["target"]["averageValue"]
    expected: dict[type, Any] = {int: value, str: str(value)}
    assert seen == (f"{value}s" if str(seen).endswith("s") else expected[type(seen)])


def test_there_are_large_numbers() -> None:
    """The walk finds those that are there."""
    assert {"replicaCount", "maxConnectionAgeMs", "terminationGracePeriodSeconds"} <= {case.path for case in LARGE}
    assert len(LARGE) > 12


@pytest.mark.parametrize("helm", HELMS)
def test_large_numbers_inside_of_maps_are_written_out(helm: str) -> None:
    """OpenShift's users have numbers above a billion, and tolerations may last for weeks."""
    values = {
        "podSecurityContext": {"runAsUser": 1_000_680_000, "fsGroup": 1_000_680_000, "supplementalGroups": [MORE]},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": MILLION}],
        "resources": {"requests": {"cpu": MILLION}},
    }
    for chart in (GATEWAY, LOCAL_MODELS):
        pod = _made(helm, chart, values=values)["Deployment"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1_000_680_000
        assert pod["securityContext"]["supplementalGroups"] == [MORE]
        assert pod["tolerations"][0]["tolerationSeconds"] == MILLION
        assert pod["containers"][0]["resources"]["requests"]["cpu"] == MILLION


@pytest.mark.parametrize("helm", HELMS)
def test_whatever_is_a_number_is_written_out(helm: str) -> None:
    """No number of a chart with everything turned on is left to how Helm writes it."""
    _made(
        helm,
        GATEWAY,
        values=merged(
            EVERYTHING, {"metrics": {"prometheusRule": {"enabled": True, "backendErrorsPerSecond": MILLION}}}
        ),
    )
    _made(helm, LOCAL_MODELS, values={"replicaCount": MILLION})
