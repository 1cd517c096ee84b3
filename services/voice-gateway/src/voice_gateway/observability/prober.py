"""Asks every backend at a fixed pace whether it is there, and publishes readiness through grpc.health.v1."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from voice_gateway.domain.instant import NS_PER_MS, NS_PER_S, Instant
from voice_gateway.observability.health import Readiness
from voice_gateway.session.ports import BackendHealth

STARTUP = "startup"
LIVENESS = "liveness"
READINESS = "readiness"
OVERALL = ""
"""Service names that probes ask for; the empty one is what clients ask for by default and means readiness."""

PROBE_PERIOD_MS = 5_000
"""Probes keep to multiples of it, so that they neither drift nor bunch."""
FIRST_PERIOD_MS = 500
"""Until the pod has been ready once: a rollout waits for it."""
PROBE_LIMIT_MS = 4_000
"""A probe that takes longer has failed; below the period, so that probes of one backend never overlap."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = logging.getLogger(__name__)


class HealthReporter:
    """Publishes what `Readiness` says under the names that probes ask for."""

    def __init__(
        self,
        readiness: Readiness,
        servicer: health_aio.HealthServicer,
        services: Iterable[str],
        clock: Callable[[], Instant],
    ) -> None:
        self._readiness = readiness
        self._servicer = servicer
        self._names = (READINESS, OVERALL, *services)
        self._clock = clock
        self._told: bool | None = None

    async def publish(self) -> bool:
        """Bring the published status up to date; True if that is ready.

        Startup and liveness are published at the first call, and stay.
        """
        now = self._clock()
        is_ready = self._readiness.is_ready(now)
        if self._told is None:
            for name in (STARTUP, LIVENESS):
                await self._servicer.set(name, _SERVING)
        if is_ready != self._told:
            self._told = is_ready
            _log.info("readiness", extra=self._fields(now, is_ready=is_ready))
            for name in self._names:
                await self._servicer.set(name, _SERVING if is_ready else _NOT_SERVING)
        return is_ready

    async def drain(self) -> None:
        """Publish unready, for good; liveness stays, or the pod would be killed while it drains."""
        self._readiness.drain()
        await self.publish()

    def _fields(self, now: Instant, *, is_ready: bool) -> dict[str, object]:
        missing = [backend.value for backend in self._readiness.missing(now)]
        return {"is_ready": is_ready, "is_draining": self._readiness.is_draining, "missing": missing}


class Prober:
    """The probing task of one process. Every backend is probed on its own, so that a slow one delays no other."""

    def __init__(
        self,
        backends: Sequence[BackendHealth],
        readiness: Readiness,
        reporter: HealthReporter,
        clock: Callable[[], Instant],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backends = backends
        self._readiness = readiness
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._was_ready = False
        self._healthy: dict[str, bool] = {}

    async def run(self) -> None:
        """Probe until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for backend in self._backends:
                tasks.create_task(self._watch(backend), name=f"probe-{backend.backend}")

    async def _watch(self, backend: BackendHealth) -> None:
        due = self._clock()
        while True:
            is_healthy = await _is_healthy(backend)
            self._readiness.observe(backend.backend, is_healthy=is_healthy, now=self._clock())
            self._note_change(backend, is_healthy=is_healthy)
            self._was_ready = await self._reporter.publish() or self._was_ready
            period_ns = (PROBE_PERIOD_MS if self._was_ready else FIRST_PERIOD_MS) * NS_PER_MS
            behind_ns = self._clock() - due
            due = Instant(due + (behind_ns // period_ns + 1) * period_ns)
            await self._sleep((due - self._clock()) / NS_PER_S)

    def _note_change(self, backend: BackendHealth, *, is_healthy: bool) -> None:
        if self._healthy.get(backend.backend) == is_healthy:
            return
        self._healthy[backend.backend] = is_healthy
        level = logging.INFO if is_healthy else logging.WARNING
        _log.log(level, "backend", extra={"backend": backend.backend.value, "is_healthy": is_healthy})


async def _is_healthy(backend: BackendHealth) -> bool:
    try:
        async with asyncio.timeout(PROBE_LIMIT_MS / 1_000):
            await backend.probe()
    except TimeoutError:
        return False
    except Exception:  # noqa: BLE001 - a fault of ours in one probe must not end the probing of all; it is logged
        _log.exception("probe failed", extra={"backend": backend.backend.value})
        return False
    return backend.is_healthy
