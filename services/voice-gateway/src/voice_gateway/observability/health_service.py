"""grpc.health.v1, bounded.

The servicer of the `grpc_health` package is not: it keeps any number of watchers, forgets those of a name when one of
them leaves, and holds a lock while it writes to one, so that a watcher that does not read stops whoever publishes, and
with it readiness and drain.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from voice_gateway.domain.limits import Tally

MAX_WATCHERS = 1_000
"""Calls of Watch at the same time, about 25 kB each (measured 2026-11-28), most of it gRPC's: 25 MB."""
MAX_WATCHERS_OF_AN_ACCOUNT = 25
"""So that one client cannot take them all from those that balance by health, and the watchers of a proxy leave streams
of its connection to its calls (app/servers.py)."""
MAX_NAME_CHARS = 256
"""The longest name of a service that is asked for; those there are have under 50."""

_Context = grpc.aio.ServicerContext[Any, Any]


class HealthService:
    """What is published of each name."""

    def __init__(self, account: Callable[[_Context], str]) -> None:
        """`account` says on whose account a call goes."""
        self._account = account
        self._statuses: dict[str, int] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._tally = Tally()

    @property
    def watchers(self) -> int:
        """Calls of Watch now."""
        return self._tally.total

    async def set(self, name: str, status: int) -> None:
        """Publish; waits for nobody."""
        self._statuses[name] = status
        for changed in self._watchers.get(name, ()):
            changed.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: _Context) -> health_pb2.HealthCheckResponse:  # noqa: N802  gRPC's name
        """Tell the status of a name; NOT_FOUND if it has none."""
        status = self._statuses.get(request.service)
        del request  # gRPC keeps the frames on the way of `abort`, until the collector comes
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> None:  # noqa: N802  gRPC's name
        """Tell the status of a name now, SERVICE_UNKNOWN if it has none, and whenever it changes."""
        name = request.service
        del request  # as in `Check`; and it may have a megabyte that is no name
        if len(name) > MAX_NAME_CHARS:
            del name
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"a name has {MAX_NAME_CHARS} characters at most")
        account = self._account(context)
        if self.watchers >= MAX_WATCHERS or self._tally.of(account) >= MAX_WATCHERS_OF_AN_ACCOUNT:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch; use Check")
        with self._tally.one_more(account), self._watching(name) as changed:
            await self._follow(name, changed, context)

    @contextmanager
    def _watching(self, name: str) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._watchers.setdefault(name, set()).add(changed)
        try:
            yield changed
        finally:
            self._watchers[name].discard(changed)
            if not self._watchers[name]:
                del self._watchers[name]

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
