"""A server of `make bench` as a process on a core of its own, and where everything of a run is."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parent.parent
START_S = 60
STOP_S = 10
UNBOUNDED = {"MAX_SESSIONS": "5000", "ADMIT_MAX_CPU_PERCENT": "0", "ADMIT_MAX_ADDED_MS": "0"}
"""A gateway that is to be measured at its limit refuses nobody."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all sections share."""

    folder: Path
    """For files that nobody needs afterwards."""
    server_core: int
    sessions: tuple[int, ...]
    """Callers of the load section, one run each."""
    seconds: int
    """Length of a run."""
    reports_playback: bool
    """Whether the callers of the load section do."""
    python: Path
    """The interpreter that has the gateway which is measured."""

    @property
    def journals(self) -> Path:
        """Where gateways keep journals."""
        return self.folder / "journals"

    def gateway(
        self, name: str, environment: Mapping[str, str], *, journal: bool
    ) -> AbstractAsyncContextManager["Server"]:
        """A gateway on the server's core whose files are called `name`; raises as `running` does."""
        kept = ("--journal", str(self.journals)) if journal else ()
        arguments = ("-m", "voice_gateway", "serve", *kept, "--ports-file")
        return running(self.server_core, arguments, self.ports_file(name), environment, self.python)

    def bare(self, name: str) -> AbstractAsyncContextManager["Server"]:
        """The bare server of the module `bench.NAME`, there and of the bench's own interpreter."""
        return running(self.server_core, ("-m", f"bench.{name}"), self.ports_file(name), {})

    def ports_file(self, name: str) -> Path:
        """Where a server writes its ports."""
        return self.folder / f"{name}.json"

    def say(self, what: str) -> None:
        """Tell who waits what is being measured."""
        print(f"{what} ...", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens."""

    pid: int
    address: str

    async def wait_ready(self) -> None:
        """Return when it says that it is ready; raises TimeoutError."""
        async with asyncio.timeout(START_S), grpc.aio.insecure_channel(self.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # its published types say nothing of its methods
            watch = health.Watch(health_pb2.HealthCheckRequest(service="readiness"))
            while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
            watch.cancel()


@asynccontextmanager
async def running(
    core: int,
    arguments: Sequence[str],
    ports_file: Path,
    environment: Mapping[str, str],
    python: Path = Path(sys.executable),
) -> AsyncIterator[Server]:
    """A Python program that writes its port into `ports_file`, its last argument; pinned to `core`, ended on leaving.

    Raises:
        subprocess.SubprocessError: it ended instead of listening; its log is in the message.
    """
    process = await _start(core, (str(python), *arguments), ports_file, environment)
    try:
        yield Server(process.pid, f"127.0.0.1:{await _port(process, ports_file)}")
    finally:
        await _end(process)


async def _start(
    core: int, command: Sequence[str], ports_file: Path, environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    log = _fresh_log(ports_file)
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # a child takes over where its parent may run
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            str(ports_file),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "GRPC_PORT": "0", "METRICS_PORT": "0", **UNBOUNDED, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    finally:
        os.sched_setaffinity(0, ours)
        os.close(log)


def _fresh_log(ports_file: Path) -> int:
    ports_file.unlink(missing_ok=True)
    return os.open(ports_file.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


async def _port(process: asyncio.subprocess.Process, ports_file: Path) -> int:
    async with asyncio.timeout(START_S):
        while (port := _read_port(ports_file)) is None:
            if process.returncode is not None:
                raise subprocess.SubprocessError(f"a server did not start:\n{_log_tail(ports_file)}")
            await asyncio.sleep(0.05)
    return port


def _read_port(ports_file: Path) -> int | None:
    return int(json.loads(ports_file.read_text())["grpc"]) if ports_file.exists() else None


def loop_lag_p99_ms(ports_file: Path) -> float:
    """The highest that a gateway which has ended told of; its log has a line a minute and one at its end.

    Raises:
        subprocess.SubprocessError: it told nothing.
    """
    lines = ports_file.with_suffix(".log").read_text(errors="replace").splitlines()
    told = [json.loads(line) for line in lines if '"event":"loop_lag"' in line]
    if not told:
        raise subprocess.SubprocessError("the gateway's log says nothing of its event loop")
    return max(float(line["p99_ms"]) for line in told)


def _log_tail(ports_file: Path) -> str:
    return "\n".join(ports_file.with_suffix(".log").read_text(errors="replace").splitlines()[-10:])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
