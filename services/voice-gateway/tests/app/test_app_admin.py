"""The admin service of a process: where it listens, what it puts together, and that it is off by default."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateway_kit.overviews import address
from gateway_kit.replicas import free_port
from gateway_kit.whole_gateway import NOWHERE, world
from voice_gateway import __main__, config
from voice_gateway.app.admin import Admin
from voice_gateway.app.servers import CannotListen
from voice_gateway.config.server import DEFAULT_ADMIN_PORT
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.overview.values import AddressSeen, Overview
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.overview.collector import Collector
from voice_gateway.observability.overview.lookout import Lookout
from voice_gateway.transports.grpc_admin.client import AdminClient

ROOT = Path(__file__).resolve().parents[4]
START = Instant(7_000_000_000)
ADDRESS = address("10.0.0.2:8000").status


def server_settings(**environment: str) -> config.ServerSettings:
    """Settings of a server, from these variables."""
    backends: Mapping[str, str] = {"RIVA_URI": NOWHERE, "LLM_SERVICE_URL": f"http://{NOWHERE}/v1"}
    return config.load({**backends, **environment}).server


async def test_nothing_is_collected_while_there_is_no_port() -> None:
    """Without ADMIN_PORT what sessions, backends and admission do is told to nobody for this service."""
    off, on = (Admin(server_settings(**port)) for port in ({}, {"ADMIN_PORT": "50060"}))
    assert off.listeners == ()
    assert [type(each) for each in on.listeners] == [Collector]


@pytest.mark.parametrize(("value", "is_kept"), [("on", True), ("off", False), ("", False)])
async def test_words_are_collected_where_that_is_asked_for(value: str, is_kept: bool) -> None:  # noqa: FBT001
    """ADMIN_TEXT is off unless it is set to on."""
    admin = Admin(server_settings(ADMIN_PORT="50060", ADMIN_TEXT=value))
    assert admin._collector is not None
    assert admin._collector.calls._has_text is is_kept


async def test_it_listens_on_one_address_of_the_host() -> None:
    """No other pod reaches it: other addresses of the host refuse, loopback's own others too."""
    port = free_port()
    async with world(settings={"ADMIN_PORT": str(port)}):
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        for other in ("127.0.0.2", "::1"):
            with pytest.raises(OSError):  # noqa: PT011  refused, or there is no IPv6
                socket.create_connection((other, port), timeout=5).close()


async def test_a_taken_port_is_told() -> None:
    """A gateway whose admin port is in use does not start without a word."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        admin = Admin(server_settings(ADMIN_PORT=str(port)))
        with pytest.raises(CannotListen, match=f"port {port} cannot be opened"):
            await admin.start(Readiness(()), (), FakeOccupancy(), "1.2.3")
        await admin.stop()


async def test_a_gateway_that_drains_tells_it() -> None:
    """Who watches a rollout sees the pod leave, with loop and processor measured."""
    port = free_port()

    def look() -> Overview:
        with AdminClient(f"127.0.0.1:{port}") as client:
            return client.look()

    async with world(settings={"ADMIN_PORT": str(port)}) as around:
        around.gateway.loop_lagged(0.002)
        before = await asyncio.to_thread(look)
        await around.gateway.drain()
        after = await asyncio.to_thread(look)
    assert (before.is_ready, before.is_draining) == (True, False)
    assert (after.is_ready, after.is_draining) == (False, True)
    assert before.loop_lag is not None
    assert before.loop_lag.p99_us == 2_000


def test_top_looks_where_the_gateway_of_this_environment_listens() -> None:
    """ADMIN_PORT, or the default where it is unset or 0; nothing else in the environment need be right."""
    assert config.admin_port({"ADMIN_PORT": "50060", "LLM_TEMPERATURE": "hot"}) == 50_060
    assert [config.admin_port({}), config.admin_port({"ADMIN_PORT": "0"})] == [DEFAULT_ADMIN_PORT] * 2
    said = f"ADMIN_PORT on this host, or {DEFAULT_ADMIN_PORT}"
    assert said in Path(__main__.__file__).read_text(encoding="utf-8")
    page = (ROOT / "docs" / "how-to" / "watch-a-running-gateway.md").read_text(encoding="utf-8")
    assert f"`ADMIN_PORT` of the environment on this host, or {DEFAULT_ADMIN_PORT}." in page
    with pytest.raises(config.ConfigError):
        config.admin_port({"ADMIN_PORT": "high"})


@dataclass
class FakeBackend:
    """A backend with one address."""

    backend: Backend = Backend.LLM
    is_healthy: bool = True
    known: BackendStatus = field(default_factory=lambda: BackendStatus((ADDRESS,), ()))

    def status(self) -> BackendStatus:
        """What is known."""
        return self.known

    async def run(self) -> None:
        """Nothing changes."""


@dataclass
class FakeOccupancy:
    """A process that is half full."""

    sessions: int = 50
    capacity: int = 100
    fullness: float = 0.5


def test_an_overview_is_put_together_when_somebody_looks() -> None:
    """What was collected, and beside it readiness, addresses and occupancy of that moment."""
    now = START
    collector = Collector(lambda: now, has_text=False)
    readiness = Readiness((Backend.LLM,))
    lookout = Lookout(collector, readiness, (FakeBackend(),), FakeOccupancy(), version="1.2.3", clock=lambda: now)
    collector.backend_began(Backend.LLM, ADDRESS.address, 0.25)
    collector.cpu_percent = 34.5
    now = after_ms(START, 90_000)
    seen = lookout.look()
    assert (seen.version, seen.uptime_ms, seen.is_ready) == ("1.2.3", 90_000, False)
    assert (seen.sessions, seen.capacity, seen.fullness_ratio, seen.cpu_percent) == (50, 100, 0.5, 34.5)
    (backend,) = seen.backends
    assert backend.addresses == (AddressSeen(ADDRESS, 0, 1, 250, 250),)
    readiness.observe(Backend.LLM, is_healthy=True, now=now)
    assert lookout.look().is_ready
