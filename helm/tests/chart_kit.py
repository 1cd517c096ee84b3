"""Renders charts with the real Helm programs, for tests."""

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fetch_wheel
import kube_tools
import pytest
import yaml

CHARTS = Path(__file__).resolve().parent.parent
GATEWAY, LOCAL_MODELS = CHARTS / "voice-gateway", CHARTS / "local-models"
ALL = (GATEWAY, LOCAL_MODELS)
HELMS = ("helm3", "helm4")
RELEASE = "demo"
SECONDS = 60
Values = Mapping[str, Any]
Manifest = dict[str, Any]


def _fetch() -> kube_tools.Tools | fetch_wheel.FetchError | None:
    """The programs, or why they could not be had; None where the wheels have none for this machine."""
    try:
        return kube_tools.fetch() if kube_tools.is_supported() else None
    except fetch_wheel.FetchError as error:
        return error


# Once, and before the first test: the 72 MB of the wheels must not count against the time limit of a test.
TOOLS = _fetch()


def helm(name: str) -> Path:
    """The program; skips the test where the wheels have none for this machine, and fails it where pip gives none."""
    if TOOLS is None:
        pytest.skip("the wheels have Helm for Linux on x86-64 only")
    if isinstance(TOOLS, fetch_wheel.FetchError):
        pytest.fail(f"Helm comes in a wheel, through pip: {TOOLS}", pytrace=False)
    path: Path = getattr(TOOLS, name)
    return path


def run(name: str, *arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm with values from standard input."""
    command = [str(helm(name)), *arguments, *(["--values", "-"] if values else [])]
    given = json.dumps(dict(values)) if values else ""  # which is YAML, and leaves no text without quotes
    return subprocess.run(  # noqa: S603  a program that was checked by hash, with our own arguments
        command, input=given, capture_output=True, text=True, check=False, timeout=SECONDS
    )


def template(chart: Path, values: Values | None = None, *, name: str = "helm4", kube: str = "1.34") -> str:
    """What the chart becomes; fails the test when Helm refuses."""
    return _template(chart, yaml.safe_dump(dict(values or {})), name, kube)


@functools.cache
def _template(chart: Path, values: str, name: str, kube: str) -> str:
    arguments = ("template", RELEASE, str(chart), "-n", "voice", "--kube-version", kube)
    done = run(name, *arguments, values=yaml.safe_load(values))
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(
    chart: Path, *arguments: str, release: str = RELEASE, namespace: str = "voice", helm: str = "helm4", **values: Any
) -> list[Manifest]:
    """The objects of any release; `values` are its top level. Fails the test when Helm refuses.

    Args:
        chart: a folder.
        *arguments: further ones of `helm template`.
        release: its name.
        namespace: where it goes.
        helm: the program.
        **values: as in a file.
    """
    done = run(helm, "template", release, str(chart), "-n", namespace, *arguments, values=values)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def parent(folder: Path, dependencies: Sequence[Mapping[str, Any]], values: Values | None = None) -> Path:
    """Makes a chart `umbrella` that has our charts in it; each dependency is as in Chart.yaml, without its version."""
    chart = {
        "apiVersion": "v2",
        "name": "umbrella",
        "version": "1.0.0",
        "dependencies": [{"version": ">=0.1.0", **dependency} for dependency in dependencies],
    }
    made = folder / "umbrella"
    (made / "templates").mkdir(parents=True)
    (made / "Chart.yaml").write_text(json.dumps(chart), encoding="utf-8")
    (made / "values.yaml").write_text(json.dumps(dict(values or {})), encoding="utf-8")
    for name in {dependency["name"] for dependency in dependencies}:
        shutil.copytree(CHARTS / name, made / "charts" / name)
    return made


def refusal(chart: Path, values: Values, *, name: str = "helm4") -> str:
    """What Helm says when it refuses the values; fails the test when it does not."""
    done = run(name, "template", RELEASE, str(chart), values=values)
    assert done.returncode != 0, "these values were taken"
    return done.stderr


def manifests(chart: Path, values: Values | None = None, *, name: str = "helm4", kube: str = "1.34") -> list[Manifest]:
    """The objects of the chart."""
    return [found for found in yaml.safe_load_all(template(chart, values, name=name, kube=kube)) if found]


def objects(chart: Path, values: Values | None = None, *, kube: str = "1.34") -> dict[str, Manifest]:
    """The objects by kind, with what their name has beyond the release's: `Service`, `Service-headless`."""
    return by_kind(manifests(chart, values, kube=kube))


def by_kind(found: list[Manifest]) -> dict[str, Manifest]:
    """The objects of one release of one chart as `objects` gives them."""
    (deployment,) = (one["metadata"]["name"] for one in found if one["kind"] == "Deployment")
    named = {one["kind"] + one["metadata"]["name"].removeprefix(deployment): one for one in found}
    assert len(named) == len(found)
    return named


def nested(path: str, value: Any) -> dict[str, Any]:
    """`a.b` and a value as a map of maps."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def merged(one: Values, other: Values) -> dict[str, Any]:
    """Both, the second over the first."""
    result = dict(one)
    for key, value in other.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def at(tree: Any, path: str) -> Any:
    """The value at `a.b.0.c`; None where it is missing."""
    for key in path.split("."):
        if isinstance(tree, list):
            tree = tree[int(key)] if int(key) < len(tree) else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def environment(deployment: Manifest) -> dict[str, Any]:
    """The container's own variables: their value, or the reference that it comes from as `secret/key` or field."""
    found = {}
    for row in deployment["spec"]["template"]["spec"]["containers"][0].get("env") or []:
        reference = at(row, "valueFrom.secretKeyRef")
        field = at(row, "valueFrom.fieldRef.fieldPath")
        found[row["name"]] = f"{reference['name']}/{reference['key']}" if reference else field or row["value"]
    return found


DOOR = {"auth": {"tokens": ["abc"]}, "ingress": {"enabled": True, "host": "h", "tlsSecret": "s"}}
ISSUED = {"auth": {"jwt": {"issuer": "https://i.example", "audiences": ["voice"]}}}
TRACED = {"traces": {"endpoint": "http://otel-collector.monitoring:4317"}}
JWT = merged(ISSUED, {"auth": {"jwt": {"jwksUrl": "https://i.example:8443/jwks"}}})
TLS = {"tls": {"existingSecret": "cert"}}
MUTUAL = merged(TLS, {"tls": {"clientCaSecret": "ca"}})
WALL = {"networkPolicy": {"enabled": True}}
PEER = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
ROUTE = {"auth": {"tokens": ["abc"]}, "gatewayRoute": {"enabled": True, "parentRefs": [{"name": "front"}]}}
ENVOY = merged(ROUTE, {"gatewayRoute": {"envoyGateway": {"enabled": True}}})
HPA = {"autoscaling": {"type": "hpa"}}
KEDA = {"autoscaling": {"type": "keda", "targetSessions": 30, "keda": {"prometheusAddress": "http://p:9090"}}}
MONITOR = {"metrics": {"serviceMonitor": {"enabled": True}}}
RULE = {"metrics": {"prometheusRule": {"enabled": True}}}
DASHBOARDS = {"metrics": {"dashboards": {"enabled": True}}}
"""Values that several tests set."""
