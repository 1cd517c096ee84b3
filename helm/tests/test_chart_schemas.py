"""What the charts make is valid for every Kubernetes that they are for."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from chart_kit import GATEWAY, LOCAL_MODELS, TRACED, manifests
from kubernetes_validate import utils
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ

OLDEST = (1, 27)
VERSIONS = sorted(
    {
        version
        for version in map(utils.major_minor, utils.all_versions())
        if tuple(map(int, version.split("."))) >= OLDEST
    }
)
EVERYTHING: dict[str, Any] = {
    "auth": {
        "tokens": ["abc"],
        "jwt": {"existingSecret": "jwks", "issuer": "https://i.example", "audiences": ["voice"]},
        "trustedProxies": ["10.0.0.0/8"],
    },
    "backends": {
        "llm": {"apiKey": "key"},
        "riva": {"metadata": "a=b", "tls": {"enabled": True, "caSecret": "riva-ca"}},
    },
    "tls": {"existingSecret": "grpc-tls", "clientCaSecret": "ca", "clientNames": ["desk"]},
    "config": {"tools": {"existingSecret": "tools"}},
    "autoscaling": {"type": "hpa", "targetSessions": 30},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"podSelector": {"matchLabels": {"app": "desk"}}}],
        "scrapers": [{"namespaceSelector": {}}],
        "backends": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "backendPorts": [50_052, {"port": 5_004, "protocol": "UDP"}],
    },
    "spread": {"overZones": True},
    "ingress": {"enabled": True, "host": "voice.example.com", "tlsSecret": "door"},
    "service": {"type": "NodePort", "ipFamilyPolicy": "PreferDualStack", "nodePort": 30_051, "annotations": {"a": "b"}},
    "imagePullSecrets": [{"name": "pull"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "voice", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "calls",
    "podDisruptionBudget": {"maxUnavailable": None, "minAvailable": 1},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    **TRACED,
}
CASES: tuple[tuple[Path, dict[str, Any]], ...] = ((GATEWAY, {}), (GATEWAY, EVERYTHING), (LOCAL_MODELS, {}))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("chart", "values"), CASES, ids=["gateway", "gateway-everything", "local-models"])
def test_manifests_are_valid(chart: Path, values: dict[str, Any], version: str) -> None:
    """No field is misspelt, misplaced or newer than the cluster: strict schemas, from the oldest to the newest."""
    made = manifests(chart, values, kube=version)
    for manifest in made:
        kubernetes_validate.validate(manifest, version, strict=True)
    assert made


def test_old_and_new_are_there() -> None:
    """The oldest version that is still run is among them, and so is every newer one."""
    assert VERSIONS[0] == "1.27"
    assert "1.29" in VERSIONS
    assert len(VERSIONS) > 8


def test_a_wrong_field_is_seen() -> None:
    """The measure itself finds a field that does not exist."""
    (deployment,) = (made for made in manifests(GATEWAY) if made["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["grace"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.34", strict=True)


@pytest.mark.parametrize(("version", "action"), [("1.29", "exec"), ("1.30", "sleep"), ("1.37", "sleep")])
def test_the_wait_before_the_end_fits_the_cluster(version: str, action: str) -> None:
    """Kubernetes before 1.30 drops the sleep action, and with it the wait that keeps new calls from a closed door."""
    (deployment,) = (made for made in manifests(GATEWAY, kube=version) if made["kind"] == "Deployment")
    assert list(deployment["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]) == [action]


@pytest.mark.parametrize(("part", "rates_hz"), [("asr", INPUT_RATES_HZ), ("tts", OUTPUT_RATES_HZ)])
def test_the_chart_takes_every_rate_that_the_gateway_has(part: str, rates_hz: tuple[int, ...]) -> None:
    """Who adds a rate to the gateway cannot forget it in the chart, where the schema would refuse it."""
    schema = json.loads((GATEWAY / "values.schema.json").read_text(encoding="utf-8"))
    rate = schema["properties"]["config"]["properties"][part]["properties"]["sampleRate"]
    assert rate["enum"] == list(rates_hz)
