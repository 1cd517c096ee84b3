"""One cluster for all tests, a table of what was measured, and what the cluster looked like when a test failed."""

import subprocess
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import cluster as kube
import fakes
import pytest
from cluster import Cluster, Node, Settings, run
from releases import GATEWAY_PODS, Table, upgrade

SETUP_S = 600
NAMESPACES = ("voice-e2e-local", "voice-e2e-fakes", "7654321")
DUMP_LINES = 60
_TABLE = pytest.StashKey[Table]()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """Rows of the table at the end."""
    pytestconfig.stash[_TABLE] = Table()
    return pytestconfig.stash[_TABLE]


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


@pytest.fixture(scope="module")
async def numbered(settings: Settings) -> AsyncIterator[Cluster]:
    """A namespace whose name YAML takes for a number."""
    async with _namespace(settings, NAMESPACES[2]) as cluster:
        yield cluster


@pytest.fixture(scope="session")
async def faked(settings: Settings, workers: list[Node]) -> AsyncIterator[Cluster]:
    """A gateway that runs on fakes of its backends, which are on the first node."""
    async with _namespace(settings, NAMESPACES[1]) as cluster:
        await fakes.install(cluster, workers[0].name)
        await upgrade(cluster)
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure tells what the cluster looked like."""
    report = yield
    if report.failed:
        report.sections.append(("cluster", _dump()))
    return report


def _dump() -> str:
    told = []
    for namespace in NAMESPACES:
        for arguments in (
            ("get", "pods,services,endpointslices,poddisruptionbudgets", "--output=wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("describe", "pods"),
            ("logs", "--all-containers", "--prefix", f"--tail={DUMP_LINES}", "--selector", GATEWAY_PODS),
        ):
            title = f"--- {namespace}: kubectl {' '.join(arguments)}"
            told += [title, _kubectl(namespace, *arguments)]
    told.append(_kubectl("default", "get", "nodes", "--output=wide"))
    return "\n".join(told)


def _kubectl(namespace: str, *arguments: str) -> str:
    command = [kube.read_settings().kubectl, "--namespace", namespace, "--request-timeout=15s", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603  our words
    except subprocess.TimeoutExpired:
        return "nothing within 30 s"
    return done.stdout + done.stderr


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the table."""
    rows = config.stash[_TABLE].rows if _TABLE in config.stash else []
    if rows:
        terminalreporter.section("measured")
        width = max(len(what) for what, _, _ in rows)
        for what, measured, limit in rows:
            terminalreporter.write_line(f"{what:<{width}}  {measured:>12}  {limit}".rstrip())
