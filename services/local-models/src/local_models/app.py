"""The composition root: engines, the Riva gRPC server and the OpenAI HTTP server in one process and one loop."""

import asyncio
import gc
import json
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from local_models import gguf, rooms, startup_table
from local_models.engines.recognition import EngineUnavailableError
from local_models.openai_http.chat import ChatModel
from local_models.openai_http.pacing import Pace
from local_models.openai_http.server import OpenAiServer
from local_models.responder.facts import FactsError
from local_models.responder.model import Responder
from local_models.riva.asr_servicer import MAX_MESSAGE_BYTES
from local_models.settings import Llm, Settings
from local_models.symbols import Symbols

log = logging.getLogger(__name__)

EVERY_ADDRESS = "::"
"""Every address of IPv6, and with it of IPv4."""
LIVENESS, READINESS, WHOLE_SERVER = "liveness", "readiness", ""

Say = Callable[[str], None]


class StartError(Exception):
    """The servers cannot start; one line that says why."""


@dataclass(frozen=True, slots=True)
class Ports:
    riva: int
    openai: int


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError: an engine or a port is not to be had.
    """
    gc.collect()
    gc.freeze()  # a full collection stops everybody: 33 ms with all modules among its objects (measured on two cores)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop, _say)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def serve(settings: Settings, stop: asyncio.Event, say: Say) -> None:
    """Start both servers, tell what they are made of, warm up, be ready, and end cleanly once `stop` is set.

    Raises:
        StartError: an engine or a port is not to be had.
    """
    if settings.ports_file:
        settings.ports_file.unlink(missing_ok=True)  # what an earlier run left would be believed
    async with AsyncExitStack() as stack:
        try:
            model = _chat_model(settings)
            stack.push_async_callback(model.close)
            riva = _RivaServer(settings)
            for room in riva.rooms:
                stack.callback(room.close)
        except (EngineUnavailableError, FactsError) as error:
            raise StartError(str(error)) from error
        openai = OpenAiServer(model, Pace(settings.ttft_ms, settings.token_ms))
        runner = await _http_runner(openai, settings)
        stack.push_async_callback(_stop_both, riva, runner, settings.shutdown_grace_ms)
        ports = Ports(await riva.start(settings), await _listen(runner, settings))
        rows = [row for room in riva.rooms for row in room.rows] + list(model.describe())
        say(startup_table.render(rows))
        await _warm_up([model.warm_up, *(room.warm_up for room in riva.rooms)])
        await riva.be_ready()
        openai.is_ready = True
        if settings.ports_file:
            _write_ports(settings.ports_file, settings.host, ports)
            stack.callback(settings.ports_file.unlink, missing_ok=True)
        say(f"ready: Riva gRPC on {settings.host}:{ports.riva}, OpenAI on http://{settings.host}:{ports.openai}/v1")
        await stop.wait()
        openai.is_ready = False
        say("stopping")


async def _warm_up(warm_ups: Sequence[Callable[[], Awaitable[object]]]) -> None:
    for warm_up in warm_ups:
        await warm_up()


def _chat_model(settings: Settings) -> ChatModel:
    if settings.llm is Llm.GGUF:
        return gguf.load(settings.gguf_path)
    return Responder()


async def _http_runner(openai: OpenAiServer, settings: Settings) -> web.AppRunner:
    # aiohttp waits its timeout twice, before and after it cancels what runs, and takes 0 for "for ever".
    shutdown_timeout = max(settings.shutdown_grace_ms, 1) / 1000 / 2
    runner = web.AppRunner(
        openai.application(), handler_cancellation=True, access_log=None, shutdown_timeout=shutdown_timeout
    )
    await runner.setup()
    return runner


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    try:
        if settings.host == EVERY_ADDRESS and socket.has_dualstack_ipv6():
            # asyncio makes such a socket deaf to IPv4, and the one of gRPC hears both.
            address = (settings.host, settings.openai_port)
            both = socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
            await web.SockSite(runner, both).start()
        else:
            host = None if settings.host == EVERY_ADDRESS else settings.host
            await web.TCPSite(runner, host, settings.openai_port).start()
    except OSError as error:
        raise StartError(f"cannot listen for OpenAI on {settings.host}:{settings.openai_port}: {error}") from error
    return int(runner.addresses[0][1])


async def _stop_both(riva: "_RivaServer", runner: web.AppRunner, grace_ms: int) -> None:
    await asyncio.gather(riva.stop(grace_ms), runner.cleanup())


def _write_ports(path: Path, host: str, ports: Ports) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps({"host": host, "riva_port": ports.riva, "openai_port": ports.openai}) + "\n")
    part.replace(path)


PING_OPTIONS = (
    # Clients may ping every 5 s in a silent call; gRPC allows one in 300 s. A moment early is no offence, hence half.
    ("grpc.http2.min_ping_interval_without_data_ms", 2_500),
    ("grpc.keepalive_permit_without_calls", 1),
)


class _RivaServer:
    """The gRPC server with its rooms, health and reflection."""

    def __init__(self, settings: Settings) -> None:
        # Without SO_REUSEPORT a port that is taken is an error; with it two servers would share the calls.
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), *PING_OPTIONS]
        self._server = grpc.aio.server(options=options)
        self.rooms = (
            rooms.recognition(self._server, settings),
            rooms.synthesis(self._server, settings),
            rooms.translation(self._server),
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*(room.service_name for room in self.rooms), health.SERVICE_NAME, reflection.SERVICE_NAME)
        symbols: Any = Symbols()  # as good as a pool: what reflection asks one for, it has
        reflection.enable_server_reflection(names, self._server, pool=symbols)

    async def start(self, settings: Settings) -> int:
        """Listen and give the port; alive, not ready.

        Raises:
            StartError: the port is taken or the address is not ours.
        """
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            port = self._server.add_insecure_port(f"{host}:{settings.riva_port}")
        except RuntimeError as error:
            raise StartError(f"cannot listen for Riva on {host}:{settings.riva_port}: {error}") from error
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._set_ready(is_ready=False)
        await self._server.start()
        return port

    async def be_ready(self) -> None:
        await self._set_ready(is_ready=True)

    async def stop(self, grace_ms: int) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_ms / 1000)

    async def _set_ready(self, *, is_ready: bool) -> None:
        serving = {WHOLE_SERVER: is_ready, READINESS: is_ready}
        serving |= {room.service_name: is_ready and room.is_serving for room in self.rooms}
        answer = health_pb2.HealthCheckResponse
        for name, is_serving in serving.items():
            await self._health.set(name, answer.SERVING if is_serving else answer.NOT_SERVING)
