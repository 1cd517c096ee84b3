"""Probing in virtual time, published through the real servicer."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import NS_PER_MS, NS_PER_S, Instant
from voice_gateway.observability import prober as prober_module
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.logs import fields_of
from voice_gateway.observability.prober import LIVENESS, OVERALL, READINESS, STARTUP, HealthReporter, Prober

NAMES = {
    health_pb2.HealthCheckResponse.SERVING: True,
    health_pb2.HealthCheckResponse.NOT_SERVING: False,
}


@dataclass
class VirtualTime:
    """A clock that moves only when somebody sleeps, up to `limit_ms`."""

    limit_ms: int
    now_ns: int = 0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> Instant:
        """Now."""
        return Instant(self.now_ns)

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now_ns += round(seconds * NS_PER_S)
        if self.now_ns >= self.limit_ms * NS_PER_MS:
            self.is_over.set()
            await asyncio.Event().wait()


@dataclass
class FakeBackend:
    """A backend whose probe does what the test says."""

    time: VirtualTime
    answer: Callable[[int], bool]
    """Takes milliseconds since start."""
    takes_ms: int = 0
    backend: Backend = Backend.ASR
    is_healthy: bool = False
    probed_at_ms: list[int] = field(default_factory=list)

    async def probe(self) -> None:
        """Remember when, and what the answer was."""
        self.probed_at_ms.append(self.time.now_ns // NS_PER_MS)
        self.is_healthy = self.answer(self.time.now_ns // NS_PER_MS)
        self.time.now_ns += self.takes_ms * NS_PER_MS


async def published(servicer: health_aio.HealthServicer, name: str) -> bool:
    """Whether a service name is published as serving."""
    context: Any = None  # used only for names that are not known
    response = await servicer.Check(health_pb2.HealthCheckRequest(service=name), context)
    return NAMES[response.status]


@dataclass
class Rig:
    """A prober of one backend, with its servicer."""

    time: VirtualTime
    backend: FakeBackend
    servicer: health_aio.HealthServicer = field(default_factory=health_aio.HealthServicer)

    def __post_init__(self) -> None:
        """Wire it."""
        readiness = Readiness((self.backend.backend,))
        self.reporter = HealthReporter(readiness, self.servicer, ("a.v1.Service",), self.time.clock)
        self.prober = Prober((self.backend,), readiness, self.reporter, self.time.clock, self.time.sleep)

    async def run(self) -> None:
        """Probe until the virtual time is over."""
        task = asyncio.ensure_future(self.prober.run())
        await self.time.is_over.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def statuses(self) -> dict[str, bool]:
        """What is published under each name."""
        return {
            name: await published(self.servicer, name)
            for name in (STARTUP, LIVENESS, READINESS, OVERALL, "a.v1.Service")
        }


def rig(answer: Callable[[int], bool], limit_ms: int, takes_ms: int = 0) -> Rig:
    """A rig in virtual time."""
    time = VirtualTime(limit_ms)
    return Rig(time, FakeBackend(time, answer, takes_ms))


async def test_probes_are_quick_until_ready_and_then_keep_to_five_seconds() -> None:
    """A rollout waits for the first answer; after it probes neither drift nor bunch, however long they take."""
    it = rig(lambda now_ms: now_ms >= 1_000, limit_ms=17_000, takes_ms=7)
    await it.run()
    assert it.backend.probed_at_ms == [0, 500, 1_000, 6_000, 11_000, 16_000]


async def test_every_name_but_liveness_follows_readiness() -> None:
    """A pod whose backend is down is alive: restarting it would help nobody."""
    it = rig(lambda _: False, limit_ms=2_000)
    await it.run()
    assert await it.statuses() == {
        STARTUP: True,
        LIVENESS: True,
        READINESS: False,
        OVERALL: False,
        "a.v1.Service": False,
    }
    it = rig(lambda _: True, limit_ms=2_000)
    await it.run()
    assert await it.statuses() == {STARTUP: True, LIVENESS: True, READINESS: True, OVERALL: True, "a.v1.Service": True}


async def test_an_outage_of_thirty_seconds_is_published() -> None:
    """A backend lost for longer than a blip turns the pod unready, while probing goes on."""
    it = rig(lambda now_ms: now_ms == 0, limit_ms=40_000)
    await it.run()
    assert await it.statuses() == {
        STARTUP: True,
        LIVENESS: True,
        READINESS: False,
        OVERALL: False,
        "a.v1.Service": False,
    }


async def test_draining_leaves_liveness() -> None:
    """A draining pod must not be killed for it, nor be made ready again by a healthy backend."""
    it = rig(lambda _: True, limit_ms=1)
    await it.reporter.publish()
    await it.reporter.drain()
    await it.run()
    assert await it.statuses() == {
        STARTUP: True,
        LIVENESS: True,
        READINESS: False,
        OVERALL: False,
        "a.v1.Service": False,
    }


async def test_a_probe_that_fails_in_our_code_is_logged_and_counts_as_unhealthy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of ours in a probe must neither end the probing nor go unseen."""

    def broken(now_ms: int) -> bool:
        if now_ms >= 500:
            raise ZeroDivisionError
        return False

    it = rig(broken, limit_ms=1_400)
    with caplog.at_level(logging.ERROR):
        await it.run()
    assert it.backend.probed_at_ms == [0, 500, 1_000]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert not (await it.statuses())[READINESS]


async def test_a_probe_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that accepts and never answers counts as unhealthy, although it said otherwise before."""
    monkeypatch.setattr(prober_module, "PROBE_LIMIT_MS", 1)
    it = rig(lambda _: True, limit_ms=600)
    hung: list[bool] = []

    async def hang() -> None:
        it.backend.is_healthy = True
        try:
            await asyncio.Event().wait()
        finally:
            hung.append(True)

    monkeypatch.setattr(it.backend, "probe", hang)
    await it.run()
    assert hung == [True, True]
    assert not (await it.statuses())[READINESS]


async def test_changes_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log tells when a backend comes and goes, not that it is still there."""
    it = rig(lambda now_ms: now_ms < 5_000 or now_ms >= 15_000, limit_ms=30_000)
    with caplog.at_level(logging.INFO):
        await it.run()
    told = [
        (record.getMessage(), fields_of(record).get("is_healthy", fields_of(record).get("is_ready")))
        for record in caplog.records
    ]
    assert told == [("backend", True), ("readiness", True), ("backend", False), ("backend", True)]
