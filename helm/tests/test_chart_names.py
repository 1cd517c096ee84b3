"""Names of releases, namespaces and Secrets that YAML takes for something else than text, and names that are kept."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart_kit import ALL, GATEWAY, HELMS, KEDA, LOCAL_MODELS, MONITOR, ROUTE, RULE, Manifest, Values, merged, run
from test_chart_schemas import EVERYTHING

STRANGE = ("123", "true", "null", "1e3", "0x10", "0b1", "007", "1.5", "no", "2026-11-28", "12.e3")
NAMED = ("name", "namespace", "secretName", "serviceAccountName", "ingressClassName", "priorityClassName", "key")
MAPS = ("labels", "annotations", "matchLabels", "selector")
CUSTOM = ("ServiceMonitor", "PrometheusRule", "ScaledObject", "GRPCRoute")
"""Kinds that are not Kubernetes' own."""
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""Of Kubernetes before 1.36."""
SECRETS: Values = {
    "auth": {"tokens": [], "existingSecret": "123", "existingSecretKey": "1e3"},
    "tls": {"existingSecret": "0x10"},
    "backends": {
        "llm": {"apiKey": "", "existingSecret": "007", "existingSecretKey": "true"},
        "riva": {
            "metadata": "",
            "existingSecret": "null",
            "existingSecretKey": "2",
            "tls": {"enabled": True, "caSecret": "1", "caSecretKey": "3"},
        },
    },
    "config": {"tools": {"existingSecret": "4", "existingSecretKey": "5"}},
    "ingress": {"enabled": True, "className": "6", "host": "7", "tlsSecret": "8"},
    "serviceAccount": {"name": "9"},
    "priorityClassName": "10",
    "nameOverride": "11",
}
EXTRAS: Values = merged(merged(merged(KEDA, MONITOR), RULE), ROUTE)
GATEWAYS: tuple[Values, ...] = (EVERYTHING, merged(EVERYTHING, SECRETS), EXTRAS)
KEPT = (
    # release, fullnameOverride, nameOverride, the gateway's name, that of local-models; as 8881cd2 rendered them
    ("demo", "", "", "demo-voice-gateway", "demo-local-models"),
    ("voice-gateway", "", "", "voice-gateway", "voice-gateway-local-models"),
    ("prod-voice-gateway", "", "", "prod-voice-gateway", "prod-voice-gateway-local-models"),
    ("my-local-models-2", "", "", "my-local-models-2-voice-gateway", "my-local-models-2"),
    ("a", "", "", "a-voice-gateway", "a-local-models"),
    ("r123", "", "", "r123-voice-gateway", "r123-local-models"),
    ("true", "", "", "true-voice-gateway", "true-local-models"),
    ("null", "", "", "null-voice-gateway", "null-local-models"),
    (
        "release-of-a-team-with-a-very-long-name-indeed-for-us",
        "",
        "",
        "release-of-a-team-with-a-very-long-name-indeed-for",
        "release-of-a-team-with-a-very-long-name-indeed-for",
    ),
    ("demo", "desk", "", "desk", "desk"),
    (
        "demo",
        "desk-of-a-team-with-a-very-long-name-indeed-and-more-than-50",
        "",
        "desk-of-a-team-with-a-very-long-name-indeed-and-mo",
        "desk-of-a-team-with-a-very-long-name-indeed-and-mo",
    ),
    ("demo", "", "vg", "demo-vg", "demo-vg"),
    ("demo-vg", "", "vg", "demo-vg", "demo-vg"),
)
MENDED = (
    # what no cluster took before
    ("123", "", "r123-voice-gateway"),
    ("1e3", "", "r1e3-voice-gateway"),
    ("1.5", "", "r1-5-voice-gateway"),
    ("team.voice", "", "team-voice-voice-gateway"),
    ("demo", "1desk", "r1desk"),
    ("demo", "Front_Desk", "front-desk"),
    ("1-voice-gateway", "", "r1-voice-gateway"),
    ("12345678901234567890123456789012345678901234567890123", "", f"r{'1234567890' * 4}123456789"),
    ("demo", f"{'a' * 48}--b", "a" * 48),
)


class GoLoader(yaml.SafeLoader):
    """Reads plain scalars as the parser of Helm and Kubernetes does: `1e3` is a number to it."""


GoLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$"), list("-+.0123456789")
)


def rendered(
    chart: Path, values: Values, *, release: str = "demo", namespace: str = "voice", helm: str = "helm4"
) -> list[Manifest]:
    """The objects as Kubernetes reads them."""
    done = run(helm, "template", release, str(chart), "-n", namespace, "--kube-version", "1.34", values=values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, GoLoader) if found]


def texts(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Whatever must be text: names, and the values of labels, annotations and selectors."""
    if isinstance(tree, list):
        for item in tree:
            yield from texts(item, path)
    if isinstance(tree, dict):
        for key, value in tree.items():
            here = f"{path}.{key}"
            if key in NAMED or path.rpartition(".")[2] in MAPS:
                yield here, value
            yield from texts(value, here)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("strange", STRANGE)
def test_names_are_text_whatever_they_look_like(strange: str, helm: str) -> None:
    """A release called 123 in a namespace called 1e3 becomes objects that the API server takes."""
    charts = [(GATEWAY, values) for values in GATEWAYS] + [(LOCAL_MODELS, {})]
    for chart, values in charts:
        for made in rendered(chart, values, release=strange, namespace=strange.replace(".", "-"), helm=helm):
            assert [(path, value) for path, value in texts(made) if not isinstance(value, (str, dict, list))] == []
            assert made["metadata"]["namespace"] == strange.replace(".", "-")
            assert made["metadata"]["labels"]["app.kubernetes.io/instance"] == strange
            if made["kind"] == "Service":
                assert SERVICE_NAME.fullmatch(made["metadata"]["name"])
            if made["kind"] not in CUSTOM:
                kubernetes_validate.validate(made, "1.34", strict=True)


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
@pytest.mark.parametrize("row", KEPT, ids=lambda row: "-".join(filter(None, row[:3]))[:40])
def test_ordinary_names_are_kept(row: tuple[str, str, str, str, str], chart: Path) -> None:
    """An upgrade finds its objects again, and no Deployment is made anew beside its old self."""
    release, full, name, *expected = row
    made = rendered(chart, {"fullnameOverride": full, "nameOverride": name}, release=release)
    (deployment,) = (one["metadata"]["name"] for one in made if one["kind"] == "Deployment")
    assert deployment == expected[ALL.index(chart)]


@pytest.mark.parametrize(("release", "full", "expected"), MENDED, ids=lambda text: text[:20])
def test_other_names_are_made_fit(release: str, full: str, expected: str) -> None:
    """A name that no Service may have becomes one that it may, and never longer than 50 characters."""
    made = rendered(GATEWAY, {"fullnameOverride": full}, release=release)
    (deployment,) = (one["metadata"]["name"] for one in made if one["kind"] == "Deployment")
    assert deployment == expected
    assert all(SERVICE_NAME.fullmatch(one["metadata"]["name"]) for one in made if one["kind"] == "Service")


def test_references_follow_the_name() -> None:
    """What points at an object of the release points at its name as it became."""
    made = rendered(
        GATEWAY, merged(EVERYTHING, {"service": {"headless": {"enabled": True}}}), release="123", namespace="42"
    )
    told = yaml.safe_dump(made)
    assert "123-voice-gateway" in told
    assert re.findall(r"(?<!r)123-voice-gateway", told) == []


def test_the_loader_sees_what_the_tests_are_about() -> None:
    """The measure itself reads an unquoted name as Kubernetes would."""
    read = yaml.load("{a: 1e3, b: 123, c: true, d: '1e3'}", GoLoader)  # noqa: S506  a SafeLoader
    assert list(texts({"labels": read})) == [
        (".labels.a", 1000.0),
        (".labels.b", 123),
        (".labels.c", True),
        (".labels.d", "1e3"),
    ]
