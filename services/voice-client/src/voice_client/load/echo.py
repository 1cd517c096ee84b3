"""The baseline: a bare `grpc.aio` server in a process of its own that sends every frame back, and what that costs."""

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio

from voice_client.errors import ExitStatus, VoiceClientError
from voice_client.event_loop import loop_factory
from voice_client.link import Target
from voice_client.load import machine
from voice_client.load.doors import Door
from voice_client.load.playout import NS_PER_MS
from voice_client.load.run import PHASE_STEP_MS, turning
from voice_client.load.scores import Spread, spread
from voice_client.load.script import FRAME_BYTES
from voice_client.load.wire import Wire

SECONDS: Final = 10.0
WARM_UP_S: Final = 1.0
START_S: Final = 30.0
STOP_S: Final = 5.0
_SOUND: Final = bytes(range(256)) * (FRAME_BYTES // 256) + bytes(FRAME_BYTES % 256)


class EchoError(VoiceClientError):
    """The echo did not start, or did not echo."""

    status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True)
class Echo:
    """What the wire alone costs with so many calls."""

    calls: int
    cpu_s_per_call_minute: float
    round_trip: Spread
    """From when a frame left to when it was back."""


class _EchoCall:
    """Sends the same frame again and again; what comes back is timed, in order."""

    def __init__(self, target: Target, door: Door) -> None:
        self.round_trips_ms: list[float] = []
        self.wire = Wire(target, door.method, self._read, self._messages)
        self._door = door
        self._frame = door.frame(_SOUND)
        self._number = 0
        self._left_ns: deque[int] = deque()

    def _messages(self, _due_ns: int) -> tuple[bytes]:
        frame = self._door.placed(self._frame, self._number)
        self._number += 1
        self._left_ns.append(time.monotonic_ns())
        return (frame,)

    def _read(self, _raw: bytes, at_ns: int) -> None:
        self.round_trips_ms.append((at_ns - self._left_ns.popleft()) / NS_PER_MS)


async def measure(door: Door, calls: int, stop: asyncio.Event, beside_pid: int = 0) -> Echo:
    """Let an echo of `calls` calls run for `SECONDS`, or until `stop`, on the cores of the process `beside_pid`, or on
    those of this one.

    Raises:
        EchoError: see there.
    """
    async with _serving(door.method, beside_pid) as (target, pid), turning() as wheel:
        everybody = [_EchoCall(target, door) for _ in range(calls)]
        try:
            for number, call in enumerate(everybody):
                await call.wire.open(None)
                wheel.add(call.wire, number * PHASE_STEP_MS)
            await _wait(WARM_UP_S, stop)
            began_s, began_cpu_s = time.monotonic(), machine.cpu_s(pid)
            await _wait(SECONDS, stop)
            used_s, minutes = machine.cpu_s(pid) - began_cpu_s, (time.monotonic() - began_s) / 60
            failures = [call.wire.failure for call in everybody if call.wire.failure is not None]
        finally:
            await asyncio.gather(*(call.wire.end(None) for call in everybody))
    if failures:
        raise EchoError(f"the echo failed {len(failures)} of {calls} calls: {failures[0].text}")
    trips_ms = [trip_ms for call in everybody for trip_ms in call.round_trips_ms]
    return Echo(calls, used_s / calls / minutes, spread(trips_ms))


async def _wait(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@contextlib.asynccontextmanager
async def _serving(method: str, beside_pid: int) -> AsyncIterator[tuple[Target, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "voice_client.load.echo", method, str(beside_pid)),
        env=os.environ | {"GRPC_VERBOSITY": "NONE"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl+C at the terminal is for this tool, which ends it
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise EchoError("the echo has no pipes")
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        if not line.strip().isdigit():
            raise EchoError("the echo did not start")
        yield Target(f"127.0.0.1:{int(line)}"), process.pid
    except TimeoutError as error:
        raise EchoError(f"the echo did not start within {START_S:g} s") from error
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()  # which ends it
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _echo(_: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    while (raw := await context.read()) is not grpc.aio.EOF:
        await context.write(raw)


async def serve(path: str, listening: Callable[[int], None], until: asyncio.Event) -> None:
    """Echo every call of a method until told; `listening` is given the port."""
    service, method = path.strip("/").split("/")
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {method: grpc.stream_stream_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    listening(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await until.wait()
    await server.stop(None)


async def _main() -> None:
    """Serve the method of the command line until standard input ends, so that nothing outlives the tool."""
    _, method, beside_pid = sys.argv
    os.sched_setaffinity(0, os.sched_getaffinity(int(beside_pid)))
    until, loop = asyncio.Event(), asyncio.get_running_loop()
    closed = loop.run_in_executor(None, sys.stdin.read)
    closed.add_done_callback(lambda _: until.set())

    def listening(port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    await serve(method, listening, until)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main())
