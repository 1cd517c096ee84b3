"""The composition root: makes one of each, joins them, serves until told to stop."""

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Coroutine, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc.aio
import uvloop
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from voice_gateway import config
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.backends.silero.model import SileroModel
from voice_gateway.domain.ids import SessionId
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.health_page import HealthPage, HealthUnknown, ask, render
from voice_gateway.observability.logs import json_logging
from voice_gateway.observability.loop_lag import watch_loop_lag
from voice_gateway.observability.metrics import Metrics
from voice_gateway.observability.metrics_server import serve_metrics
from voice_gateway.observability.prober import HealthReporter, Prober
from voice_gateway.observability.telemetry import LogTelemetry, SharedTelemetry
from voice_gateway.session import clock
from voice_gateway.session.calls import Surroundings
from voice_gateway.session.journal import JournalFolder
from voice_gateway.session.journal_codec import JournalError, read
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.replay import replay as replay_recording
from voice_gateway.session.roster import Roster
from voice_gateway.session.service import SessionService
from voice_gateway.session.voice import VoiceBank
from voice_gateway.transports.auth import TokenInterceptor
from voice_gateway.transports.call import SERVER_OPTIONS
from voice_gateway.transports.grpc_legacy import server as grpc_legacy
from voice_gateway.transports.grpc_v1 import server as grpc_v1

VERSION = version("voice-gateway")
EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2

SERVICES = (grpc_v1.SERVICE_NAME, grpc_legacy.SERVICE_NAME)
PORT_OPTIONS = (
    # Clients behind NAT ping for themselves; the default answers more than one in 300 s with GOAWAY
    # (gRPC's doc/keepalive.md).
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Two gateways on one port would share its calls without a word; a port in use must be an error.
    ("grpc.so_reuseport", 0),
)
LAST_WRITES_S = 2.0
"""After the last session: for its final messages and its call's status to reach the wire."""
SETTLE_S = 0.5
"""For what is left of cancelled calls, at the very end."""
FORCED_MARGIN_S = 2.0
"""Sessions end themselves at the drain's deadline; one that did not by so much later is cut off."""

_log = logging.getLogger("voice_gateway")


def check_config() -> int:
    """Print what the environment sets, secrets hidden, or what is wrong with it; return the exit code."""
    try:
        config.load()
    except config.ConfigError as error:
        return _tell_mistakes(error)
    sys.stdout.write("".join(f"{line}\n" for line in config.describe()))
    return 0


def health(address: str) -> int:
    """Print what a running gateway says of itself; return the exit code, 0 if it is ready.

    Without an `address` it is the gateway of this environment, on this host.
    """
    try:
        page = ask(address or f"127.0.0.1:{config.metrics_port()}")
    except config.ConfigError as error:
        return _tell_mistakes(error)
    except HealthUnknown as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        return EXIT_FAILED
    sys.stdout.write("".join(f"{line}\n" for line in render(page)))
    return 0 if page["is_ready"] else EXIT_FAILED


def replay(files: list[Path]) -> int:
    """Print each recorded conversation and what, if anything, went otherwise; return the exit code."""
    codes = [_replay(file) for file in files]
    return max(codes)


def _replay(file: Path) -> int:
    try:
        replayed = replay_recording(read(file.read_bytes().decode("utf-8", "surrogatepass")))
    except (OSError, UnicodeDecodeError, JournalError) as error:
        sys.stderr.write(f"voice-gateway: {file} cannot be replayed: {error}\n")
        return EXIT_MISCONFIGURED
    sys.stdout.write("".join(f"{line}\n" for line in replayed.script))
    if replayed.difference is None:
        return 0
    sys.stdout.flush()
    sys.stderr.write(f"voice-gateway: {file} differs from its replay: {replayed.difference}\n")
    return EXIT_FAILED


def serve(ports_file: Path | None, journal: Path | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. `journal` stands for JOURNAL_DIR."""
    try:
        settings = config.load(overrides={} if journal is None else {config.JOURNAL_DIR.name: str(journal)})
    except config.ConfigError as error:
        return _tell_mistakes(error)
    with json_logging(settings.server.log_level):
        _prefer_batch_scheduling()
        try:
            uvloop.run(_serve(settings, ports_file))
        except CannotListen as error:
            _log.error("cannot listen", extra={"reason": str(error)})
            return EXIT_FAILED
        except Exception:  # noqa: BLE001 - a fault of ours is a line like any other, and the exit code says the rest
            _log.exception("failed")
            return EXIT_FAILED
    return 0


class CannotListen(Exception):  # noqa: N818  said as the fact it is
    """The port is taken, or the certificate is refused."""


def _tell_mistakes(error: config.ConfigError) -> int:
    sys.stderr.write("".join(f"voice-gateway: {mistake}\n" for mistake in error.mistakes))
    return EXIT_MISCONFIGURED


def _prefer_batch_scheduling() -> None:
    """Ask for SCHED_BATCH before gRPC makes its threads, which inherit it: 15 % less CPU (measured on two cores)."""
    if not hasattr(os, "sched_setscheduler"):
        return  # not Linux
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _log.warning("SCHED_BATCH refused", extra={"reason": str(error)})


class Gateway:
    """Everything of one process, joined. Made and used inside the running event loop."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._recognizer = RivaRecognizer(settings.asr)
        self._synthesizer = RivaSynthesizer(settings.tts)
        self._llm = OpenAiChat(settings.llm)
        self._tools = HttpTools(settings.tools)
        self._roster = Roster()
        backends = (self._recognizer, self._llm, self._synthesizer)
        self._metrics = Metrics()
        for backend in backends:
            backend.watch(self._metrics)
        pacer = Pacer()
        around = Surroundings(
            recognizer=self._recognizer,
            llm=self._llm,
            synthesizer=self._synthesizer,
            telemetry=SharedTelemetry(LogTelemetry(), self._metrics),
            pacer=pacer,
            roster=self._roster,
            voices=VoiceBank(SileroModel(), pacer),
            journals=_journals(settings.server.journal_dir),
            tools=self._tools,
        )
        sessions = SessionService(settings.session, settings.policy, around, backends, _new_session_id)
        self._server = _grpc_server(settings.server)
        self._health_server = grpc.aio.server(options=PORT_OPTIONS) if settings.server.health_port else None
        self._metrics_server: asyncio.Server | None = None
        health = health_aio.HealthServicer()
        readiness = Readiness(backend.backend for backend in backends)
        self._reporter = HealthReporter(readiness, health, SERVICES, clock.now)
        self._prober = Prober(backends, readiness, self._reporter, self._metrics, clock=clock.now)
        self._page = HealthPage(readiness, backends, VERSION, clock.now)
        _add_services(self._server, sessions, health)
        if self._health_server is not None:
            health_pb2_grpc.add_HealthServicer_to_server(health, self._health_server)

    async def start(self) -> int:
        """Open the ports and return that of the calls; unready until the backends have answered.

        Raises:
            CannotListen: a port is taken or the certificate refused.
        """
        server = self._settings.server
        await self._reporter.publish()
        port = _open_port(self._server, server)
        try:
            self._metrics_server = await serve_metrics(self._metrics.registry, server.metrics_port, self._page.write)
        except OSError as error:
            raise _taken(server.metrics_port) from error
        if self._health_server is not None:
            _open_plain_port(self._health_server, server.health_port)
            await self._health_server.start()
        await self._server.start()
        return port

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop that this runs in."""
        self._metrics.loop_lagged(lag_s)

    @property
    def metrics_port(self) -> int:
        """Where the metrics are, once started."""
        assert self._metrics_server is not None  # noqa: S101  asked for after `start`
        return int(self._metrics_server.sockets[0].getsockname()[1])

    async def watch_backends(self) -> None:
        """Probe the backends until cancelled."""
        await self._prober.run()

    async def drain(self) -> None:
        """Unready at once; new sessions are refused; return when the running ones are over or out of time."""
        await self._reporter.drain()
        self._roster.drain(self._settings.server.grace_s * 1_000)
        _log.info("draining", extra={"sessions": len(self._roster), "grace_s": self._settings.server.grace_s})
        try:
            async with asyncio.timeout(self._settings.server.grace_s + FORCED_MARGIN_S):
                await self._roster.wait_empty()
        except TimeoutError:
            _log.error("sessions outlived the drain", extra={"sessions": len(self._roster)})
            return
        await self._server.stop(LAST_WRITES_S)

    async def stop(self) -> None:
        """Close the ports and cancel what still runs."""
        await self._server.stop(None)
        if self._health_server is not None:
            await self._health_server.stop(None)
        if self._metrics_server is not None:
            self._metrics_server.close()
        await asyncio.gather(
            self._recognizer.close(), self._synthesizer.close(), self._llm.close(), self._tools.close()
        )


def _journals(folder: Path | None) -> JournalFolder | None:
    return None if folder is None else JournalFolder(folder, version("voice-gateway"))


def _add_services(server: grpc.aio.Server, sessions: SessionService, health: health_aio.HealthServicer) -> None:
    grpc_v1.add_to_server(
        server, open_session=sessions.open, capabilities=sessions.capabilities, server_version=VERSION
    )
    grpc_legacy.add_to_server(server, open_session=sessions.open)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((*SERVICES, HEALTH_NAME, reflection.SERVICE_NAME), server)


def _grpc_server(settings: config.ServerSettings) -> grpc.aio.Server:
    options = SERVER_OPTIONS + PORT_OPTIONS + age_options(settings.max_connection_age_ms)
    guards = [TokenInterceptor(settings.auth_tokens, (HEALTH_NAME,))] if settings.auth_tokens else []
    return grpc.aio.server(options=options, interceptors=guards)


def age_options(max_age_ms: int) -> tuple[tuple[str, int], ...]:
    """Options that end old connections and no call on them; none for 0."""
    if not max_age_ms:
        return ()
    # The largest int stands for ever (gRPC's grpc_types.h): calls run to their end however long they take.
    return (("grpc.max_connection_age_ms", max_age_ms), ("grpc.max_connection_age_grace_ms", 2**31 - 1))


def _open_port(server: grpc.aio.Server, settings: config.ServerSettings) -> int:
    if settings.tls is None:
        return _open_plain_port(server, settings.grpc_port)
    pair = (settings.tls.key.read_bytes(), settings.tls.cert.read_bytes())
    try:
        return server.add_secure_port(f"[::]:{settings.grpc_port}", grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise _taken(settings.grpc_port) from error


def _open_plain_port(server: grpc.aio.Server, port: int) -> int:
    try:
        return server.add_insecure_port(f"[::]:{port}")
    except RuntimeError as error:
        raise _taken(port) from error


def _taken(port: int) -> CannotListen:
    return CannotListen(f"port {port} cannot be opened; is another program using it?")


def _new_session_id() -> SessionId:
    """Unguessable, and short enough to be read out to whoever is on call."""
    return SessionId(secrets.token_hex(8))


async def _serve(settings: config.Settings, ports_file: Path | None) -> None:
    signals = _signals()
    gateway = Gateway(settings)
    lag = asyncio.create_task(watch_loop_lag(gateway.loop_lagged), name="loop lag")
    try:
        port = await gateway.start()
        if ports_file is not None:
            _write_ports(ports_file, {"grpc": port, "metrics": gateway.metrics_port})
        _log.info("listening", extra={"grpc_port": port, "is_tls": settings.server.tls is not None, "version": VERSION})
        await _first_of(gateway.watch_backends(), signals.get())
        await _first_of(gateway.drain(), signals.get())
    finally:
        await gateway.stop()
        lag.cancel()
        await _settle()
        _log.info("stopped")


async def _settle() -> None:
    """Let gRPC end its own tasks, which it does just after `stop` has returned; cut short, they print tracebacks."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=SETTLE_S)


def _signals() -> "asyncio.Queue[signal.Signals]":
    """What SIGTERM and SIGINT are turned into; the first begins the drain, the second ends it."""
    arrived: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, arrived.put_nowait, number)
    return arrived


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has ended, the others cancelled; raises what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


def _write_ports(path: Path, ports: Mapping[str, int]) -> None:
    """Whole or not at all: whoever waits for the file reads it at once."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(ports), encoding="utf-8")
    partial.replace(path)
