"""Starts local-models and the gateway on free ports, and ends them: for the demo, `make up` and `make accept`."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

BIN = Path(sys.executable).parent
READY_S = 60
"""Engines load in about 2 s on two cores (measured 2026-11-21); a busy machine needs more."""
ANSWER_S = 1
STOP_S = 10

PATIENCE: Final = {"TURN_FINAL_GRACE_MS": "3000"}
"""Recognition on a busy laptop is slower than on a GPU: a forced final is waited for rather than cut off."""


class StackError(Exception):
    """A server did not come up; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Addresses of what was started."""

    gateway: str
    riva: str
    openai: str
    logs: Path


@contextmanager
def running(
    *,
    logs: Path | None = None,
    models: Sequence[str] = (),
    gateway_env: dict[str, str] | None = None,
    gateway_port: int = 0,
) -> Iterator[Stack]:
    """Both servers, ready; they are ended on leaving.

    Args:
        logs: folder for the logs and port files; a new temporary one if None.
        models: further arguments of `local-models serve`.
        gateway_env: further settings of the gateway.
        gateway_port: 0 picks a free one.

    Raises:
        StackError: a server did not become ready.
    """
    folder = logs or Path(tempfile.mkdtemp(prefix="voice-gateway-"))
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:
        ports = folder / "local-models.json"
        arguments = ["--riva-port", "0", "--openai-port", "0", "--ports-file", str(ports), *models]
        process = ends.enter_context(_process(folder, "local-models", arguments, {}))
        found = _ports(process, ports, folder / "local-models.log")
        riva, openai = f"127.0.0.1:{found['riva_port']}", f"http://127.0.0.1:{found['openai_port']}/v1"
        environment = PATIENCE | {
            "ASR_URI": riva,
            "TTS_URI": riva,
            "LLM_SERVICE_URL": openai,
            "GRPC_PORT": str(gateway_port),
            "METRICS_PORT": "0",
        }
        ports = folder / "voice-gateway.json"
        environment |= gateway_env or {}
        process = ends.enter_context(_process(folder, "voice-gateway", ["--ports-file", str(ports)], environment))
        found = _ports(process, ports, folder / "voice-gateway.log")
        stack = Stack(f"127.0.0.1:{found['grpc']}", riva, openai, folder)
        _wait_ready(process, stack)
        yield stack


@contextmanager
def _process(
    folder: Path, program: str, arguments: Sequence[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    (folder / f"{program}.json").unlink(missing_ok=True)
    with (folder / f"{program}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own programs, out of the same environment
            [BIN / program, "serve", *arguments],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C ends this program, which then ends the servers in order
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ports(process: subprocess.Popen[bytes], path: Path, log: Path) -> dict[str, int]:
    deadline = time.monotonic() + READY_S
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(f"{log.stem} did not start:\n{_tail(log)}")
        time.sleep(0.05)
    ports: dict[str, int] = json.loads(path.read_text())
    return ports


def _wait_ready(process: subprocess.Popen[bytes], stack: Stack) -> None:
    deadline = time.monotonic() + READY_S
    with grpc.insecure_channel(stack.gateway) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # its published types say nothing of its methods
        while not _is_ready(health):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the gateway did not become ready:\n{_tail(stack.logs / 'voice-gateway.log')}")
            time.sleep(0.05)


def _is_ready(health: Any) -> bool:
    try:
        answer = health.Check(health_pb2.HealthCheckRequest(service="readiness"), timeout=ANSWER_S)
    except grpc.RpcError:
        return False  # it does not listen yet, or has ended
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
