"""Dockerfiles, the compose file, the manifests in k8s/ and every shell script, as their checkers see them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart_kit import CHARTS, GATEWAY, environment, objects
from voice_gateway.config import SECTIONS

ROOT = CHARTS.parent
BIN = Path(sys.executable).parent
DOCKERFILES = sorted(ROOT.glob("services/*/Dockerfile"))
SHELL = sorted([*ROOT.glob("scripts/*.sh"), ROOT / ".ci" / "run"])
MANIFESTS = sorted(path for path in ROOT.glob("k8s/*.yaml") if "values" not in path.name)
FOREIGN = {"Cluster", "NIMCache", "NIMService"}
"""Kinds that Kubernetes has no schema for."""


def check(*command: str) -> str:
    """What a checker complains of."""
    done = subprocess.run(  # noqa: S603  a program of our lock, on our own files
        [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_shell_scripts_are_clean(path: Path) -> None:
    """Shellcheck knows the traps of quoting, and finds none."""
    assert check("shellcheck", "--external-sources", "--source-path", str(ROOT), str(path)) == ""
    source = path.read_text(encoding="utf-8")
    assert "set -euo pipefail" in source or source.startswith("# ")  # what is sourced keeps its caller's


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_dockerfiles_are_clean(path: Path) -> None:
    """Hadolint finds nothing; the base is the site's choice, and nothing runs as root or unlocked."""
    assert check("hadolint", str(path)) == ""
    source = path.read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (.+)$", source, re.MULTILINE)
    assert stages == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert "ARG PYTHON_IMAGE=python:3.12-slim-bookworm" in source
    assert re.search(r"^USER 10001:10001$", source, re.MULTILINE)
    assert "org.opencontainers.image.revision" in source
    installs = re.findall(r"pip install (?:(?!&&).)*", source.replace("\\\n", " "))
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-deps" in install for install in installs)


def _pins(path: Path) -> set[str]:
    return set(re.findall(r"^\S+==\S+", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", sorted(ROOT.glob("services/*/requirements.lock")), ids=lambda path: path.parent.name)
def test_images_have_what_was_tested(path: Path) -> None:
    """The versions in the images are those that the tests ran with: `make lock` writes all locks from one."""
    assert _pins(path) <= _pins(ROOT / "requirements.lock")
    assert len(_pins(path)) > 10


def test_the_contract_of_names_holds_in_compose() -> None:
    """The compose file sets settings that exist, mounts no root that can be written, and asks for no capability."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    settings = {setting.name for section in SECTIONS for setting in section.settings}
    assert set(compose["services"]["voice-gateway"]["environment"]) <= settings
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def _documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_beside_the_charts_are_valid(path: Path) -> None:
    """One object a file, valid for the oldest and the newest Kubernetes that we are for."""
    (made,) = _documents(path)
    if made["kind"] not in FOREIGN:
        for version in ("1.29", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(made, version, strict=True)


def test_the_gateway_finds_what_is_deployed_beside_it() -> None:
    """The addresses in k8s/gateway-values.yaml are the names under which the other files deploy."""
    folder = ROOT / "k8s"
    values = yaml.safe_load((folder / "gateway-values.yaml").read_text(encoding="utf-8"))
    called = environment(objects(GATEWAY, values)["Deployment"])
    speech = {
        direction: yaml.safe_load((folder / f"speech-nim-{direction}-values.yaml").read_text())["fullnameOverride"]
        for direction in ("asr", "tts")
    }
    (service,) = _documents(folder / "nim-llm-service.yaml")
    (operated,) = _documents(folder / "nim-operator-service.yaml")
    (deployment,) = _documents(folder / "nim-llm.yaml")
    namespace = service["metadata"]["namespace"]
    assert called["ASR_URI"] == f"{speech['asr']}.{namespace}:50051"
    assert called["TTS_URI"] == f"{speech['tts']}.{namespace}:50051"
    assert called["LLM_SERVICE_URL"] == f"http://{service['metadata']['name']}.{namespace}:8000/v1"
    assert operated["metadata"]["name"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
