"""`voice-gateway` as a process of its own, for tests."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

NOWHERE = "127.0.0.1:1"
"""Nobody listens there."""
BOUND_S = 60.0
"""Of every wait for the process; far above what it takes, so that only a hang meets it."""


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """Start the program with these settings and no others."""
    settings = {
        "RIVA_URI": NOWHERE,
        "LLM_SERVICE_URL": f"http://{NOWHERE}/v1",
        "GRPC_PORT": "0",
        "METRICS_PORT": "0",
        **environment,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voice_gateway",
        *arguments,
        env={"PATH": os.environ["PATH"], **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def outcome(*arguments: str, **environment: str) -> tuple[int | None, list[str], list[str]]:
    """Run the program to its end: exit code, lines of standard output, lines of standard error."""
    process = await start(*arguments, **environment)
    async with asyncio.timeout(BOUND_S):
        out, err = await process.communicate()
    return process.returncode, out.decode().splitlines(), err.decode().splitlines()


@dataclass
class Gateway:
    """A serving process."""

    process: asyncio.subprocess.Process
    port: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    """Every line read so far; a line that is no JSON object fails the test."""

    async def told(self, event: str, **fields: object) -> dict[str, Any]:
        """Read the log up to a line of that event with those fields, and return it."""
        assert self.process.stderr is not None
        async with asyncio.timeout(BOUND_S):
            while line := await self.process.stderr.readline():
                self.log.append(json.loads(line))
                if self.log[-1]["event"] == event and fields.items() <= self.log[-1].items():
                    return self.log[-1]
        raise AssertionError(f"ended without {event}: {self.log}")

    async def ended(self) -> int:
        """Read the rest of the log and return the exit code."""
        async with asyncio.timeout(BOUND_S):
            _, rest = await self.process.communicate()
            self.log += [json.loads(line) for line in rest.splitlines()]
            return await self.process.wait()

    @property
    def events(self) -> list[str]:
        """What the log told, in order, but for the event loop's lag, which is told only of one that ran for a while."""
        return [str(line["event"]) for line in self.log if line["event"] != "loop_lag"]

    @asynccontextmanager
    async def channel(self, root_certificates: bytes | None = None) -> AsyncIterator[grpc.aio.Channel]:
        """A client's channel."""
        address = f"localhost:{self.port}"
        if root_certificates is None:
            async with grpc.aio.insecure_channel(address) as channel:
                yield channel
        else:
            credentials = grpc.ssl_channel_credentials(root_certificates)
            async with grpc.aio.secure_channel(address, credentials) as channel:
                yield channel


@asynccontextmanager
async def serving(ports_file: Path, environment: Mapping[str, str]) -> AsyncIterator[Gateway]:
    """A gateway that listens; killed at the end if it still runs."""
    process = await start("serve", "--ports-file", str(ports_file), **environment)
    try:
        gateway = Gateway(process)
        await gateway.told("listening")
        gateway.port = _read_port(ports_file)
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def _read_port(ports_file: Path) -> int:
    return int(json.loads(ports_file.read_text())["grpc"])


async def is_serving(channel: grpc.aio.Channel, service: str) -> bool:
    """What the health service says of a name."""
    request = health_pb2.HealthCheckRequest(service=service)
    response = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=BOUND_S)  # type: ignore[attr-defined]
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
