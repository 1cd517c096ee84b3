"""The composition root: makes one of each, joins them, serves until told to stop."""

import asyncio
import logging
import secrets
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME

from voice_gateway import config
from voice_gateway.app import reflection
from voice_gateway.app.admin import Admin, Others
from voice_gateway.app.process import give_back_memory
from voice_gateway.app.servers import add_health, grpc_server, health_server, open_plain_port, open_port, taken
from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import Answer
from voice_gateway.backends.http_tools.client import HttpTools
from voice_gateway.backends.jwks.client import JwksPage
from voice_gateway.backends.openai_chat.client import OpenAiChat
from voice_gateway.backends.riva.asr import RivaRecognizer
from voice_gateway.backends.riva.tts import RivaSynthesizer
from voice_gateway.backends.silero.model import SileroModel
from voice_gateway.backends.spans import CallSpans
from voice_gateway.domain.ids import SessionId
from voice_gateway.identity.certificates import ends_at_s, watched_certificates
from voice_gateway.identity.entrance import Entrance
from voice_gateway.observability.health import Readiness
from voice_gateway.observability.health_page import HealthPage
from voice_gateway.observability.health_service import HealthService
from voice_gateway.observability.listeners import SharedTelemetry, SharedWatch
from voice_gateway.observability.metrics import Metrics
from voice_gateway.observability.metrics_server import open_metrics, serve_metrics
from voice_gateway.observability.prober import HealthReporter, Prober
from voice_gateway.observability.telemetry import LogTelemetry
from voice_gateway.observability.trace_settings import TracingSettings
from voice_gateway.observability.watchers import GivenUpError, keep_going
from voice_gateway.session import clock
from voice_gateway.session.admission.gate import Admission
from voice_gateway.session.admission.load import Load
from voice_gateway.session.admission.sampler import LoadSampler, usable_cores
from voice_gateway.session.calls import Shared
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.roster import Roster
from voice_gateway.session.service import SessionService
from voice_gateway.session.standing import StandingSpeech
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.session.voice import VoiceBank
from voice_gateway.transports.call import CallLimits, Doors
from voice_gateway.transports.grpc_legacy import server as grpc_legacy
from voice_gateway.transports.grpc_v1 import server as grpc_v1
from voice_gateway.transports.grpc_wire.auth import account_of
from voice_gateway.transports.grpc_wire.status import CODES
from voice_gateway.transports.refusal_log import RefusalLog
from voice_gateway.turn.core import Core
from voice_gateway.turn.reply.wording import spoken_sentences

if TYPE_CHECKING:
    from voice_gateway.observability.tracing import Traces

VERSION = version("voice-gateway")
SERVICES = (grpc_v1.SERVICE_NAME, grpc_legacy.SERVICE_NAME)
MEET_S = 2.0
"""Time for the first answers of the backends before one of several workers listens; then it does so without them."""
LAST_WRITES_S = 2.0
"""Time after the last session for its final messages and its call's status to reach the wire."""
FORCED_MARGIN_S = 2.0
"""Sessions end themselves at the drain's deadline; one that has not ended this time later is cut off."""

_log = logging.getLogger("voice_gateway")


class Gateway:
    """Everything of one process, joined. Made and used inside the running event loop."""

    def __init__(self, settings: config.Settings, others: Others | None = None) -> None:
        """Join everything. `others` tells what the other workers do; None: this process is alone."""
        self._settings = settings
        self._metrics = Metrics()
        self._admin = Admin(settings.server, others)
        self._traces, spans, tracing = _traces(settings.tracing, self._metrics, settings.server.worker)
        recognizer = RivaRecognizer(settings.asr, spans=spans)
        synthesizer = RivaSynthesizer(settings.tts, spans=spans)
        llm = OpenAiChat(settings.llm, spans=spans)
        self._backends = backends = (recognizer.pool, llm.pool, synthesizer.pool)
        self._tools = HttpTools(settings.tools, spans)
        self._roster = Roster()
        watch = SharedWatch(self._metrics, *self._admin.listeners)
        for backend in backends:
            backend.watch(watch)
        pacer = Pacer()
        shared = Shared(
            recognizer=recognizer,
            llm=llm,
            synthesizer=StandingSpeech(synthesizer, spoken_sentences(settings.session.persona.unheard)),
            telemetry=SharedTelemetry(LogTelemetry(), self._metrics, *self._admin.listeners),
            pacer=pacer,
            roster=self._roster,
            voices=VoiceBank(SileroModel(), pacer, self._metrics.voices_judged),
            journals=_journals(settings.server.journal_dir),
            tools=self._tools,
            tracing=tracing,
        )
        self._admission = Admission(settings.admission)
        self._metrics.watch_admission(self._admission)
        self._load = LoadSampler(pacer.take_lateness_ms, cores=usable_cores(workers=settings.server.workers))
        sessions = SessionService(
            settings.session,
            settings.policy,
            shared,
            backends,
            _new_session_id,
            converse=Core,
            admission=self._admission,
        )
        tls = settings.server.tls
        self._certificates = watched_certificates(tls) if tls else None
        watched = [self._certificates] if self._certificates else []
        if certificates := self._certificates:
            self._metrics.watch_certificate(lambda: ends_at_s(certificates.value))
        self._entrance = Entrance(settings.identity, open_page=JwksPage, watched=watched)
        refusals = RefusalLog(watch)
        self._server = grpc_server(settings.server, self._entrance, settings.admission.max_sessions, refusals)
        shares_ports = settings.server.shares_ports
        self._health_server = health_server(is_shared=shares_ports) if settings.server.health_port else None
        self._metrics_server: asyncio.Server | None = None
        health = HealthService(account_of)
        self._readiness = readiness = Readiness(
            (backend.backend for backend in backends), unready_when_full=settings.admission.unready_when_full
        )
        self._reporter = HealthReporter(readiness, health, SERVICES, clock.now)
        self._prober = Prober(backends, readiness, self._reporter, self._metrics, clock=clock.now)
        self._page = HealthPage(readiness, backends, self._admission, VERSION, clock.now)
        limits = CallLimits(start_timeout_ms=settings.server.start_timeout_ms)
        _add_services(self._server, sessions, health, limits, refusals)
        if self._health_server is not None:
            add_health(self._health_server, health)

    async def start(self) -> int:
        """Open the ports and return that of the calls; unready until the backends have answered.

        Raises:
            CannotListen: a port is taken or the certificate refused.
        """
        server = self._settings.server
        await self._reporter.publish()
        await self._entrance.prepare()
        if server.shares_ports:
            await self._meet_backends()
        port = open_port(self._server, server.grpc_port, self._certificates)
        if not server.shares_ports:
            await self._serve_metrics(server.metrics_port)
        if self._health_server is not None:
            open_plain_port(self._health_server, server.health_port)
            await self._health_server.start()
        await self._admin.start(self._readiness, self._backends, self._admission, VERSION)
        await self._server.start()
        return port

    async def _meet_backends(self) -> None:
        """Ask each once: whoever joins others that serve has calls at once, and would refuse the first of them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MEET_S):
                await asyncio.gather(*(backend.probe() for backend in self._backends))

    async def _serve_metrics(self, port: int) -> None:
        try:
            self._metrics_server = await serve_metrics(self._metrics.registry, port, self._page.write)
        except OSError as error:
            raise taken(port) from error

    def answers(self) -> dict[str, Answer]:
        """Who answers what a worker is asked of itself."""

        async def health(_: bytes) -> bytes:
            return self._page.write()[1]

        return {
            place.HEALTH: health,
            place.METRICS: lambda _: open_metrics(self._metrics.registry),
            place.OVERVIEW: lambda _: self._admin.own(),
        }

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop that this runs in."""
        self._metrics.loop_lagged(lag_s)
        self._admin.loop_lagged(lag_s)

    @property
    def metrics_port(self) -> int:
        """Where the metrics are, once started."""
        assert self._metrics_server is not None  # noqa: S101  asked for after `start`
        return int(self._metrics_server.sockets[0].getsockname()[1])

    async def watch(self) -> None:
        """Probe the backends, measure the load, keep certificates, tokens and keys fresh, give back free memory, until
        cancelled.

        Returns when one of these cannot go on by a fault of ours: better a successor than a pod that sees nothing.
        """
        watchers = {
            "prober": self._prober.run,
            "entrance": self._entrance.watch,
            "load": self._watch_load,
            "memory": give_back_memory,
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, work in watchers.items():
                    group.create_task(keep_going(name, work), name=name)
        except* GivenUpError as given_up:
            _log.error("leaving, as a watcher fails each time", extra={"watcher": str(given_up.exceptions[0])})

    async def _watch_load(self) -> None:
        await self._load.watch(self._loaded)

    async def _loaded(self, load: Load) -> None:
        self._admission.observe(load)
        self._admin.used(load.cpu_percent)
        self._metrics.second_passed(load.late_ticks, self._roster.leads_ms(), len(asyncio.all_tasks()))
        self._readiness.observe_fullness(self._admission.fullness, clock.now())

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
        with suppress(TimeoutError):  # sessions that were cut off end just after that, and their spans with them
            async with asyncio.timeout(LAST_WRITES_S):
                await self._roster.wait_empty()
        if self._health_server is not None:
            await self._health_server.stop(None)
        await self._admin.stop()
        if self._metrics_server is not None:
            self._metrics_server.close()
        await asyncio.gather(
            *(backend.close() for backend in self._backends),
            self._tools.close(),
            self._entrance.close(),
        )
        if self._traces is not None:
            await self._traces.close()


def _traces(
    settings: TracingSettings | None, metrics: Metrics, worker: int | None
) -> tuple["Traces | None", CallSpans, Tracing]:
    """What sends spans, and what makes those of calls to backends and of sessions: none where no collector is told."""
    if settings is None:
        return None, CallSpans(), Tracing()
    from voice_gateway.observability.tracing import Traces  # noqa: PLC0415  the SDK, which nothing else needs

    traces = Traces(settings, VERSION, metrics.spans_went, worker=worker)
    tracing = Tracing(
        tracer=traces.tracer,
        trusts_clients=settings.trusts_clients,
        has_text=settings.has_text,
        methods={
            "grpc_v1": f"{grpc_v1.SERVICE_NAME}/Converse",
            "grpc_legacy": f"{grpc_legacy.SERVICE_NAME}/StreamAudio",
        },
        status_of=lambda error: CODES[error.reason].name,
    )
    return traces, CallSpans(traces.tracer, settings.has_text), tracing


def _journals(folder: Path | None) -> JournalFolder | None:
    return None if folder is None else JournalFolder(folder, version("voice-gateway"))


def _add_services(
    server: grpc.aio.Server, sessions: SessionService, health: HealthService, limits: CallLimits, refusals: RefusalLog
) -> None:
    doors = Doors(sessions.expect, sessions.admit, sessions.open, refusals)
    grpc_v1.add_to_server(
        server,
        doors=doors,
        capabilities=sessions.capabilities,
        server_version=VERSION,
        limits=limits,
    )
    grpc_legacy.add_to_server(server, doors=doors, limits=limits)
    add_health(server, health)
    reflection.enable(server, (*SERVICES, HEALTH_NAME))


def _new_session_id() -> SessionId:
    """Unguessable, and short enough to be read out to whoever is on call."""
    return SessionId(secrets.token_hex(8))
