"""The admin service of a process: what collects for it, and the port that tells it. Nothing where ADMIN_PORT is 0."""

from collections.abc import Sequence

import grpc.aio

from voice_gateway import config
from voice_gateway.app.servers import admin_server, open_plain_port
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.overview.collector import Collector
from voice_gateway.observability.overview.lookout import Lookout
from voice_gateway.session import clock
from voice_gateway.session.ports import BackendHealth, Occupancy

LOOPBACK = "127.0.0.1"
"""Where it listens: whoever may forward a port of the pod may watch it, and so may what runs beside it on this host."""


class Admin:
    """The admin service."""

    def __init__(self, settings: config.ServerSettings) -> None:
        """Nothing listens yet."""
        self._port = settings.admin_port
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
        lookout = Lookout(self._collector, readiness, backends, occupancy, version=version, clock=clock.now)
        self._server = admin_server(lookout.look)
        open_plain_port(self._server, self._port, LOOPBACK)
        await self._server.start()

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            await self._server.stop(None)
