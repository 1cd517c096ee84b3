"""The admin service of a process: what collects for it, and the port that tells it. Nothing where ADMIN_PORT is 0."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import grpc.aio

from voice_gateway import config
from voice_gateway.app.servers import admin_server, open_plain_port
from voice_gateway.domain.overview.values import Overview
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.merging.overviews import merged
from voice_gateway.observability.overview.collector import Collector
from voice_gateway.observability.overview.lookout import Lookout
from voice_gateway.session import clock
from voice_gateway.session.ports import BackendHealth, Occupancy
from voice_gateway.transports.grpc_admin.codec import decode, encode

_log = logging.getLogger(__name__)

Others = Callable[[], Awaitable[dict[int, bytes | None]]]
"""What each other worker does, by its number, as `Admin.own` tells it there; None: it did not answer."""
LOOPBACK = "127.0.0.1"
"""Where it listens: whoever may forward a port of the pod may watch it, and so may what runs beside it on this host."""


class Admin:
    """The admin service."""

    def __init__(self, settings: config.ServerSettings, others: Others | None = None) -> None:
        """Nothing listens yet. `others` tells of the other workers; None: there are none."""
        self._port = settings.admin_port
        self._worker = settings.worker
        self._others = others
        self._lookout: Lookout | None = None
        self._collector = Collector(clock.now, has_text=settings.has_admin_text) if self._port else None
        self._server: grpc.aio.Server | None = None

    @property
    def listeners(self) -> tuple[Collector, ...]:
        """Who is told, for this service, what sessions, backends and admission do."""
        return () if self._collector is None else (self._collector,)

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop."""
        if self._collector is not None:
            self._collector.loop_lagged(lag_s)

    def used(self, cpu_percent: float) -> None:
        """Take how much of its CPU the process has used in the last second."""
        if self._collector is not None:
            self._collector.cpu_percent = cpu_percent

    async def start(
        self, readiness: Readiness, backends: Sequence[BackendHealth], occupancy: Occupancy, version: str
    ) -> None:
        """Open the port.

        Raises:
            CannotListen: it is taken.
        """
        if self._collector is None:
            return
        self._lookout = Lookout(self._collector, readiness, backends, occupancy, version=version, clock=clock.now)
        self._server = admin_server(self._look, is_shared=self._worker is not None)
        open_plain_port(self._server, self._port, LOOPBACK)
        await self._server.start()

    async def own(self) -> bytes:
        """What this worker does, for another one; empty while it tells nothing."""
        if self._lookout is None:
            return b""
        return await asyncio.to_thread(encode, self._lookout.look())

    async def _look(self) -> Overview:
        """What all workers do, whichever is asked."""
        assert self._lookout is not None  # noqa: S101  asked for after `start`
        if self._others is None or self._worker is None:
            return self._lookout.look()
        told = await self._others()
        # reading it takes longer than writing one, which audio should not wait for
        return await asyncio.to_thread(_together, self._worker, self._lookout.look(), told)

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            await self._server.stop(None)


def _together(worker: int, own: Overview, told: Mapping[int, bytes | None]) -> Overview:
    """What this worker and all others do."""
    seen = {index: _read(index, raw) for index, raw in told.items()}
    return merged(own, sorted([*seen.items(), (worker, own)], key=lambda each: each[0]))


def _read(index: int, raw: bytes | None) -> Overview | None:
    """What another worker told; None: nothing that can be read."""
    try:
        return decode(raw) if raw else None
    except ValueError as error:  # protobuf's DecodeError is one
        _log.error("overview cannot be read", extra={"of_worker": index, "reason": str(error)})
        return None
