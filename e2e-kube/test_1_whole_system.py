"""Both charts as a laptop has them: installed, called from inside and outside, and gone."""

import re
import wave
from pathlib import Path

import pytest
from cluster import GATEWAY_CHART, MODELS_CHART, ROOT, Cluster, Json, Node, run, until
from releases import Table

CLIENT = str(ROOT / ".venv" / "bin" / "voice-client")
CALL_S = 120
INSTALL = ("upgrade", "--install", "--wait", "--timeout=240s")
QUESTIONS = (("What is a pod in Kubernetes?", "pod"), ("Who wrote Romeo and Juliet?", "romeo"))
"""What is asked, and a word of it that must be understood."""
ANSWERS = ("container", "shakespeare")


def models_values(cluster: Cluster) -> Json:
    """Values of the chart local-models."""
    return cluster.settings.models.values


def local_values(cluster: Cluster) -> Json:
    """Values of the gateway's chart, beside values-local.yaml."""
    return {**cluster.settings.gateway.values, "service": {"type": "NodePort"}}


LOCAL = ("--values", str(ROOT / "helm" / "values-local.yaml"))


async def test_a_dry_run_on_the_server_is_clean(local: Cluster) -> None:
    """The API server takes every object of both charts as it is, and pod security has nothing to warn of."""
    for name, chart, values, more in (
        ("local-models", MODELS_CHART, models_values(local), ()),
        ("voice-gateway", GATEWAY_CHART, local_values(local), LOCAL),
    ):
        rendered = await local.helm("template", name, str(chart), *more, values=values)
        said = await local.kubectl("apply", "--server-side", "--dry-run=server", "--filename", "-", given=rendered)
        assert "arning" not in said
        assert len(said.splitlines()) == rendered.count("\nkind: ")


async def test_the_whole_system_is_installed(local: Cluster, table: Table) -> None:
    """Both charts from values-local.yaml become ready under pod security `restricted`, in one command each."""

    async def install_models() -> bool:
        await local.helm(*INSTALL, "local-models", str(MODELS_CHART), values=models_values(local))
        return True

    async def install_gateway() -> bool:
        await local.helm(*INSTALL, "voice-gateway", str(GATEWAY_CHART), *LOCAL, values=local_values(local))
        return True

    table.add("helm install local-models, until ready", f"{await until('local-models', install_models, 0):.1f} s")
    table.add("helm install voice-gateway, until ready", f"{await until('voice-gateway', install_gateway, 0):.1f} s")


async def test_helm_test_speaks_and_is_answered(local: Cluster, table: Table) -> None:
    """`helm test` holds a spoken call from within the cluster, and what it said was understood."""

    async def speak() -> bool:
        return "Phase:          Succeeded" in await local.helm("test", "voice-gateway", "--timeout=120s")

    table.add("helm test, a spoken call", f"{await until('helm test', speak, 0):.1f} s")


@pytest.fixture(scope="module")
async def recordings(local: Cluster, workers: list[Node], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The questions, spoken: what the gateway says when it is asked to repeat them."""
    folder = tmp_path_factory.mktemp("spoken")
    server = f"{workers[-1].address}:{await local.node_port('voice-gateway')}"
    files = []
    for number, (question, _) in enumerate(QUESTIONS):
        files.append(folder / f"{number}.wav")
        typed = f"Repeat after me. {question}\n"
        await run(CLIENT, "talk", "--server", server, "--text", "--out", str(files[-1]), given=typed, timeout_s=CALL_S)
    return files


async def converse(server: str, recordings: list[Path], answer: Path) -> list[str]:
    """Holds a call in real time and gives its latencies; fails unless everything was understood and answered."""
    said = [argument for file in recordings for argument in ("--wav", str(file))]
    told = await run(CLIENT, "talk", "--server", server, *said, "--out", str(answer), timeout_s=CALL_S)
    turns = re.split(r"^you: +", told, flags=re.MULTILINE)[1:]
    assert len(turns) == len(QUESTIONS), told
    for turn, (_, heard), answered in zip(turns, QUESTIONS, ANSWERS, strict=True):
        asked, _, rest = turn.lower().partition("\n")
        assert heard in asked, told
        assert answered in rest, told
    with wave.open(str(answer)) as file:
        assert file.getnframes() > file.getframerate()  # more than a second of sound
    return re.findall(r"^ +(\d+) ms on the waveform", told, re.MULTILINE)


async def test_a_call_from_outside_through_a_node_port(
    local: Cluster, workers: list[Node], recordings: list[Path], tmp_path: Path, table: Table
) -> None:
    """Somebody outside the cluster speaks to any node, is understood and hears the answers."""
    port = await local.node_port("voice-gateway")
    latencies = await converse(f"{workers[0].address}:{port}", recordings, tmp_path / "answer.wav")
    table.add("two spoken turns through a NodePort, voice to voice", f"{' '.join(latencies)} ms")


async def test_a_call_through_port_forward(
    local: Cluster, recordings: list[Path], tmp_path: Path, table: Table
) -> None:
    """`kubectl port-forward` carries a whole conversation."""
    async with local.forwarded("service/voice-gateway") as server:
        latencies = await converse(server, recordings, tmp_path / "answer.wav")
    table.add("two spoken turns through kubectl port-forward, voice to voice", f"{' '.join(latencies)} ms")


async def test_uninstalling_leaves_nothing(local: Cluster) -> None:
    """Afterwards the namespace is as it was before the first install."""
    kinds = "all,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,ingresses,endpointslices"
    for name in ("voice-gateway", "local-models"):
        await local.helm("uninstall", name, "--wait", "--timeout=120s")

    async def is_empty() -> bool:
        left = {f"{row['kind']}/{row['metadata']['name']}" for row in (await local.get(kinds))["items"]}
        return left <= {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"}

    await until("an empty namespace", is_empty, 120)
