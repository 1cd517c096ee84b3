"""Both servers in one process: ports, health, reflection, the table, and a clean end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import openai
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from local_models import app
from local_models.__main__ import main
from local_models.app import StartError, serve
from local_models.settings import Settings
from openai import AsyncOpenAI

ASR_SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"
TTS_SERVICE = "nvidia.riva.tts.RivaSpeechSynthesis"
NMT_SERVICE = "nvidia.riva.nmt.RivaTranslation"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Running:
    """A `serve` under test: what it said, its ports, and its stop switch."""

    def __init__(self, ports_file: Path) -> None:
        self.ports_file = ports_file
        self.said: list[str] = []
        self.stop = asyncio.Event()
        self.is_ready = asyncio.Event()

    def say(self, line: str) -> None:
        self.said.append(line)
        if line.startswith("ready"):
            self.is_ready.set()

    def ports(self) -> dict[str, Any]:
        ports: dict[str, Any] = json.loads(self.ports_file.read_text())
        return ports


@asynccontextmanager
async def running(tmp_path: Path, host: str = "127.0.0.1") -> AsyncIterator[Running]:
    state = Running(tmp_path / "ports.json")
    settings = Settings(host=host, riva_port=0, openai_port=0, ports_file=state.ports_file, shutdown_grace_ms=0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, state.stop, state.say))
        async with asyncio.timeout(60):
            await state.is_ready.wait()
        try:
            yield state
        finally:
            state.stop.set()


async def _health(channel: grpc.aio.Channel, service: str) -> int:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return int((await check(health_pb2.HealthCheckRequest(service=service))).status)


async def _drain(chunks: AsyncIterator[object]) -> None:
    async for _ in chunks:
        pass


async def _services(channel: grpc.aio.Channel) -> set[str]:
    answer = await _reflected(channel, list_services="")
    return {service.name for service in answer.list_services_response.service}


async def _reflected(channel: grpc.aio.Channel, **question: str) -> Any:
    ask = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = reflection_pb2.ServerReflectionRequest(**question)  # type: ignore[arg-type]  # a test's own keywords
    (answer,) = [answer async for answer in ask(iter([asked]))]
    return answer


async def test_reflection_finds_methods(tmp_path: Path) -> None:
    """Tools that ask for the method they are to call get its file; what there is not is NOT_FOUND."""
    async with running(tmp_path) as state:
        ports = state.ports()
        async with grpc.aio.insecure_channel(f"{ports['host']}:{ports['riva_port']}") as channel:
            for method in (f"{ASR_SERVICE}.StreamingRecognize", f"{TTS_SERVICE}.Synthesize", ASR_SERVICE):
                answer = await _reflected(channel, file_containing_symbol=method)
                assert answer.file_descriptor_response.file_descriptor_proto
            for nothing in (f"{ASR_SERVICE}.Sing", "Sing", ""):
                answer = await _reflected(channel, file_containing_symbol=nothing)
                assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_both_servers_answer_on_the_ports_they_report(tmp_path: Path) -> None:
    """A script that starts it on free ports finds both, ready, with health and reflection."""
    async with running(tmp_path) as state:
        ports = state.ports()
        async with grpc.aio.insecure_channel(f"{ports['host']}:{ports['riva_port']}") as channel:
            for service in ("", "liveness", "readiness", ASR_SERVICE, TTS_SERVICE):
                assert await _health(channel, service) == SERVING
            assert {ASR_SERVICE, TTS_SERVICE, NMT_SERVICE, "grpc.health.v1.Health"} <= await _services(channel)
        url = f"http://{ports['host']}:{ports['openai_port']}/v1"
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            completion = await client.chat.completions.create(
                model="local-responder", messages=[{"role": "user", "content": "What is two plus two?"}]
            )
            assert completion.choices[0].message.content == "Two plus two is four."


async def test_every_address_means_both_families(tmp_path: Path) -> None:
    """Pods of IPv4, of IPv6 and of both are reached when it listens on `::`, on both ports."""
    async with running(tmp_path, host="::") as state:
        ports = state.ports()
        for host in ("127.0.0.1", "[::1]") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            async with grpc.aio.insecure_channel(f"{host}:{ports['riva_port']}") as channel:
                assert await _health(channel, "liveness") == SERVING
            url = f"http://{host}:{ports['openai_port']}/v1"
            async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
                assert (await client.models.list()).data


async def test_translation_without_an_engine_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health and table tell what its calls would answer, and the rest is ready all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with running(tmp_path) as state:
        assert "apt-get install apertium" in state.said[0]
        ports = state.ports()
        async with grpc.aio.insecure_channel(f"{ports['host']}:{ports['riva_port']}") as channel:
            assert await _health(channel, NMT_SERVICE) == NOT_SERVING
            assert await _health(channel, "readiness") == SERVING


async def test_the_table_comes_before_ready_and_the_ports_file_goes_at_the_end(tmp_path: Path) -> None:
    """What runs is told first; a stale file never sends a script to a dead port."""
    (tmp_path / "ports.json").write_text("stale")
    async with running(tmp_path) as state:
        table, ready = state.said
        assert all(engine in table for engine in ("Moonshine", "hibari", "espeak-ng", "responder"))
        assert "not a language model" in table
        assert str(state.ports()["riva_port"]) in ready
    assert not state.ports_file.exists()
    assert state.said[-1] == "stopping"


async def test_not_ready_while_warming_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe sees a live but unready server until the first request would be fast."""
    warming, go_on = asyncio.Event(), asyncio.Event()
    ports: list[int] = []
    start = app._RivaServer.start

    async def slow_warm_up(_: object) -> None:
        warming.set()
        await go_on.wait()

    async def noted_start(server: app._RivaServer, settings: Settings) -> int:
        ports.append(await start(server, settings))
        return ports[0]

    monkeypatch.setattr(app, "_warm_up", slow_warm_up)
    monkeypatch.setattr(app._RivaServer, "start", noted_start)
    state = Running(tmp_path / "ports.json")
    serving = asyncio.create_task(
        serve(Settings(riva_port=0, openai_port=0, shutdown_grace_ms=0), state.stop, state.say)
    )
    await warming.wait()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        assert await _health(channel, "liveness") == SERVING
        assert await _health(channel, "readiness") == NOT_SERVING
        go_on.set()
        await state.is_ready.wait()
        assert await _health(channel, "readiness") == SERVING
    state.stop.set()
    await serving


@pytest.mark.parametrize("taken", ["riva_port", "openai_port"])
async def test_a_taken_port_is_an_error_and_not_shared(tmp_path: Path, taken: str) -> None:
    """Two servers must not share a port by accident and split the calls between them."""
    async with running(tmp_path) as state:
        ports = {"riva_port": 0, "openai_port": 0, taken: state.ports()[taken]}
        with pytest.raises(StartError, match="cannot listen"):
            await serve(Settings(**ports), asyncio.Event(), state.say)


async def test_a_reply_that_goes_on_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """After the grace a running stream is cut and its client told, so that SIGTERM always ends the process."""
    state = Running(tmp_path / "ports.json")
    settings = Settings(riva_port=0, openai_port=0, ports_file=state.ports_file, token_ms=60_000, shutdown_grace_ms=0)
    serving = asyncio.create_task(serve(settings, state.stop, state.say))
    await state.is_ready.wait()
    url = f"http://127.0.0.1:{state.ports()['openai_port']}/v1"
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client, asyncio.timeout(30):
        stream = await client.chat.completions.create(
            model="local-responder", messages=[{"role": "user", "content": "Who are you?"}], stream=True
        )
        chunks = aiter(stream)
        await anext(chunks)
        state.stop.set()
        with pytest.raises(openai.APIConnectionError):
            await _drain(chunks)
        await serving


def test_bad_settings_exit_2_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: the name, what is wrong, and the exit status of a usage error."""
    assert main(["serve", "--riva-port", "x", "--token-ms", "-1"], {}) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "local-models: --riva-port: must be a whole number from 0 to 65535, not 'x'",
        "local-models: --token-ms: must be from 0 to 60000, not -1",
    ]


def test_an_engine_that_is_missing_exits_1_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What to install or where to point, on one line."""
    assert main(["serve", "--whisper-model", str(tmp_path)], {}) == 1
    assert "model.bin is missing" in capsys.readouterr().err


def test_sigterm_ends_the_real_process_cleanly(tmp_path: Path) -> None:
    """The command itself: ready line, ports file, SIGTERM, exit status 0, nothing left behind."""
    ports_file = tmp_path / "ports.json"
    command = [sys.executable, "-m", "local_models", "serve", "--riva-port", "0", "--openai-port", "0"]
    environment = os.environ | {"LOCAL_MODELS_PORTS_FILE": str(ports_file)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready"):
                break
        assert json.loads(ports_file.read_text())["riva_port"] > 0
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "stopping\n"
        assert process.wait(timeout=30) == 0
    assert not ports_file.exists()


async def test_a_client_may_ping_every_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call in which nobody speaks is not cut off for its keepalive; a moment early is no offence."""
    made: list[dict[str, int]] = []
    make = grpc.aio.server

    def server(*, options: list[tuple[str, int]]) -> grpc.aio.Server:
        made.append(dict(options))
        return make(options=options)

    monkeypatch.setattr(grpc.aio, "server", server)
    async with running(tmp_path):
        pass
    (options,) = made
    assert options["grpc.http2.min_ping_interval_without_data_ms"] <= 3_000
    assert options["grpc.keepalive_permit_without_calls"] == 1
