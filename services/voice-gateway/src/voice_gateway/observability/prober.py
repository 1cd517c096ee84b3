"""Looks at every backend at a fixed pace and publishes readiness through grpc.health.v1.

Backends ask their addresses themselves how they are; this keeps them at it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from grpc_health.v1 import health_pb2

from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.health_service import HealthService
from voice_gateway.observability.watchers import keep_going
from voice_gateway.session.ports import BackendHealth, BackendWatch

STARTUP = "startup"
LIVENESS = "liveness"
READINESS = "readiness"
OVERALL = ""
"""Service names that probes ask for; the empty one is what clients ask for by default and means readiness."""

LOOK_MS = 1_000
"""Between looks at what is known of the backends."""
FIRST_LOOK_MS = 100
"""Until the pod has been ready once: a rollout waits for it."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = logging.getLogger(__name__)


class HealthReporter:
    """Publishes what `Readiness` says under the names that probes ask for."""

    def __init__(
        self,
        readiness: Readiness,
        servicer: HealthService,
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
        return {
            "is_ready": is_ready,
            "is_draining": self._readiness.is_draining,
            "is_full": self._readiness.is_kept_away,
            "missing": missing,
        }


class Prober:
    """Looks after the backends of one process."""

    def __init__(
        self,
        backends: Sequence[BackendHealth],
        readiness: Readiness,
        reporter: HealthReporter,
        watch: BackendWatch,
        *,
        clock: Callable[[], Instant],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backends = backends
        self._readiness = readiness
        self._reporter = reporter
        self._watch = watch
        self._clock = clock
        self._sleep = sleep
        self._was_ready = False
        self._healthy: dict[Backend, bool] = {}

    async def run(self) -> None:
        """Look after them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for backend in self._backends:
                name = f"addresses-{backend.backend}"
                tasks.create_task(keep_going(name, backend.run, self._sleep), name=name)
            while True:
                await self._look()
                await self._sleep((LOOK_MS if self._was_ready else FIRST_LOOK_MS) / 1_000)

    async def _look(self) -> None:
        for backend in self._backends:
            is_healthy = backend.is_healthy
            self._readiness.observe(backend.backend, is_healthy=is_healthy, now=self._clock())
            self._watch.backend_seen(backend.backend, backend.status())
            if self._healthy.get(backend.backend, False) != is_healthy:
                self._healthy[backend.backend] = is_healthy
                level = logging.INFO if is_healthy else logging.WARNING
                _log.log(level, "backend", extra={"backend": backend.backend.value, "is_healthy": is_healthy})
        self._was_ready = await self._reporter.publish() or self._was_ready
