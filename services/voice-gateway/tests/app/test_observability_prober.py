"""Probing in virtual time, published through the real servicer."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from gateway_kit.backend_watch import FakeWatch
from grpc_health.v1 import health_pb2
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import NS_PER_MS, NS_PER_S, Instant
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.health_service import HealthService
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
        await asyncio.sleep(0)  # others go on, too


@dataclass
class FakeBackend:
    """A backend that is healthy when the test says."""

    time: VirtualTime
    answer: Callable[[int], bool]
    """Takes milliseconds since start."""
    backend: Backend = Backend.ASR
    looked_at_ms: list[int] = field(default_factory=list)
    runs: int = 0
    fails: bool = False

    @property
    def is_healthy(self) -> bool:
        """As the test says."""
        return self.answer(self.time.now_ns // NS_PER_MS)

    def status(self) -> BackendStatus:
        """Remember when."""
        self.looked_at_ms.append(self.time.now_ns // NS_PER_MS)
        return STATUS

    async def run(self) -> None:
        """Go on for ever, or fail."""
        self.runs += 1
        if self.fails:
            raise ZeroDivisionError
        await asyncio.Event().wait()


STATUS = BackendStatus((), ())


async def published(servicer: HealthService, name: str) -> bool:
    """Whether a service name is published as serving."""
    context: Any = None  # used only for names that are not known
    response = await servicer.Check(health_pb2.HealthCheckRequest(service=name), context)
    return NAMES[response.status]


@dataclass
class Rig:
    """A prober of one backend, with its servicer."""

    time: VirtualTime
    backend: FakeBackend
    servicer: HealthService = field(default_factory=lambda: HealthService(str))

    def __post_init__(self) -> None:
        """Wire it."""
        readiness = Readiness((self.backend.backend,))
        self.reporter = HealthReporter(readiness, self.servicer, ("a.v1.Service",), self.time.clock)
        self.watch = FakeWatch()
        self.prober = Prober(
            (self.backend,), readiness, self.reporter, self.watch, clock=self.time.clock, sleep=self.time.sleep
        )

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


def rig(answer: Callable[[int], bool], limit_ms: int) -> Rig:
    """A rig in virtual time."""
    time = VirtualTime(limit_ms)
    return Rig(time, FakeBackend(time, answer))


ALIVE_ONLY = {STARTUP: True, LIVENESS: True, READINESS: False, OVERALL: False, "a.v1.Service": False}


async def test_looks_are_quick_until_ready_and_then_once_a_second() -> None:
    """A rollout waits for the first answer, and no longer; what is known is handed on with every look."""
    it = rig(lambda now_ms: now_ms >= 250, limit_ms=2_400)
    await it.run()
    assert it.backend.looked_at_ms == [0, 100, 200, 300, 1_300, 2_300]
    assert it.watch.seen == [(Backend.ASR, STATUS)] * 6
    assert it.backend.runs == 1


async def test_every_name_but_liveness_follows_readiness() -> None:
    """A pod whose backend is down is alive: restarting it would help nobody."""
    it = rig(lambda _: False, limit_ms=2_000)
    await it.run()
    assert await it.statuses() == ALIVE_ONLY
    it = rig(lambda _: True, limit_ms=2_000)
    await it.run()
    assert await it.statuses() == {STARTUP: True, LIVENESS: True, READINESS: True, OVERALL: True, "a.v1.Service": True}


async def test_an_outage_of_thirty_seconds_is_published() -> None:
    """A backend lost for longer than a blip turns the pod unready, while probing goes on."""
    it = rig(lambda now_ms: now_ms == 0, limit_ms=40_000)
    await it.run()
    assert await it.statuses() == ALIVE_ONLY


async def test_draining_leaves_liveness() -> None:
    """A draining pod must not be killed for it, nor be made ready again by a healthy backend."""
    it = rig(lambda _: True, limit_ms=1)
    await it.reporter.publish()
    await it.reporter.drain()
    await it.run()
    assert await it.statuses() == ALIVE_ONLY


async def test_a_backend_that_fails_in_our_code_is_logged_and_set_going_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of ours must neither end the look-out for all backends nor go unseen."""
    it = rig(lambda _: False, limit_ms=20_000)
    it.backend.fails = True
    with caplog.at_level(logging.ERROR):
        await it.run()
    assert it.backend.runs >= 2
    assert [record.exc_info is not None for record in caplog.records] == [True] * it.backend.runs
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
