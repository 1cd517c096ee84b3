"""The charts inside of another chart."""

from pathlib import Path
from typing import Any

import pytest
from chart_kit import HELMS, at, parent, refusal, render, run

BOTH = (
    {"name": "voice-gateway", "condition": "voice-gateway.enabled"},
    {"name": "local-models", "condition": "local-models.enabled"},
)
LEFT_OUT: dict[str, tuple[dict[str, Any], set[str]]] = {
    "none": ({}, {"demo-voice-gateway", "demo-local-models"}),
    "models": ({"local-models": {"enabled": False}}, {"demo-voice-gateway"}),
    "gateway": ({"voice-gateway": {"enabled": False}}, {"demo-local-models"}),
    "both": ({"voice-gateway": {"enabled": False}, "local-models": {"enabled": False}}, set()),
    "wanted": (
        {"voice-gateway": {"enabled": True}, "global": {"imageRegistry": "r.example"}},
        {"demo-voice-gateway", "demo-local-models"},
    ),
}


def deployments(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By name."""
    return {one["metadata"]["name"]: one for one in made if one["kind"] == "Deployment"}


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("which", LEFT_OUT)
def test_a_condition_takes_it_in_or_leaves_it_out(which: str, helm: str, tmp_path: Path) -> None:
    """`voice-gateway.enabled` in a parent's values decides, and `global` values of the parent are no error."""
    values, expected = LEFT_OUT[which]
    assert set(deployments(render(parent(tmp_path, BOTH), helm=helm, **values))) == expected


@pytest.mark.parametrize("helm", HELMS)
def test_the_parents_own_values_count(helm: str, tmp_path: Path) -> None:
    """What stands in the parent's values.yaml is as good as what is given on the command line."""
    chart = parent(tmp_path, BOTH, {"local-models": {"enabled": False}, "voice-gateway": {"replicaCount": 1}})
    made = deployments(render(chart, helm=helm))
    assert {name: one["spec"]["replicas"] for name, one in made.items()} == {"demo-voice-gateway": 1}


@pytest.mark.parametrize("helm", HELMS)
def test_a_tag_leaves_it_out(helm: str, tmp_path: Path) -> None:
    """`tags` of the parent do what they do for every chart."""
    chart = parent(tmp_path, [{"name": "voice-gateway", "tags": ["voice"]}], {"tags": {"voice": False}})
    assert render(chart, helm=helm) == []
    assert render(chart, "--set", "tags.voice=true", helm=helm)


@pytest.mark.parametrize("helm", HELMS)
def test_an_alias_gives_it_another_name(helm: str, tmp_path: Path) -> None:
    """Two gateways in one release have objects and selectors of their own, each by its values."""
    chart = parent(
        tmp_path,
        [
            {"name": "voice-gateway", "alias": alias, "condition": f"{alias}.enabled"}
            for alias in ("gateway", "desk_Phone", "7")
        ],
    )
    values = {"gateway": {"replicaCount": 3}, "desk_Phone": {"replicaCount": 4}, "7": {"enabled": True}}
    made = render(chart, helm=helm, release="1", namespace="42", **values)
    found = deployments(made)
    assert {name: one["spec"]["replicas"] for name, one in found.items()} == {
        "r1-gateway": 3,
        "r1-desk-phone": 4,
        "r1-7": 2,
    }
    assert len({str(one["spec"]["selector"]) for one in found.values()}) == 3
    keys = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("where", ["the command line", "the parent's values"])
def test_null_in_a_parent_leaves_a_context_out(where: str, helm: str, tmp_path: Path) -> None:
    """A parent chart for OpenShift takes the fixed users away, in both charts and both Helms."""
    nulls: dict[str, Any] = {
        "voice-gateway": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
        "local-models": {"podSecurityContext": None, "securityContext": None},
    }
    is_given = where == "the command line"
    chart = parent(tmp_path, BOTH, {} if is_given else nulls)
    made = deployments(render(chart, helm=helm, **(nulls if is_given else {})))
    pod = "spec.template.spec"
    assert at(made["demo-voice-gateway"], f"{pod}.securityContext") == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert at(made["demo-local-models"], f"{pod}.securityContext") is None
    assert at(made["demo-local-models"], f"{pod}.containers.0.securityContext") is None


@pytest.mark.parametrize("helm", HELMS)
def test_a_typo_is_refused_in_a_parent_too(helm: str, tmp_path: Path) -> None:
    """Values below the chart's name or alias are as strict as its own."""
    chart = parent(tmp_path, [{"name": "voice-gateway", "alias": "gateway"}])
    assert "replicas" in refusal(chart, {"gateway": {"replicas": 3}}, name=helm)
    assert "enabled is false" in refusal(chart, {"gateway": {"enabled": False}}, name=helm)


def test_the_notes_in_a_parent_name_its_release(tmp_path: Path) -> None:
    """`--render-subchart-notes` shows lines that work as they stand."""
    chart = parent(tmp_path, BOTH)
    arguments = ("install", "123", str(chart), "-n", "42", "--dry-run=client", "--render-subchart-notes")
    done = run("helm4", *arguments)  # Helm 3 asks a cluster before it shows notes
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:")[2]
    assert "kubectl -n 42 rollout status deployment/r123-voice-gateway" in notes
    assert "helm test -n 42 123" in notes


@pytest.mark.parametrize("helm", HELMS)
def test_local_models_stand_beside_it_in_one_release(helm: str, tmp_path: Path) -> None:
    """With the name that values-local.yaml knows, the two find each other in a parent too."""
    values = {"local-models": {"fullnameOverride": "local-models"}}
    made = render(parent(tmp_path, BOTH, values), helm=helm, release="9")
    services = {one["metadata"]["name"] for one in made if one["kind"] == "Service"}
    assert {"local-models", "local-models-headless", "r9-voice-gateway"} <= services
