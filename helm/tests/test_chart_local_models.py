"""Every value of the chart beside the gateway's, and the two charts together."""

from typing import Any

import gen_charts
import pytest
import yaml
from chart_kit import CHARTS, GATEWAY, LOCAL_MODELS, at, environment, nested, objects, refusal

POD = "Deployment:spec.template.spec"
BOX = f"{POD}.containers.0"
CASES: dict[str, tuple[Any, str, Any]] = {
    "enabled": (True, "Deployment:kind", "Deployment"),
    "valuesVersion": (1, "Deployment:kind", "Deployment"),  # its effect is in test_chart_upgrades.py
    "podSecurityContext": ({"runAsUser": 1_000_680_000}, f"{POD}.securityContext.runAsUser", 1_000_680_000),
    "securityContext": (None, f"{BOX}.securityContext", None),
    "replicaCount": (3, "Deployment:spec.replicas", 3),
    "nameOverride": ("lm", "Deployment:metadata.name", "demo-lm"),
    "fullnameOverride": ("models", "Deployment:metadata.name", "models"),
    "image.repository": ("r.example/lm", f"{BOX}.image", "r.example/lm:0.1.0"),
    "image.tag": ("2", f"{BOX}.image", "local-models:2"),
    "image.pullPolicy": ("Never", f"{BOX}.imagePullPolicy", "Never"),
    "imagePullSecrets": ([{"name": "p"}], f"{POD}.imagePullSecrets", [{"name": "p"}]),
    "service.ipFamilyPolicy": ("RequireDualStack", "Service:spec.ipFamilyPolicy", "RequireDualStack"),
    "service.rivaPort": (50_099, "Service-headless:spec.ports.0.port", 50_099),
    "service.openaiPort": (8_099, "env:LOCAL_MODELS_OPENAI_PORT", "8099"),
    "llm.firstTokenMs": (60, "env:LOCAL_MODELS_TTFT_MS", "60"),
    "llm.tokenMs": (20, "env:LOCAL_MODELS_TOKEN_MS", "20"),
    "drainSeconds": (30, f"{POD}.terminationGracePeriodSeconds", 40),
    "resources.requests.cpu": ("2", f"{BOX}.resources.requests.cpu", "2"),
    "resources.requests.memory": ("1Gi", f"{BOX}.resources.requests.memory", "1Gi"),
    "resources.limits.cpu": ("3", f"{BOX}.resources.limits.cpu", "3"),
    "resources.limits.memory": (None, f"{BOX}.resources.limits", None),
    "nodeSelector": ({"disk": "fast"}, f"{POD}.nodeSelector", {"disk": "fast"}),
    "tolerations": ([{"operator": "Exists"}], f"{POD}.tolerations", [{"operator": "Exists"}]),
}


@pytest.mark.parametrize("path", CASES)
def test_the_value_has_its_effect(path: str) -> None:
    """Setting it changes what it says it changes."""
    value, where, expected = CASES[path]
    made = objects(LOCAL_MODELS, nested(path, value))
    kind, _, below = where.partition(":")
    seen = environment(made["Deployment"])[below] if kind == "env" else at(made[kind], below)
    assert seen == expected


def test_every_value_has_a_case() -> None:
    """A value that nobody tests is a value that does nothing one day."""
    source = (LOCAL_MODELS / "values.yaml").read_text(encoding="utf-8")
    paths = {path for path, _ in gen_charts.leaves(yaml.safe_load(source), gen_charts.docs(source))}
    assert set(CASES) == paths


def test_one_port_for_two_servers_is_refused() -> None:
    """The two servers of a pod cannot share a port, and it says so before anything starts."""
    said = refusal(LOCAL_MODELS, {"service": {"rivaPort": 8_061}})
    assert "service.rivaPort and service.openaiPort are both 8061: each needs its own." in said


def test_the_local_values_lead_to_the_local_models() -> None:
    """Both charts from values-local.yaml are one system: the gateway's addresses are Services of the other chart."""
    values = yaml.safe_load((CHARTS / "values-local.yaml").read_text(encoding="utf-8"))
    called = environment(objects(GATEWAY, values)["Deployment"])
    models = objects(LOCAL_MODELS, {"fullnameOverride": "local-models"})
    names = {f"{made['metadata']['name']}:{port['port']}" for made in models.values() for port in _ports(made)}
    assert {called["ASR_URI"], called["TTS_URI"]} <= names
    assert called["LLM_SERVICE_URL"].removeprefix("http://").removesuffix("/v1") in names


def _ports(made: dict[str, Any]) -> list[dict[str, Any]]:
    return list(made["spec"]["ports"]) if made["kind"] == "Service" else []
