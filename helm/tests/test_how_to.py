"""Pages that tell how to deploy: their values, commands and links are tried against the charts and scripts."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_kit import ALL, CHARTS, GATEWAY, LOCAL_MODELS, RELEASE, nested, objects, template
from test_scripts import Machine, cluster, machine

__all__ = ["cluster", "machine"]  # fixtures
ROOT = CHARTS.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/*.md"), *ROOT.glob("helm/*/ABOUT.md"), ROOT / "README.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")


def _id(value: object) -> str | None:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def _blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def _commands(program: str) -> Iterator[tuple[Path, list[str]]]:
    """Each command line of the pages that begins with the program, split into words; up to the first pipe."""
    for page in PAGES:
        for _, block in _blocks(page):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True) if line.startswith(program) else []
                if words:
                    yield page, words[: words.index("|")] if "|" in words else words


def _values() -> Iterator[tuple[Path, dict[str, Any]]]:
    for page in PAGES:
        for kind, block in _blocks(page):
            found = yaml.safe_load(block) if kind == "yaml" else None
            if found and "apiVersion" not in found:
                yield page, found


VALUES = list(_values())
SCRIPTS = list(_commands("scripts/"))
HELM = [
    (page, words) for page, words in _commands("helm") if words[1] in ("upgrade", "install", "rollback", "uninstall")
]
KUBECTL = list(_commands("kubectl"))


@pytest.mark.parametrize(("page", "values"), VALUES, ids=_id)
def test_values_on_a_page_are_taken(page: Path, values: dict[str, Any]) -> None:
    """What people copy into their values file is what the chart knows, and changes what it makes."""
    assert template(GATEWAY, values) != template(GATEWAY), page


@pytest.mark.parametrize(("page", "words"), SCRIPTS, ids=_id)
def test_scripts_on_a_page_run(
    page: Path, words: list[str], cluster: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command line with one of our scripts is taken as it stands, by a machine that has what it needs."""
    cluster.has("docker")
    monkeypatch.chdir(tmp_path)  # files of the reader's own; the repository's are named from its root
    for folder in ("helm", "k8s"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for word in words[1:]:
        if re.search(r"\.(yaml|tgz)$", word) and "/" not in word:
            (tmp_path / word).touch()
    done = cluster.run(Path(words[0]).name, *words[1:], NGC_API_KEY="nvapi-key")
    assert done.returncode == 0, (page, done.stderr)


@pytest.mark.parametrize(("page", "words"), HELM, ids=_id)
def test_helm_on_a_page_is_about_our_charts(page: Path, words: list[str]) -> None:
    """Release, chart and files of a helm command are those of the other pages."""
    releases = {"voice-gateway", "local-models"}
    positional = [word for word in words[2:] if not word.startswith("-") and "=" not in word]
    assert positional[0] in releases, page
    if words[1] in ("upgrade", "install"):
        assert positional[1] == f"helm/{positional[0]}"
        assert "namespace" in " ".join(words) or page.name == "ABOUT.md"
    for flag, value in itertools.pairwise(words):
        if flag == "--values" and "/" in value:
            assert (ROOT / value).is_file()
        if flag == "--set":
            path, _, given = value.partition("=")
            assert template(GATEWAY, nested(path, given))


@pytest.mark.parametrize(("page", "words"), KUBECTL, ids=_id)
def test_kubectl_on_a_page_names_what_the_charts_make(page: Path, words: list[str]) -> None:
    """An object that a command names is one that the charts make under the releases of the pages."""
    names = {
        (
            made["kind"].lower(),
            made["metadata"]["name"].replace(RELEASE, chart.name).replace(f"{chart.name}-{chart.name}", chart.name),
        )
        for chart in ALL
        for made in objects(chart).values()
    }
    for word in words[1:]:
        kind, slash, name = word.partition("/")
        if slash and kind in {known for known, _ in names}:
            assert (kind, name) in names, page
    if "--selector" in words:
        label, _, value = words[words.index("--selector") + 1].partition("=")
        labels = objects(GATEWAY)["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert labels[label] == value, page


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    """A page that is moved takes its links along."""
    targets = [match[0] for match in LINK.findall(re.sub(BLOCK, "", page.read_text(encoding="utf-8"))) if match[0]]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_pages_are_there() -> None:
    """The walk finds commands and values of every kind, and every page of docs/ is linked from its index."""
    assert min(len(VALUES), len(SCRIPTS), len(HELM), len(KUBECTL)) > 4
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [
        page
        for folder in ("how-to", "explanation", "reference", "tutorials")
        for page in (ROOT / "docs" / folder).glob("*.md")
    ]
    assert [page.name for page in pages if f"{page.parent.name}/{page.name}" not in index] == []


def test_the_table_of_pod_sizes_is_what_the_charts_ask_for() -> None:
    """What is promised to a pod is more than it was measured to need, and the page says which limit there is."""
    page = (ROOT / "docs" / "how-to" / "size-the-pods.md").read_text(encoding="utf-8")
    needs = {
        LOCAL_MODELS: r"local-models, idle: memory \| (\d+) MiB",
        GATEWAY: r"gateway, idle: memory, CPU \| (\d+) MiB",
    }
    for chart, pattern in needs.items():
        (idle_mib,) = re.findall(pattern, page)
        memory = objects(chart)["Deployment"]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"][
            "memory"
        ]
        assert int(idle_mib) < int(memory.removesuffix("Mi"))
    assert "512 MiB" in page
