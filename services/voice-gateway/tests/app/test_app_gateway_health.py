"""`voice-gateway health`, and how a gateway waits for its backends."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from app.gateway_process import NOWHERE, is_serving, outcome, serving
from voice_gateway import config
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus, NameStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.health_page import HealthPage, HealthUnknown, ask, render
from voicegateway_testkit.fakes.asr import FakeAsr
from voicegateway_testkit.fakes.llm import FakeLlm
from voicegateway_testkit.fakes.tts import FakeTts


def metrics_address(ports_file: Path) -> str:
    """Where a serving gateway has its page."""
    return f"127.0.0.1:{json.loads(ports_file.read_text())['metrics']}"


async def test_a_gateway_without_its_backends_waits_and_says_for_whom(tmp_path: Path) -> None:
    """Backends that are down, or have no name yet, crash nothing: the pod lives, unready, and `health` says why."""
    ports = tmp_path / "ports.json"
    async with serving(ports, {"TTS_URI": "no-such-name.invalid:50061"}) as gateway:
        await gateway.told("backend address fails", backend="asr")
        async with gateway.channel() as channel:
            assert await is_serving(channel, "liveness")
            assert not await is_serving(channel, "readiness")
        code, out, err = await outcome("health", "--address", metrics_address(ports))
        assert (code, err) == (1, [])
        assert out[0] == "not ready: it waits for asr, llm, tts"
        assert "asr: no healthy address" in out
        assert any(line.startswith(f"  {NOWHERE}: ") and "UNAVAILABLE" in line for line in out)
        assert any(line.startswith("  no-such-name.invalid:50061: cannot be resolved: ") for line in out)


async def test_a_ready_gateway_says_so(tmp_path: Path) -> None:
    """The exit code is what a script needs, and the addresses are those that are called."""
    ports = tmp_path / "ports.json"
    async with FakeAsr() as asr, FakeTts() as tts, FakeLlm() as llm:
        addresses = {"ASR_URI": asr.address, "TTS_URI": tts.address, "LLM_SERVICE_URL": llm.base_url}
        async with serving(ports, addresses) as gateway:
            await gateway.told("readiness", is_ready=True)
            code, out, _ = await outcome("health", METRICS_PORT=metrics_address(ports).rpartition(":")[2])
            assert code == 0
            assert out[:2] == ["ready", "sessions: 0 of 100, 0% full"]
            assert out[2:4] == ["asr: healthy", f"  {asr.address}: healthy, 0 calls"]


async def test_without_a_gateway_there_is_nothing_to_say() -> None:
    """Nobody there is not ready, and a port that cannot be known must be said."""
    code, _, err = await outcome("health", "--address", NOWHERE)
    assert code == 1
    assert err[0].startswith(f"voice-gateway: no gateway answers at {NOWHERE}: ")
    code, _, err = await outcome("health", METRICS_PORT="0")
    assert code == 2
    assert "METRICS_PORT" in err[0]


@pytest.mark.parametrize("address", ["127.0.0.1:port", "", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    """A typing mistake is a sentence, not a traceback."""
    with pytest.raises(HealthUnknown, match="no gateway answers"):
        ask(address)


def test_the_port_is_read_alone() -> None:
    """Asking for health works in a shell whose other settings are wrong."""
    assert config.metrics_port({"METRICS_PORT": "8081", "LLM_TEMPERATURE": "hot"}) == 8_081
    with pytest.raises(config.ConfigError, match="METRICS_PORT must be"):
        config.metrics_port({"METRICS_PORT": "many"})


class Known:
    """A backend of which this is known."""

    backend = Backend.ASR
    is_healthy = False

    def status(self) -> BackendStatus:
        """One address of each kind."""
        return BackendStatus(
            (
                AddressStatus("10.0.0.1:1", "asr:1", AddressState.EJECTED, 2, False, 3_200, "UNAVAILABLE", 1_000),
                AddressStatus("10.0.0.2:1", "asr:1", AddressState.HEALTHY, 1, True, None, "", None),
                AddressStatus("10.0.0.3:1", "10.0.0.3:1", AddressState.NEW, 0, False, None, "", None),
            ),
            (NameStatus("other:1", "Name or service not known"),),
        )

    async def run(self) -> None:
        """Nothing to do."""


@dataclass
class Occupied:
    """A process that is so full."""

    fullness: float = 0.25
    sessions: int = 5
    capacity: int = 20


def page_of(readiness: Readiness, fullness: float = 0.25) -> tuple[bool, dict[str, Any]]:
    """The page as a client reads it."""
    is_ready, body = HealthPage(readiness, (Known(),), Occupied(fullness), "1.0", lambda: Instant(0)).write()
    page = json.loads(body)
    assert isinstance(page, dict)
    return is_ready, page


def test_every_address_has_its_line() -> None:
    """Whoever is on call reads state, calls, the last failure and when it is asked again."""
    is_ready, page = page_of(Readiness((Backend.ASR,)))
    assert not is_ready
    assert render(page) == [
        "not ready: it waits for asr",
        "sessions: 5 of 20, 25% full",
        "asr: no healthy address",
        "  10.0.0.1:1 (asr:1): ejected, 2 calls, failed 1.0 s ago: UNAVAILABLE, asked again in 3.2 s",
        "  10.0.0.2:1 (asr:1): healthy, 1 calls, leaving",
        "  10.0.0.3:1: new, 0 calls",
        "  other:1: cannot be resolved: Name or service not known",
    ]


def test_a_draining_gateway_says_that() -> None:
    """A pod that leaves is not mistaken for one that lacks a backend."""
    readiness = Readiness(())
    readiness.drain()
    _, page = page_of(readiness)
    assert render(page)[0] == "not ready: it is draining"


def test_a_full_gateway_says_so_and_stays_ready() -> None:
    """Whoever is on call sees why newcomers are refused by a pod that is ready."""
    readiness = Readiness(())
    readiness.observe_fullness(1, Instant(0))
    is_ready, page = page_of(readiness, fullness=1)
    assert is_ready
    assert render(page)[:2] == ["ready", "sessions: 5 of 20, 100% full: newcomers are refused"]


def test_a_gateway_that_is_unready_because_it_is_full_says_so() -> None:
    """It is not mistaken for one that is broken."""
    readiness = Readiness((), unready_when_full=True)
    readiness.observe_fullness(1, Instant(0))
    is_ready, page = page_of(readiness, fullness=0.95)
    assert not is_ready
    assert render(page)[:2] == ["not ready: it is full, or was a moment ago", "sessions: 5 of 20, 95% full"]
