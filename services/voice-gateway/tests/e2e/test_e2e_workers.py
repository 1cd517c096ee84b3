"""`voice-gateway serve --workers 2`: real processes behind one port, with the test kit's fakes behind them.

The kernel chooses the worker of each connection: tests open calls until each has one.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from app.gateway_process import BOUND_S, Gateway, is_serving, outcome, start
from gateway_kit.overviews import OVERVIEW
from gateway_kit.replicas import free_port
from gateway_kit.whole_gateway import FAST_LLM, FAST_TTS, PATIENT
from voice_gateway import config
from voice_gateway.app.gateway import Gateway as InProcess
from voice_gateway.app.top import command
from voice_gateway.domain.overview.values import Overview
from voice_gateway.session.admission.shares import Share
from voice_gateway.transports.grpc_admin.client import AdminClient, OverviewUnknown
from voicegateway_testkit import ConverseClient, FakeAsr, FakeLlm, FakeTts, Utterance, utterance_pcm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere SO_REUSEPORT does not spread connections")
WORKERS = 2
MOST_CALLS = 40
"""Until each worker has one: that all so many meet the same worker is not to be expected in a million years."""
STARTED = 'voicegateway_sessions_started_total{transport="grpc_v1"}'
IN_STATE = 'voicegateway_workers{{state="{}"}}'
STORY = "Once upon a time there was a pod. " * 200
"""Minutes of speech: whatever happens meanwhile happens in mid-reply."""
LONG_GRACE_S = "600"
"""No drain ends by itself within the bound of a test."""
QUESTION = utterance_pcm(speech_ms=900, silence_ms=700)


@dataclass
class Whole:
    """A gateway of two workers."""

    gateway: Gateway
    ports: dict[str, int]

    @property
    def address(self) -> str:
        """Where its clients call."""
        return f"127.0.0.1:{self.ports['grpc']}"

    async def get(self, path: str) -> str:
        """A page of its metrics port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports["metrics"])
        writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        async with asyncio.timeout(BOUND_S):
            page = (await reader.read()).decode().partition("\r\n\r\n")[2]
        writer.close()
        return page

    async def health(self) -> dict[str, Any]:
        """Its health page."""
        page: dict[str, Any] = json.loads(await self.get("/health"))
        return page

    async def values(self) -> dict[str, float]:
        """What its metrics say of each series, at one moment."""
        lines = (line.rpartition(" ") for line in (await self.get("/metrics")).splitlines() if not line.startswith("#"))
        return {series: float(value) for series, _, value in lines}

    async def value(self, series: str) -> float:
        """What its metrics say of one series; 0 if there is none."""
        return (await self.values()).get(series, 0.0)

    async def sessions(self) -> list[int]:
        """Those of each worker, at a moment at which all answer: on a busy machine one may take its time."""
        async with asyncio.timeout(BOUND_S):
            while True:
                workers = (await self.health())["workers"]
                if all(each["state"] == "running" for each in workers):
                    return [each["sessions"] for each in workers]

    def pids(self) -> list[int]:
        """Processes of its workers."""
        children = Path(f"/proc/{self.gateway.process.pid}/task/{self.gateway.process.pid}/children")
        return [int(pid) for pid in children.read_text(encoding="ascii").split()]


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a fact; raises TimeoutError far beyond what it takes."""
    async with asyncio.timeout(BOUND_S):
        while not await is_so():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.05)


@asynccontextmanager
async def backends(reply: str = "Certainly.") -> AsyncIterator[dict[str, str]]:
    """The test kit's fakes, and the settings of a gateway that calls them."""
    asr, tts = FakeAsr([Utterance("what is a pod")] * MOST_CALLS), FakeTts(timing=FAST_TTS)
    async with asr, tts, FakeLlm((reply,), timing=FAST_LLM) as llm:
        yield {
            "ASR_URI": asr.address,
            "TTS_URI": tts.address,
            "LLM_SERVICE_URL": llm.base_url,
            "ASR_APOLOGY": "off",
            **PATIENT,
        }


@asynccontextmanager
async def whole(
    folder: Path, *, is_ready: bool = True, reply: str = "Certainly.", **settings: str
) -> AsyncIterator[Whole]:
    """Two workers that listen, and are ready; killed at the end if they still run."""
    async with backends(reply) as environment:
        ports_file = folder / "ports.json"
        arguments = ("serve", "--workers", str(WORKERS), "--ports-file", str(ports_file))
        process = await start(*arguments, **environment, **settings)
        try:
            gateway = Gateway(process)
            await gateway.told("listening", workers=WORKERS)
            made = Whole(gateway, json.loads(ports_file.read_text(encoding="utf-8")))
            if is_ready:
                await until(lambda: is_page_ready(made))
            yield made
        finally:
            if process.returncode is None:
                process.kill()  # its workers see it gone and end
                await process.communicate()


async def is_page_ready(made: Whole) -> bool:
    """Whether the merged page says that it is ready."""
    return bool((await made.health())["is_ready"])


async def call(stack: AsyncExitStack, made: Whole) -> ConverseClient:
    """A call on a connection of its own, which has begun."""
    client = await stack.enter_async_context(ConverseClient(made.address, own_connection=True))
    await client.start(timeout_s=BOUND_S)
    return client


async def calls_on_both(stack: AsyncExitStack, made: Whole) -> list[ConverseClient]:
    """Calls, so many that each worker has one."""
    made_calls: list[ConverseClient] = []
    while 0 in await made.sessions():
        assert len(made_calls) < MOST_CALLS
        made_calls.append(await call(stack, made))
    return made_calls


async def answered(client: ConverseClient) -> None:
    """One turn of a call, and its end."""
    await client.push(QUESTION)
    await client.wait_for("turn_report", timeout_s=BOUND_S)
    await client.half_close()
    await client.wait_end(timeout_s=BOUND_S)


async def test_two_workers_serve_one_port_and_are_counted_as_one(tmp_path: Path) -> None:
    """Calls land on both, each is answered, metrics and health are the sums; the parent has neither gRPC nor numpy."""
    port = free_port()
    async with whole(tmp_path, HEALTH_PORT=str(port)) as made, AsyncExitStack() as stack:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert await is_serving(channel, "liveness")
        calls = await calls_on_both(stack, made)
        assert sum(await made.sessions()) == len(calls)

        async def are_summed() -> bool:
            page, series = await made.health(), await made.values()
            return (
                page["sessions"] == series["voicegateway_sessions_in_progress"] == len(calls)
                and page["capacity"] == series["voicegateway_sessions_capacity"] == 100
                and [each["capacity"] for each in page["workers"]] == [50, 50]
                and series[STARTED] == len(calls)
                and series[IN_STATE.format("running")] == WORKERS
            )

        await until(are_summed)
        await asyncio.gather(*map(answered, calls))
        await until(lambda: has_value(made, "voicegateway_voice_to_voice_seconds_count", len(calls)))
        heavy = ("cygrpc", "numpy")
        assert not [name for name in heavy if name in loaded(made.gateway.process.pid)]
        assert all(name in loaded(pid) for name in heavy for pid in made.pids())


def loaded(pid: int) -> str:
    """The libraries of a process."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


async def test_a_killed_worker_comes_back_and_no_counter_falls(tmp_path: Path) -> None:
    """It is said which one, why and how many calls are lost; the other's calls go on; what was counted stays."""
    async with whole(tmp_path) as made, AsyncExitStack() as stack:
        calls = await calls_on_both(stack, made)
        of_each = await made.sessions()
        await until(lambda: has_value(made, STARTED, len(calls)))
        before = made.pids()
        os.kill(before[0], signal.SIGKILL)
        told = await made.gateway.told("worker ended and is started again")
        assert (told["signal"], told["sessions_lost"]) == ("SIGKILL", of_each[told["of_worker"]])
        assert await made.value(STARTED) == len(calls)
        await until(lambda: has_value(made, IN_STATE.format("running"), WORKERS))
        await until(lambda: is_page_ready(made))
        assert before[1] in made.pids()
        assert len(made.pids()) == WORKERS
        assert await made.value("voicegateway_worker_deaths_total") == 1
        assert await made.value(STARTED) == len(calls)
        left = 1 - told["of_worker"]
        assert (await made.sessions())[left] == of_each[left]
        await call(stack, made)
        await until(lambda: has_value(made, STARTED, len(calls) + 1))


async def has_value(made: Whole, series: str, value: float) -> bool:
    """Whether a series has this value."""
    return await made.value(series) == value


async def test_a_worker_that_joins_others_knows_its_backends() -> None:
    """It has calls as soon as it listens, and refuses none of them for that."""
    async with backends() as environment:
        settings = config.load({**environment, "GRPC_PORT": "0"}, share=Share(0, 2))
        gateway = InProcess(settings)
        await gateway.start()
        try:
            assert all(backend.is_healthy for backend in gateway._backends)
        finally:
            await gateway.stop()


async def test_both_may_die_at_once(tmp_path: Path) -> None:
    """The port is still held, both come back, and calls are taken again."""
    async with whole(tmp_path) as made, AsyncExitStack() as stack:
        for pid in made.pids():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: has_value(made, "voicegateway_worker_deaths_total", WORKERS))
        await until(lambda: is_page_ready(made))
        await call(stack, made)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_both(tmp_path: Path, how: signal.Signals) -> None:
    """Each worker finishes, each drains once however often it is signalled, and the exit code is one process's."""
    async with whole(tmp_path) as made, AsyncExitStack() as stack:
        calls = await calls_on_both(stack, made)
        for pid in (made.gateway.process.pid, *made.pids()):
            os.kill(pid, how)  # as systemd and a terminal do
        for client in calls:
            await client.wait_for("going_away", timeout_s=BOUND_S)
            await client.half_close()
            await client.wait_end(timeout_s=BOUND_S)
        assert await made.gateway.ended() == 0
        events = Counter((line["event"], line.get("worker")) for line in made.gateway.log)
        assert [events[("stopped", worker)] for worker in (0, 1, None)] == [1, 1, 1]
        assert [events[("draining", worker)] for worker in (0, 1)] == [1, 1]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_all_that_start_is_a_clean_end(how: signal.Signals) -> None:
    """A worker that still imports its modules writes no traceback, and the exit code is 0."""
    async with backends() as environment:
        process = await start("serve", "--workers", str(WORKERS), **environment)
        made = Whole(Gateway(process), {})

        async def has_worker() -> bool:
            return bool(made.pids())

        await until(has_worker)
        for pid in (process.pid, *made.pids()):
            os.kill(pid, how)
        assert await made.gateway.ended() == 0
        assert "stopped" in made.gateway.events


async def test_a_second_signal_ends_the_drain(tmp_path: Path) -> None:
    """Whoever is in a hurry is obeyed, as by one process, also in the middle of a reply."""
    async with whole(tmp_path, reply=STORY, SHUTDOWN_GRACE_PERIOD=LONG_GRACE_S) as made, AsyncExitStack() as stack:
        (client, *_) = await calls_on_both(stack, made)
        client.send_text("tell me a story")
        await client.wait_for("reply_audio", timeout_s=BOUND_S)
        made.gateway.process.send_signal(signal.SIGTERM)
        await made.gateway.told("draining", worker=0)
        made.gateway.process.send_signal(signal.SIGTERM)
        assert await made.gateway.ended() == 0


async def test_workers_of_a_killed_parent_end(tmp_path: Path) -> None:
    """They drain; a signal to those that are left cuts off no reply; then they leave the port to a successor."""
    async with whole(tmp_path, reply=STORY, SHUTDOWN_GRACE_PERIOD=LONG_GRACE_S) as made, AsyncExitStack() as stack:
        pids = made.pids()
        assert len(pids) == WORKERS
        calls = await calls_on_both(stack, made)
        for client in calls:
            client.send_text("tell me a story")
            await client.wait_for("reply_audio", timeout_s=BOUND_S)
        made.gateway.process.kill()
        for client in calls:
            await client.wait_for("going_away", timeout_s=BOUND_S)
        for pid in pids:
            os.kill(pid, signal.SIGTERM)  # as systemd does with what is left of a service
        for client in calls:
            client.interrupt()
            await client.wait_for("reply_interrupted", timeout_s=BOUND_S)
            await client.half_close()
            await client.wait_end(timeout_s=BOUND_S)

        async def are_gone() -> bool:
            return not any(is_alive(pid) for pid in pids)

        await until(are_gone)
        with socket.create_server(("127.0.0.1", made.ports["grpc"])):
            pass


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits for its parent to ask how it ended does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    """Another program's, and that of another gateway with workers, which could be shared without a word."""
    with socket.create_server(("", 0)) as other:
        port = str(other.getsockname()[1])
        code, _, err = await outcome("serve", "--workers", "2", GRPC_PORT=port)
        assert code == 1
        assert f"port {port} cannot be opened" in err[0]
    async with whole(tmp_path, is_ready=False) as made:
        port = str(made.ports["grpc"])
        for workers in ("1", "2"):
            code, _, err = await outcome("serve", "--workers", workers, GRPC_PORT=port)
            assert code == 1
            assert any(f"port {port} cannot be opened" in line for line in err)


async def test_mistakes_are_told_once_and_before_anything_runs() -> None:
    """One line for each, status 2, as of one process; what only a worker can find is told by the first of them."""
    code, _, err = await outcome("serve", "--workers", "4", MAX_SESSIONS="3", QUOTA_SESSIONS="2")
    assert code == 2
    assert err == [
        "voice-gateway: MAX_SESSIONS is 3, which cannot be divided among WORKERS=4: each needs 1 at least",
        "voice-gateway: QUOTA_SESSIONS is 2, which cannot be divided among WORKERS=4: each needs 1 at least",
    ]
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}
    code, _, err = await outcome("serve", "--workers", "2", **wrong)
    assert code == 2
    assert sum("a variable of OpenTelemetry cannot be used" in line for line in err) == 1


async def test_top_and_the_admin_service_tell_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever worker is asked, the calls of both are shown, and each worker has its part of a line."""
    port = free_port()
    async with whole(tmp_path, ADMIN_PORT=str(port)) as made, AsyncExitStack() as stack:
        calls = await calls_on_both(stack, made)
        of_each = await made.sessions()
        for _ in range(4):  # each asks whomever the kernel chooses

            async def are_all_there() -> bool:
                seen = await asyncio.to_thread(look, port)
                told = [each.sessions for each in seen.workers if each.has_answered]
                return told == of_each and (seen.sessions, seen.capacity, len(seen.calls)) == (
                    len(calls),
                    100,
                    len(calls),
                )

            await until(are_all_there)

        async def is_shown() -> bool:
            status = await asyncio.to_thread(command.top, f"127.0.0.1:{port}", is_once=True)
            return status == 0 and f"workers  0: {of_each[0]} of 50" in capsys.readouterr().out

        await until(is_shown)


def look(port: int) -> Overview:
    """What the admin service tells."""
    with AdminClient(f"127.0.0.1:{port}") as client:
        try:
            return client.look()
        except OverviewUnknown:  # a busy machine
            return replace(OVERVIEW, workers=())


async def test_a_worker_that_stands_still_is_named_and_counted_no_more(tmp_path: Path) -> None:
    """Its gauges are left out, its counters stay, and the others answer."""
    async with whole(tmp_path) as made, AsyncExitStack() as stack:
        calls = await calls_on_both(stack, made)
        await until(lambda: has_value(made, STARTED, len(calls)))
        stopped = made.pids()[0]
        os.kill(stopped, signal.SIGSTOP)
        stack.callback(os.kill, stopped, signal.SIGKILL)  # it would never see its parent gone

        async def is_left_out() -> bool:
            series = await made.values()
            assert series[STARTED] == len(calls)
            return series[IN_STATE.format("silent")] >= 1 and series["voicegateway_sessions_in_progress"] < len(calls)

        await until(is_left_out)
