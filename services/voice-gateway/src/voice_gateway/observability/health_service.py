"""grpc.health.v1, bounded.

The servicer of the `grpc_health` package is not: it keeps any number of watchers, forgets those of a name when one of
them leaves, and holds a lock while it writes to one, so that a watcher that does not read stops whoever publishes, and
with it readiness and drain.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

MAX_WATCHERS = 1_000
"""Calls of Watch at the same time, about 25 kB each (measured 2026-11-28), most of it gRPC's: 25 MB."""
MAX_WATCHERS_OF_A_PEER = 100
"""From one address, so that one client cannot take them all from those that balance by health."""
MAX_NAME_CHARS = 256
"""The longest name of a service that is asked for; those there are have under 50."""

_Context = grpc.aio.ServicerContext[Any, Any]


class HealthService(health_pb2_grpc.HealthServicer):
    """What is published of each name."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._of_peer: Counter[str] = Counter()

    @property
    def watchers(self) -> int:
        """Calls of Watch now."""
        return self._of_peer.total()

    async def set(self, name: str, status: int) -> None:
        """Publish; waits for nobody."""
        self._statuses[name] = status
        for changed in self._watchers.get(name, ()):
            changed.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: _Context) -> health_pb2.HealthCheckResponse:  # noqa: N802  gRPC's name
        """Tell the status of a name; NOT_FOUND if it has none."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> None:  # noqa: N802  gRPC's name
        """Tell the status of a name now, SERVICE_UNKNOWN if it has none, and whenever it changes."""
        if len(request.service) > MAX_NAME_CHARS:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"a name has {MAX_NAME_CHARS} characters at most")
        peer = context.peer().rpartition(":")[0]
        if self.watchers >= MAX_WATCHERS or self._of_peer[peer] >= MAX_WATCHERS_OF_A_PEER:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch; use Check")
        with self._watching(request.service, peer) as changed:
            await self._follow(request.service, changed, context)

    @contextmanager
    def _watching(self, name: str, peer: str) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._watchers.setdefault(name, set()).add(changed)
        self._of_peer[peer] += 1
        try:
            yield changed
        finally:
            self._watchers[name].discard(changed)
            if not self._watchers[name]:
                del self._watchers[name]
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    async def _follow(self, name: str, changed: asyncio.Event, context: _Context) -> None:
        """A client that reads slowly misses what was no longer so, and holds up nobody else."""
        told: int | None = None
        while True:
            changed.clear()
            status = self._statuses.get(name, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            await changed.wait()
