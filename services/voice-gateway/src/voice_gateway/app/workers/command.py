"""`voice-gateway serve` with several workers: what the process does that starts them. Nothing of gRPC is imported here:
an object of it does not survive the start of a process, and this one is to stay small.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voice_gateway import config
from voice_gateway.app.ports_file import write_ports
from voice_gateway.app.workers.launch import launch
from voice_gateway.app.workers.ports import PortTaken, held
from voice_gateway.app.workers.supervisor import CannotStart, Supervisor
from voice_gateway.config.server import ADMIN_PORT, GRPC_PORT, HEALTH_PORT
from voice_gateway.observability.logs import json_logging
from voice_gateway.observability.metrics_server import serve_pages

EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
STANDARD_ERROR = 2
"""Its descriptor."""
VERSION = version("voice-gateway")

_log = logging.getLogger("voice_gateway")


def serve_with_workers(ports_file: Path | None, overrides: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    try:
        settings = config.load(overrides=overrides, tries_exporter=False)
    except config.ConfigError as error:
        sys.stderr.write("".join(f"voice-gateway: {mistake}\n" for mistake in error.mistakes))
        return EXIT_MISCONFIGURED
    _fill_standard_descriptors()
    with json_logging(settings.server.log_level):
        try:
            return asyncio.run(_serve(settings.server, overrides, ports_file))
        except PortTaken as error:
            _log.error("cannot listen", extra={"reason": str(error)})
        except CannotStart as error:
            _log.error("cannot start", extra={"reason": str(error)})
            return error.status
        except Exception:  # noqa: BLE001 - a fault of ours is a line like any other, and the exit code says the rest
            _log.exception("failed")
    return EXIT_FAILED


async def _serve(server: config.ServerSettings, overrides: Mapping[str, str], ports_file: Path | None) -> int:
    signals = _signals()
    with held(_shared_ports(server)) as ports:
        own = {**overrides, **{name: str(port) for name, port in ports.items()}}
        starts = [partial(launch, index, server.workers, own) for index in range(server.workers)]
        supervisor = Supervisor(starts, VERSION)
        try:
            pages = await serve_pages(supervisor.metrics, server.metrics_port, supervisor.health)
        except OSError as error:
            raise PortTaken(server.metrics_port) from error
        opened = {"grpc": ports[GRPC_PORT.name], "metrics": int(pages.sockets[0].getsockname()[1])}
        try:
            leaving = asyncio.ensure_future(signals.get())
            if await _is_over_before(supervisor.start(), leaving):
                _tell_listening(server, opened, ports_file)
                await _is_over_before(supervisor.failed(), leaving)
            draining = asyncio.ensure_future(supervisor.drain(server.grace_s))
            if not await _is_over_before(asyncio.wait((draining,)), asyncio.ensure_future(signals.get())):
                supervisor.hurry()
            return await draining
        finally:
            await supervisor.end()
            pages.close()
            _log.info("stopped")


def _shared_ports(server: config.ServerSettings) -> dict[str, int]:
    optional = {HEALTH_PORT.name: server.health_port, ADMIN_PORT.name: server.admin_port}
    return {GRPC_PORT.name: server.grpc_port, **{name: port for name, port in optional.items() if port}}


def _tell_listening(server: config.ServerSettings, opened: Mapping[str, int], ports_file: Path | None) -> None:
    if ports_file is not None:
        write_ports(ports_file, opened)
    told = {"grpc_port": opened["grpc"], "is_tls": server.tls is not None, "version": VERSION}
    _log.info("listening", extra={**told, "workers": server.workers})


def _signals() -> "asyncio.Queue[signal.Signals]":
    """What SIGTERM and SIGINT are turned into; the first begins the drain, the second ends it."""
    arrived: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, arrived.put_nowait, number)
    return arrived


async def _is_over_before(work: Coroutine[Any, Any, object], signalled: "asyncio.Future[signal.Signals]") -> bool:
    """Whether some work was over before a signal came, which ends it; raises what it raised."""
    task: asyncio.Future[Any] = asyncio.ensure_future(work)
    either: list[asyncio.Future[Any]] = [task, signalled]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False


def _fill_standard_descriptors() -> None:
    """Where one of the first three descriptors is closed, no socket of ours may become a worker's standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
