"""The deploying and building scripts against programs that only take notes: what they do, and what they refuse."""

import base64
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from chart_kit import CHARTS

ROOT = CHARTS.parent
SCRIPTS = ROOT / "scripts"
DEPLOYS = ("deploy_infra.sh", "deploy_riva.sh", "deploy_gateway.sh")
BUILDS = ("build_gateway.sh", "build_local_models.sh", "build_testkit.sh")
OTHERS = ("e2e_kube_here.sh",)
CANNOT = 3
NEEDED = ("bash", "sh", "env", "dirname", "basename", "sed", "base64", "tr", "cat", "printf")
KEY = "nvapi-0123456789abcdef"
NOTE = """#!/bin/sh
printf '%s' "{name}" >> {notes}
printf ' %s' "$@" >> {notes}
printf '\\n' >> {notes}
case "$*" in *"--filename -"*) cat >> {notes}.stdin;; esac
{body}
"""


@dataclass(frozen=True)
class Machine:
    """A machine that has these programs and no others."""

    bin: Path
    notes: Path

    def has(self, name: str, body: str = "") -> None:
        """Install a program that notes how it is called."""
        program = self.bin / name
        program.write_text(NOTE.format(name=name, notes=self.notes, body=body))
        program.chmod(0o755)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script there."""
        command = [str(SCRIPTS / script), *arguments]
        return subprocess.run(  # noqa: S603  our own scripts with our own words
            command,
            env={"PATH": str(self.bin), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def called(self) -> list[str]:
        """The calls of programs, in order."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a shell and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = next(Path(part) / name for part in os.environ["PATH"].split(":") if (Path(part) / name).exists())
        (folder / name).symlink_to(found)
    return Machine(folder, tmp_path / "notes")


@pytest.fixture
def cluster(machine: Machine) -> Machine:
    """The same with kubectl, Helm 4 and a cluster."""
    machine.has("kubectl")
    machine.has("helm", "case $1 in version) echo v4.1.4+g05fa379;; esac")
    return machine


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    return line


def chart(folder: Path) -> str:
    """What stands for NVIDIA's chart."""
    made = folder / "riva-nim.tgz"
    made.touch()
    return str(made)


def _source(script: str) -> str:
    """The script with what it sources: the library is common to all."""
    return (SCRIPTS / script).read_text() + (SCRIPTS / "build_image.sh").read_text() * (script in BUILDS)


@pytest.mark.parametrize("script", [*DEPLOYS, *BUILDS, *OTHERS])
def test_help_tells_every_option(script: str, machine: Machine) -> None:
    """The head of the script is its help, and no option is missing from it."""
    done = machine.run(script, "--help")
    options = set(re.findall(r"^ +(--[a-z-]+)\)", _source(script), re.MULTILINE))
    assert done.returncode == 0
    assert options - {"--help"} <= set(done.stdout.replace("[", " ").replace("]", " ").split())
    assert len(done.stdout.splitlines()) > 4


@pytest.mark.parametrize("script", [*DEPLOYS, *BUILDS, *OTHERS])
def test_an_option_that_does_not_exist_is_refused(script: str, machine: Machine) -> None:
    """A misspelt option is told before anything happens."""
    done = machine.run(script, "--dry-rnu")
    assert (done.returncode, only_line(done)) == (2, f"{script}: unknown option --dry-rnu; --help tells more")


WITH_VALUE = [
    (script, option)
    for script in (*DEPLOYS, *BUILDS)
    for option in re.findall(r"(--[a-z-]+)\) [^\n]*value_of", _source(script))
]


@pytest.mark.parametrize(("script", "option"), WITH_VALUE)
def test_an_option_without_its_value_is_refused(script: str, option: str, machine: Machine) -> None:
    """The end of the line is no value."""
    assert only_line(machine.run(script, option)) == f"{script}: {option} needs a value; --help tells more"


def test_without_a_key_nothing_is_made(cluster: Machine) -> None:
    """The secrets need the key, and it is asked for by name."""
    assert only_line(cluster.run("deploy_infra.sh")) == (
        "deploy_infra.sh: NGC_API_KEY is not set: export the key of your NGC account"
    )
    assert cluster.called == []


@pytest.mark.parametrize("script", DEPLOYS)
def test_without_tools_nothing_happens(script: str, machine: Machine, tmp_path: Path) -> None:
    """A missing program is told with what it is for."""
    arguments = ("--chart", chart(tmp_path)) if script == "deploy_riva.sh" else ()
    line = only_line(machine.run(script, *arguments, NGC_API_KEY=KEY))
    tool, purpose = ("kubectl", "talk to the cluster") if script == "deploy_infra.sh" else ("helm", "install charts")
    assert line == f"{script}: {tool} is not installed: it is needed to {purpose}"


@pytest.mark.parametrize("script", ["deploy_riva.sh", "deploy_gateway.sh"])
def test_helm_alone_is_not_enough(script: str, machine: Machine, tmp_path: Path) -> None:
    """Who has Helm and not kubectl is told before anything is installed."""
    machine.has("helm")
    arguments = ("--chart", chart(tmp_path)) if script == "deploy_riva.sh" else ()
    line = only_line(machine.run(script, *arguments))
    assert line == f"{script}: kubectl is not installed: it is needed to talk to the cluster"
    assert machine.called == []


def test_without_base64_no_secret_is_written(cluster: Machine) -> None:
    """A Secret with a key that is not encoded would be refused by the cluster, with the key in its answer."""
    (cluster.bin / "base64").unlink()
    line = only_line(cluster.run("deploy_infra.sh", NGC_API_KEY=KEY))
    assert line == "deploy_infra.sh: base64 is not installed: it is needed to write a Secret"
    assert cluster.called == []


@pytest.mark.parametrize("script", DEPLOYS)
def test_without_a_cluster_nothing_happens(script: str, machine: Machine, tmp_path: Path) -> None:
    """A context that leads nowhere is told within seconds."""
    machine.has("helm")
    machine.has("kubectl", "exit 1")
    arguments = ("--chart", chart(tmp_path)) if script == "deploy_riva.sh" else ()
    line = only_line(machine.run(script, *arguments, NGC_API_KEY=KEY))
    assert line == f"{script}: no cluster answers: kubectl's current context leads nowhere"
    assert machine.called == ["kubectl version --request-timeout=10s"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_the_key_is_in_the_secrets_and_nowhere_else(end: str, cluster: Machine) -> None:
    """The key reaches the cluster through standard input, without the newline of its file, and nobody sees it."""
    done = cluster.run("deploy_infra.sh", NGC_API_KEY=KEY + end)
    assert done.returncode == 0, done.stderr
    given = cluster.notes.with_suffix(".stdin").read_text()
    first, second = yaml.safe_load_all(given.replace("apiVersion", "---\napiVersion"))
    assert [made["metadata"] for made in (first, second)] == [
        {"name": name, "namespace": "voice-models"} for name in ("ngc-api", "ngc-registry")
    ]
    assert decoded(first["data"]["NGC_API_KEY"]) == KEY
    login = yaml.safe_load(decoded(second["data"][".dockerconfigjson"]))["auths"]["nvcr.io"]["auth"]
    assert decoded(login) == f"$oauthtoken:{KEY}"
    shown = done.stdout + done.stderr + "".join(cluster.called)
    assert [word for word in (KEY, login, first["data"]["NGC_API_KEY"]) if word in shown] == []
    assert done.stdout.splitlines()[-1] == "next: scripts/deploy_riva.sh"


def decoded(text: str) -> str:
    """What stands in a Secret."""
    return base64.b64decode(text).decode()


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("deploy_infra.sh", ()), ("deploy_riva.sh", ("--chart",)), ("deploy_gateway.sh", ("--local-models", "--test"))],
)
def test_a_dry_run_changes_nothing(script: str, arguments: tuple[str, ...], cluster: Machine, tmp_path: Path) -> None:
    """It shows the commands, and asks the cluster nothing but whether it is there and has what is needed."""
    given = (*arguments, chart(tmp_path)) if "--chart" in arguments else arguments
    done = cluster.run(script, "--dry-run", *given, NGC_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("+ ")]
    asked = [" ".join(line.split()[:2]) for line in cluster.called]
    assert set(asked) <= {"kubectl version", "kubectl get", "helm version"}
    assert KEY not in done.stdout


def test_the_speech_services_and_the_model_are_waited_for(cluster: Machine, tmp_path: Path) -> None:
    """Both directions come from NVIDIA's chart with our values, and each step waits for readiness."""
    done = cluster.run("deploy_riva.sh", "--chart", chart(tmp_path), "--timeout", "9m")
    assert done.returncode == 0, done.stderr
    upgrades = [line for line in cluster.called if line.startswith("helm upgrade")]
    assert [line.split()[3] for line in upgrades] == ["riva-asr", "riva-tts"]
    for line, direction in zip(upgrades, ("asr", "tts"), strict=True):
        assert f"k8s/speech-nim-{direction}-values.yaml --wait --timeout 9m" in line
    assert cluster.called[-1] == "kubectl rollout status --namespace voice-models deployment/nim-llm --timeout 9m"


def test_with_the_operator_its_objects_are_applied(cluster: Machine, tmp_path: Path) -> None:
    """The operator's objects stand for the Deployment, never beside it."""
    done = cluster.run("deploy_riva.sh", "--chart", chart(tmp_path), "--nim-operator")
    assert done.returncode == 0, done.stderr
    applied = [line for line in cluster.called if line.startswith("kubectl apply")]
    assert len(applied) == 1
    assert "nim-operator-service.yaml" in applied[0]
    assert "nim-llm.yaml" not in applied[0]


def test_missing_secrets_and_operator_are_told(machine: Machine, tmp_path: Path) -> None:
    """Pods that could never pull their image are not made."""
    machine.has("helm")
    machine.has("kubectl", 'case "$*" in *secret*) exit 1;; esac')
    line = only_line(machine.run("deploy_riva.sh", "--chart", chart(tmp_path)))
    assert line.endswith(
        "the secrets ngc-api and ngc-registry are not in voice-models: run scripts/deploy_infra.sh first"
    )
    machine.has("kubectl", 'case "$*" in *crd*) exit 1;; esac')
    line = only_line(machine.run("deploy_riva.sh", "--chart", chart(tmp_path), "--nim-operator"))
    assert "the NIM Operator is not installed in this cluster" in line
    line = only_line(machine.run("deploy_riva.sh", "--chart", "/nowhere.tgz"))
    assert line == "deploy_riva.sh: there is no chart at /nowhere.tgz"
    line = only_line(machine.run("deploy_riva.sh"))
    assert "--chart is missing: NVIDIA's chart riva-nim is theirs to ship" in line


@pytest.mark.parametrize(("version", "undo"), [("v3.17.2+gcc0bbbd", "--atomic"), ("v4.1.4", "--rollback-on-failure")])
def test_an_upgrade_is_waited_for_and_undone_when_it_fails(version: str, undo: str, cluster: Machine) -> None:
    """With either Helm a gateway that cannot become ready leaves what was there."""
    cluster.has("helm", f"case $1 in version) echo {version};; esac")
    done = cluster.run("deploy_gateway.sh", "--namespace", "calls", "--timeout", "7m")
    assert done.returncode == 0, done.stderr
    assert cluster.called[-1] == (
        f"helm upgrade --install voice-gateway {ROOT}/helm/voice-gateway"
        f" --namespace calls --create-namespace --wait --timeout 7m {undo}"
    )


def test_the_local_system_is_both_charts_and_a_call(cluster: Machine, tmp_path: Path) -> None:
    """One command gives a whole system; values of one's own come last, over those for the local models."""
    mine = tmp_path / "mine.yaml"
    mine.touch()
    done = cluster.run(
        "deploy_gateway.sh", "--local-models", "--models-values", str(mine), "--values", str(mine), "--test"
    )
    assert done.returncode == 0, done.stderr
    models, gateway, call = [line for line in cluster.called if not line.endswith(("--short", "timeout=10s"))]
    assert "upgrade --install local-models" in models
    assert models.endswith(f"--values {mine}")
    assert gateway.endswith(f"--values {ROOT}/helm/values-local.yaml --values {mine}")
    assert call == "helm test voice-gateway --namespace voice"
    line = only_line(cluster.run("deploy_gateway.sh", "--values", "/nowhere.yaml"))
    assert line == "deploy_gateway.sh: there are no values at /nowhere.yaml"


@pytest.mark.parametrize("script", BUILDS)
def test_without_a_builder_nothing_is_built(script: str, machine: Machine) -> None:
    """Any of three builders will do, and none of them is told."""
    assert (
        only_line(machine.run(script, "--tag", "1")) == f"{script}: neither docker nor podman nor buildah is installed"
    )
    line = only_line(machine.run(script, "--tag", "1", "--builder", "podman"))
    assert line == f"{script}: podman is not installed: it is needed to build the image"
    assert "--builder is docker, podman or buildah" in only_line(
        machine.run(script, "--tag", "1", "--builder", "kaniko")
    )


@pytest.mark.parametrize(
    ("builder", "arguments", "expected"),
    [
        ("docker", (), ["docker build {} --tag voice-gateway:1.2.3 ROOT"]),
        (
            "docker",
            ("--push", "--repository", "r.example/vg", "--platform", "linux/amd64,linux/arm64"),
            ["docker buildx build {} --platform linux/amd64,linux/arm64 --push --tag r.example/vg:1.2.3 ROOT"],
        ),
        (
            "docker",
            ("--platform", "linux/arm64"),
            ["docker buildx build {} --platform linux/arm64 --load --tag voice-gateway:1.2.3 ROOT"],
        ),
        (
            "podman",
            ("--push", "--repository", "r.example/vg"),
            ["podman build {} --tag r.example/vg:1.2.3 ROOT", "podman push r.example/vg:1.2.3"],
        ),
        (
            "buildah",
            ("--push", "--repository", "r.example/vg", "--platform", "linux/amd64,linux/arm64"),
            [
                "buildah build {} --platform linux/amd64,linux/arm64 --manifest r.example/vg:1.2.3 ROOT",
                "buildah manifest push --all r.example/vg:1.2.3 docker://r.example/vg:1.2.3",
            ],
        ),
        (
            "buildah",
            ("--base", "mine/python:1"),
            ["buildah build {} --build-arg PYTHON_IMAGE=mine/python:1 --tag voice-gateway:1.2.3 ROOT"],
        ),
    ],
)
def test_the_image_is_built_with_what_is_there(
    builder: str, arguments: tuple[str, ...], expected: list[str], machine: Machine
) -> None:
    """Each builder is asked in its own words, for one architecture and for several."""
    machine.has(builder)
    done = machine.run("build_gateway.sh", "--tag", "1.2.3", *arguments)
    assert done.returncode == 0, done.stderr
    labels = "--build-arg VERSION=1.2.3 --build-arg REVISION=unknown"
    always = f"--file {ROOT}/services/voice-gateway/Dockerfile {labels}"
    assert machine.called == [line.replace("ROOT", str(ROOT)).format(always) for line in expected]


@pytest.mark.parametrize("script", BUILDS)
def test_an_image_is_named_after_its_commit(script: str, machine: Machine) -> None:
    """Tag and label say what is inside, and that the tree was not the commit's; a dry run builds nothing."""
    machine.has("docker")
    machine.has("git", "echo 0a1b2c3-dirty")
    done = machine.run(script, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "--build-arg VERSION=0a1b2c3-dirty --build-arg REVISION=0a1b2c3-dirty" in done.stdout
    (service,) = re.findall("^service=(.+)$", (SCRIPTS / script).read_text(), re.MULTILINE)
    assert f"--tag {service}:0a1b2c3-dirty {ROOT}" in done.stdout
    assert [line.split()[0] for line in machine.called] == ["git"]


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("build_gateway.sh", (), "this is no git repository: say --tag"),
        ("build_gateway.sh", ("--tag", "latest"), "the tag latest is refused: nobody could say what is running"),
        ("build_gateway.sh", ("--tag", "1", "--push"), "--push needs --repository with the registry to push to"),
        (
            "build_local_models.sh",
            ("--tag", "1", "--platform", "linux/arm64"),
            "local-models has no image for linux/arm64: a dependency has no wheel there; there is linux/amd64",
        ),
        (
            "build_gateway.sh",
            ("--tag", "1", "--platform", "linux/amd64,linux/arm64"),
            "an image for several architectures can only be pushed: add --push",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(
    script: str, arguments: tuple[str, ...], sentence: str, machine: Machine
) -> None:
    """Nothing is built that nobody could use."""
    machine.has("docker")
    assert only_line(machine.run(script, *arguments)) == f"{script}: {sentence}"
    assert machine.called == []


def test_every_refusal_is_tested() -> None:
    """Each sentence with which a script refuses stands in a test of this file."""
    tests = Path(__file__).read_text(encoding="utf-8")
    missing = []
    for path in [SCRIPTS / "lib.sh", *map(SCRIPTS.joinpath, (*DEPLOYS, "build_image.sh"))]:
        for sentence in re.findall(r'(?:refuse|misuse) "([^"]+)"', path.read_text(encoding="utf-8")):
            # what is between the variables, in the order of the sentence
            parts = [re.escape(part) for part in re.split(r"\$\{?[a-z0-9_]+\}?", sentence)]
            if not re.search("[^\n]+".join(parts), tests):
                missing.append(sentence)
    assert missing == []


@pytest.mark.parametrize(
    ("program", "user", "system", "reason"),
    [
        ("nowhere", "0", "Linux x86_64", "there is no program"),
        ("id", "1000", "Linux x86_64", "it needs root"),
        ("id", "0", "Darwin arm64", "it needs Linux on x86-64"),
    ],
)
def test_the_cluster_of_the_tests_says_why_it_cannot(
    program: str, user: str, system: str, reason: str, machine: Machine
) -> None:
    """CI goes on without the cluster where there can be none: one line says why, and the status is not a failure's."""
    machine.has("id", f"echo {user}")
    machine.has("uname", f"echo {system}")
    done = machine.run("e2e_kube_here.sh", "--check", KUBE_PROGRAM=str(machine.bin / program))
    assert (done.returncode, done.stdout) == (CANNOT, "")
    assert reason in only_line(done)
