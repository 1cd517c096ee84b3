"""One cluster for all tests, a table of what was measured, and what the cluster looked like when a test failed."""

import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import cluster as kube
import fakes
import pytest
from cluster import GATEWAY_CHART, Cluster, Json, Node, Settings, run

SETUP_S = 600
GATEWAY = "voice-gateway"
GATEWAY_PODS = f"app.kubernetes.io/name={GATEWAY}"
NAMESPACES = ("voice-e2e-local", "voice-e2e-fakes")
DUMP_LINES = 60
_measured: list[tuple[str, str, str]] = []


class Table:
    """What was measured, printed at the end."""

    def add(self, what: str, measured: str, limit: str = "") -> None:
        """A row."""
        _measured.append((what, measured, limit))


@pytest.fixture(scope="session")
def table() -> Table:
    """Rows of the table at the end."""
    return Table()


@pytest.fixture(scope="session")
async def settings() -> Settings:
    """What the environment says; the images are in the cluster afterwards."""
    found = kube.read_settings()
    if found.load:
        await run(*found.load, *(str(image) for image in (found.gateway, found.models, found.fakes)), timeout_s=SETUP_S)
    return found


@pytest.fixture(scope="session")
async def workers(settings: Settings) -> list[Node]:
    """The nodes, by name."""
    return await kube.nodes(Cluster(settings, "default"))


@asynccontextmanager
async def _namespace(settings: Settings, name: str) -> AsyncIterator[Cluster]:
    """A namespace that enforces pod security `restricted`, gone afterwards."""
    cluster = Cluster(settings, name)
    security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": security}})
    try:
        yield cluster
    finally:
        await cluster.kubectl("delete", "namespace", name, "--timeout=120s")


@pytest.fixture(scope="module")
async def local(settings: Settings) -> AsyncIterator[Cluster]:
    """Where both charts go, with real speech."""
    async with _namespace(settings, NAMESPACES[0]) as cluster:
        yield cluster


@pytest.fixture(scope="session")
async def faked(settings: Settings, workers: list[Node]) -> AsyncIterator[Cluster]:
    """A gateway that runs on fakes of its backends, which are on the first node."""
    async with _namespace(settings, NAMESPACES[1]) as cluster:
        await fakes.install(cluster, workers[0].name)
        await upgrade(cluster)
        yield cluster


def gateway_values(settings: Settings, replicas: int = 1) -> Json:
    """A gateway on the fakes, with a port on every node."""
    return {
        **settings.gateway.values,
        "replicaCount": replicas,
        "fullnameOverride": GATEWAY,
        "backends": fakes.BACKENDS,
        "service": {"type": "NodePort"},
    }


async def upgrade(cluster: Cluster, *arguments: str, replicas: int = 1, prompt: str = "") -> None:
    """Installs the gateway or upgrades it, and waits until its pods are ready; raises CommandError."""
    values = gateway_values(cluster.settings, replicas)
    if prompt:
        values["config"] = {"llm": {"systemPrompt": prompt}}
    chart = str(GATEWAY_CHART)
    await cluster.helm("upgrade", "--install", GATEWAY, chart, "--wait", "--timeout=180s", *arguments, values=values)


async def settled(cluster: Cluster, replicas: int, timeout_s: float = 120) -> list[Json]:
    """Waits until there are so many gateway pods, all ready and none leaving, and gives them."""

    async def is_settled() -> bool:
        pods = await cluster.pods(GATEWAY_PODS)
        return len(pods) == replicas and all(kube.is_ready(pod) for pod in pods)

    await kube.until(f"{replicas} gateway pods and no other", is_settled, timeout_s)
    return await cluster.pods(GATEWAY_PODS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.CallInfo[None], None]:
    """A failure tells what the cluster looked like."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result
    if report.failed:
        report.sections.append(("cluster", _dump()))


def _dump() -> str:
    told = []
    for namespace in NAMESPACES:
        for arguments in (
            ("get", "pods,services,endpointslices,poddisruptionbudgets", "--output=wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("describe", "pods"),
            ("logs", "--all-containers", "--prefix", f"--tail={DUMP_LINES}", "--selector", GATEWAY_PODS),
        ):
            told.append(f"--- {namespace}: kubectl {' '.join(arguments)}\n{_kubectl(namespace, *arguments)}")
    told.append(_kubectl("default", "get", "nodes", "--output=wide"))
    return "\n".join(told)


def _kubectl(namespace: str, *arguments: str) -> str:
    command = [kube.read_settings().kubectl, "--namespace", namespace, "--request-timeout=15s", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603  our words
    except subprocess.TimeoutExpired:
        return "nothing within 30 s"
    return done.stdout + done.stderr


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table."""
    if not _measured:
        return
    terminalreporter.section("measured")
    width = max(len(what) for what, _, _ in _measured)
    for what, measured, limit in _measured:
        terminalreporter.write_line(f"{what:<{width}}  {measured:>12}  {limit}")
