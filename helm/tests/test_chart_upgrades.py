"""Upgrades with `--reuse-values`, and what Argo CD and others who compare renderings see."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_kit import (
    ALL,
    ENVOY,
    GATEWAY,
    HELMS,
    KEDA,
    LOCAL_MODELS,
    MONITOR,
    RULE,
    Manifest,
    Values,
    at,
    by_kind,
    merged,
    render,
    run,
    template,
)
from test_chart_schemas import EVERYTHING

PREVIOUS = Path(__file__).parent / "previous"
BLOBS = {
    "voice-gateway": "373eab42722a41e845f6df403e65de0f9b214f68",
    "local-models": "7b220838a295d7b0c5daa5860ff4806b2cb40824",
}
"""Of values.yaml in 8881cd2, as `git ls-tree` says them."""
SETS: tuple[Values, ...] = ({}, EVERYTHING, merged(merged(KEDA, MONITOR), merged(RULE, ENVOY)))
UNSTEADY = re.compile(
    r"\b(rand\w+|uuidv4|lookup|now|date|gen\w+|htpasswd|bcrypt|derivePassword|encryptAES|env|expandenv|getHostByName)\b"
    r"|\.Release\.(Revision|IsUpgrade|IsInstall)"
)
"""What gives another text each time, or on each cluster."""
MEANT = ("namespaceSelector", "podSelector", "nodeAffinity", "group")
"""Keys whose being empty says something."""


def reusing(chart: Path, folder: Path) -> Path:
    """The chart as `--reuse-values` renders it: the templates and the schema of today, the defaults of the release."""
    made = folder / chart.name
    shutil.copytree(chart, made)
    shutil.copy(PREVIOUS / f"{chart.name}.yaml", made / "values.yaml")
    return made


@pytest.mark.parametrize("name", BLOBS)
def test_the_previous_values_are_those_of_the_release_before(name: str) -> None:
    """The data are what was released, byte for byte, and nobody mends them with the chart."""
    data = (PREVIOUS / f"{name}.yaml").read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    assert blob == BLOBS[name]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("values", SETS, ids=["defaults", "everything", "others"])
def test_reused_values_of_the_gateway_are_enough(values: Values, helm: str, tmp_path: Path) -> None:
    """An upgrade with `--reuse-values` makes the same objects as one that takes the new defaults."""
    assert _told(render(reusing(GATEWAY, tmp_path), helm=helm, **values)) == _told(render(GATEWAY, helm=helm, **values))


@pytest.mark.parametrize("helm", HELMS)
def test_reused_values_of_the_models_are_enough(helm: str, tmp_path: Path) -> None:
    """The chart beside it is as forgiving."""
    assert _told(render(reusing(LOCAL_MODELS, tmp_path), helm=helm)) == _told(render(LOCAL_MODELS, helm=helm))


def _told(made: list[Manifest]) -> list[str]:
    return sorted(yaml.safe_dump(one) for one in made)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("values", [{"podSecurityContext": {"runAsUser": None}}, {"podSecurityContext": None}], ids=str)
def test_null_counts_beside_reused_values(values: Values, helm: str, tmp_path: Path) -> None:
    """What is given with `--reuse-values` wins over what is filled in, null too."""
    for chart in ALL:
        made = by_kind(render(reusing(chart, tmp_path), helm=helm, **values))
        context = at(made["Deployment"], "spec.template.spec.securityContext")
        assert (context or {}).get("runAsUser") is None
        assert (context is None) is (values["podSecurityContext"] is None)


def test_every_file_fills_its_values_first() -> None:
    """A file that reads a value before it is filled fails with `nil pointer` in somebody's upgrade."""
    for chart in ALL:
        for path in [*chart.glob("templates/**/*.yaml"), *chart.glob("templates/*.txt")]:
            first = path.read_text(encoding="utf-8").partition("\n")[0]
            assert first == f'{{{{- include "{chart.name}.defaults" . -}}}}', path


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_nothing_is_drawn_or_looked_up(chart: Path) -> None:
    """Nothing in the templates gives another text the next time, on another cluster or in an upgrade."""
    for path in chart.glob("templates/**/*"):
        if path.is_file():
            code = " ".join(re.findall(r"\{\{.*?\}\}", path.read_text(encoding="utf-8"), re.DOTALL))
            assert UNSTEADY.findall(re.sub(r'"[^"]*"|/\*.*?\*/', "", code, flags=re.DOTALL)) == [], path


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("values", SETS, ids=["defaults", "everything", "others"])
def test_the_same_values_give_the_same_bytes(values: Values, helm: str) -> None:
    """Argo CD renders again and again, as an install or an upgrade: a difference would be a change without end."""
    renderings = set()
    for more in ((), (), ("--is-upgrade",)):
        done = run(helm, "template", "demo", str(GATEWAY), "--kube-version", "1.34", *more, values=values)
        assert done.returncode == 0, done.stderr
        renderings.add("".join(sorted(done.stdout.split("---\n"))))
    assert len(renderings) == 1


def _empty(tree: Any, path: str = "") -> Iterator[str]:
    """Paths of what the API server would drop: null, and maps and lists without anything in them."""
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in below:
        here = f"{path}.{key}"
        if key not in MEANT and (value is None or (isinstance(value, (dict, list)) and not value)):
            yield here
        yield from _empty(value, here)


@pytest.mark.parametrize("values", SETS, ids=["defaults", "everything", "others"])
def test_nothing_is_there_that_the_api_server_drops(values: Values) -> None:
    """What is null or empty is gone when it is read back, and a tool that compares sees a change for ever."""
    for chart, given in ((GATEWAY, values), (LOCAL_MODELS, {})):
        for made in yaml.safe_load_all(template(chart, given)):
            assert made is None or list(_empty(made)) == []


def test_a_route_carries_what_the_api_server_adds() -> None:
    """Lists of custom resources are compared whole: a default inside of one is a change to Argo CD."""
    route = by_kind(render(GATEWAY, **ENVOY))["GRPCRoute"]["spec"]
    assert route["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}]
    (reference,) = route["rules"][0]["backendRefs"]
    assert reference == {"group": "", "kind": "Service", "name": "demo-voice-gateway", "port": 50_051, "weight": 1}
