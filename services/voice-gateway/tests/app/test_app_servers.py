"""How the gateway's servers treat connections: pings, and streams that are not sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from gateway_kit.loopback import listening
from gateway_kit.whole_gateway import world
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice_gateway import config
from voice_gateway.app import gateway as gateway_module
from voice_gateway.app import servers
from voice_gateway.app.reflection import MAX_STREAMS_OF_AN_ACCOUNT
from voice_gateway.backends.jwks.client import JwksPage
from voice_gateway.identity.entrance import Entrance
from voice_gateway.observability.health_service import MAX_WATCHERS_OF_AN_ACCOUNT, HealthService
from voice_gateway.observability.metrics import Metrics
from voice_gateway.session.admission import sampler
from voice_gateway.session.admission.gate import UNSTARTED
from voice_gateway.session.admission.load import Load
from voice_gateway.session.admission.sampler import LoadSampler
from voice_gateway.session.pacer import Pacer
from voice_gateway.transports.grpc_wire import unary
from voice_gateway.transports.grpc_wire.auth import account_of
from voice_gateway.transports.grpc_wire.wire import KEEPALIVE_OPTIONS
from voice_gateway.transports.refusal_log import RefusalLog
from voicegateway.v1 import client_pb2, voice_gateway_service_pb2
from voicegateway_testkit.clients.pings import ping
from voicegateway_testkit.hostile.half_sent import HalfSentCalls

BOUND_S = 30.0
PINGS = 12
"""gRPC cuts off whoever sends the third that is too early; its own preface may make one or two of grace."""
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
CAPABILITIES = "/voicegateway.v1.VoiceGatewayService/GetCapabilities"
CONVERSE = "/voicegateway.v1.VoiceGatewayService/Converse"
START = voice_gateway_service_pb2.ConverseRequest(start=client_pb2.Start()).SerializeToString()
SETTINGS = config.load({})
ANYBODY = Entrance(SETTINGS.identity, open_page=JwksPage, watched=())
MAKERS = {
    "calls": lambda: servers.grpc_server(SETTINGS.server, ANYBODY, 100, RefusalLog(Metrics())),
    "health": servers.health_server,
}


@asynccontextmanager
async def serving(kind: str) -> AsyncIterator[str]:
    """One of the gateway's servers, with nothing on it."""
    server = MAKERS[kind]()
    async with listening(server) as address:
        yield address


@pytest.mark.parametrize("kind", MAKERS)
async def test_pings_are_allowed_by_our_interval(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval that is written is the one that gRPC goes by: at 0 no ping is too early, with or without a call."""
    free = tuple((name, 0 if "ping_interval" in name else value) for name, value in servers.PORT_OPTIONS)
    monkeypatch.setattr(servers, "PORT_OPTIONS", free)
    async with serving(kind) as address:
        pinged = await ping(address, PINGS)
    assert (pinged.answered, pinged.goaway) == (PINGS, "")


@pytest.mark.parametrize("kind", MAKERS)
async def test_a_flood_of_pings_is_cut_off(kind: str) -> None:
    """Who pings as fast as it can is told so and leaves."""
    async with serving(kind) as address:
        assert (await ping(address, PINGS)).goaway == "too_many_pings"


def test_a_ping_in_five_seconds_is_never_too_early() -> None:
    """Also when it comes two seconds early, because the one before was late."""
    assert dict(servers.PORT_OPTIONS)["grpc.http2.min_ping_interval_without_data_ms"] <= 3_000


def capacity_of(details: bytes) -> tuple[str, bool]:
    """The reason in a status, and whether it says when to come again."""
    first, *others = status_pb2.Status.FromString(details).details
    info = error_details_pb2.ErrorInfo()
    assert first.Unpack(info)
    return info.reason, any(other.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for other in others)


@pytest.mark.parametrize(
    ("method", "start"),
    [
        (CONVERSE, START),
        ("/voice_workflow.VoiceGateway/StreamAudio", b"\x0a\x07\x0a\x05en-US"),
    ],
    ids=["v1", "legacy"],
)
async def test_a_proxys_one_connection_is_refused_and_never_kept_waiting(method: str, start: bytes) -> None:
    """Of 60 calls on one connection of a server for two, two have sessions and 58 are told so while those run."""
    async with world(settings={"MAX_SESSIONS": "2"}) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
        calls: list[grpc.aio.StreamStreamCall[bytes, bytes]] = [channel.stream_stream(method)() for _ in range(60)]
        for call in calls[:2]:
            await call.write(start)
            assert isinstance(await call.read(), bytes)
        for call in calls[2:]:
            await call.write(start)
        codes = await asyncio.gather(*(call.code() for call in calls[2:]))
        assert set(codes) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        for call in calls[2:]:
            details = dict(await call.trailing_metadata() or ())["grpc-status-details-bin"]
            assert isinstance(details, bytes)
            assert capacity_of(details) == ("AT_CAPACITY", True)
        calls[0].cancel()
        calls[1].cancel()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The options of the server of the calls, for 250 sessions, and of that of the probes."""
    made: list[dict[str, object]] = []

    def server(*, options: tuple[tuple[str, object], ...], **_: object) -> None:
        made.append(dict(options))

    monkeypatch.setattr(grpc.aio, "server", server)
    servers.grpc_server(SETTINGS.server, ANYBODY, 250, RefusalLog(Metrics()))
    servers.health_server()
    return made


def test_a_whole_connection_of_sessions_leaves_room_for_refusals(made: list[dict[str, object]]) -> None:
    """Streams of a connection are bounded, above what its sessions need and what else may stay on it."""
    assert [options["grpc.max_concurrent_streams"] for options in made] == [350, 100]
    staying = MAX_WATCHERS_OF_AN_ACCOUNT + MAX_STREAMS_OF_AN_ACCOUNT + UNSTARTED
    assert staying < servers.OTHER_STREAMS


def test_a_lost_client_is_found_out(made: list[dict[str, object]]) -> None:
    """Both ports ask for a sign of life: a watcher whose machine lost its power does not stay for two hours."""
    assert all(dict(KEEPALIVE_OPTIONS).items() <= options.items() for options in made)


async def refused_with(channel: grpc.aio.Channel) -> str:
    """The reason that a newcomer is refused with."""
    call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(CONVERSE)()
    await call.write(START)
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(await call.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    return capacity_of(details)[0]


async def test_quotas_count_whoever_calls() -> None:
    """Two connections of one address are one caller; its running call goes on, and its end lets the next one in."""
    async with (
        world(settings={"QUOTA_SESSIONS": "1"}) as gateway,
        grpc.aio.insecure_channel(gateway.address) as one,
        grpc.aio.insecure_channel(gateway.address, options=(("grpc.use_local_subchannel_pool", 1),)) as other,
    ):
        first: grpc.aio.StreamStreamCall[bytes, bytes] = one.stream_stream(CONVERSE)()
        await first.write(START)
        assert isinstance(await first.read(), bytes)
        assert await refused_with(other) == "QUOTA_EXCEEDED"
        assert not first.done()
        await first.done_writing()
        while isinstance(await first.read(), bytes):
            pass
        assert await first.code() is grpc.StatusCode.OK
        second: grpc.aio.StreamStreamCall[bytes, bytes] = other.stream_stream(CONVERSE)()
        await second.write(START)
        assert isinstance(await second.read(), bytes)
        second.cancel()


async def test_a_full_gateway_may_turn_unready() -> None:
    """What is measured each second reaches the probes, and a probe is answered by a full gateway."""
    settings = {"MAX_SESSIONS": "1", "UNREADY_WHEN_FULL": "on"}
    async with world(settings=settings) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(CONVERSE)()
        await call.write(START)
        await call.read()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await refused_with(channel) == "AT_CAPACITY"
        live = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        assert live.status == health_pb2.HealthCheckResponse.SERVING
        call.cancel()


@pytest.mark.parametrize(
    ("kind", "method", "measured", "limit"),
    [
        (LoadSampler, "sample", Load(cpu_percent=200.0), "cpu"),
        (Pacer, "take_lateness_ms", (1_000.0,), "added_latency"),
    ],
)
async def test_load_refuses_whom_it_would_harm(
    kind: type, method: str, measured: object, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured each second reaches the door: beside four calls that run, the fifth is told that all is full."""
    monkeypatch.setattr(sampler, "EVERY_MS", 5)
    monkeypatch.setattr(kind, method, lambda _: measured)
    settings = {"ADMIT_MAX_CPU_PERCENT": "0"} if kind is Pacer else {}
    async with world(settings=settings) as around, grpc.aio.insecure_channel(around.address) as channel:
        calls: list[grpc.aio.StreamStreamCall[bytes, bytes]] = [channel.stream_stream(CONVERSE)() for _ in range(4)]
        for call in calls:
            await call.write(START)
            assert isinstance(await call.read(), bytes)
        async with asyncio.timeout(BOUND_S):
            while around.gateway._admission.fullness < 1:  # noqa: ASYNC110 - the sampler tells nobody
                await asyncio.sleep(0.005)
        assert await refused_with(channel) == "AT_CAPACITY"
        name, labels = "voicegateway_sessions_refused_total", {"reason": "AT_CAPACITY", "limit": limit}
        assert around.gateway._metrics.registry.get_sample_value(name, labels) == 1
        for call in calls:
            assert not call.done()
            call.cancel()


async def test_a_gateway_gives_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is among what a serving gateway does all the time."""
    works = asyncio.Event()

    async def give_back() -> None:
        works.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(gateway_module, "give_back_memory", give_back)
    async with world(), asyncio.timeout(BOUND_S):
        await works.wait()


# --- methods with one request ---


@asynccontextmanager
async def health_port() -> AsyncIterator[str]:
    """The server of HEALTH_PORT."""
    server, health = servers.health_server(), HealthService(account_of)
    servers.add_health(server, health)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    async with listening(server) as address:
        yield address


@asynccontextmanager
async def whole_gateway() -> AsyncIterator[str]:
    """The server of the calls."""
    async with world() as gateway:
        yield gateway.address


async def half_sent(address: str, method: str, message_bytes: int = 4_000) -> set[str]:
    """How three calls end that sent all but the last byte of their request."""
    host, _, port = address.rpartition(":")
    calls = HalfSentCalls(host, int(port), message_bytes, method)
    await calls.hold(3, BOUND_S)
    assert len(calls.statuses) == 3
    return set(calls.statuses.values())


@pytest.mark.parametrize(
    ("where", "method"),
    [
        (whole_gateway, CAPABILITIES),
        (whole_gateway, CHECK),
        (whole_gateway, WATCH),
        (health_port, CHECK),
        (health_port, WATCH),
    ],
)
async def test_half_a_request_is_not_waited_for(where: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unary request that never comes whole is ended DEADLINE_EXCEEDED, wherever it is asked."""
    async with where() as address:
        monkeypatch.setattr(unary, "REQUEST_TIMEOUT_MS", 50)
        assert await half_sent(address, method) == {"grpc-status 4"}


async def test_a_stranger_is_told_so_before_the_request_is_there() -> None:
    """Who may not call is refused by the headers alone, and holds nothing with half a request."""
    async with world(settings={"AUTH_TOKENS": "a-token-of-24-characters"}) as gateway:
        assert await half_sent(gateway.address, CAPABILITIES) == {"grpc-status 16"}  # UNAUTHENTICATED


@pytest.mark.parametrize("where", [whole_gateway, health_port])
async def test_a_probe_with_one_request_is_answered(where: Any) -> None:
    """For a client whose methods are unary nothing has changed: a request, a response, OK; or a status."""
    async with where() as address, grpc.aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        call = health.Check(health_pb2.HealthCheckRequest())
        assert (await call).status == health_pb2.HealthCheckResponse.SERVING
        assert await call.code() is grpc.StatusCode.OK
        assert await health.Check(health_pb2.HealthCheckRequest(service="?")).code() is grpc.StatusCode.NOT_FOUND
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


@pytest.mark.parametrize("method", [CHECK, WATCH])
async def test_a_request_that_is_none_is_told(method: str) -> None:
    """Half-closed without a message, or with one that does not parse: INVALID_ARGUMENT, and no fault in the log."""
    async with health_port() as address, grpc.aio.insecure_channel(address) as channel:
        empty: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()
        await empty.done_writing()
        assert await empty.code() is grpc.StatusCode.INVALID_ARGUMENT
        odd: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(method)()
        await odd.write(b"\xff")
        assert await odd.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_port_of_the_probes_takes_no_large_requests() -> None:
    """It has one service, whose requests are small: a larger one is refused by gRPC, unread."""
    async with health_port() as address, grpc.aio.insecure_channel(address) as channel:
        large: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(CHECK)()
        await large.write(bytes(servers.HEALTH_MESSAGE_BYTES + 1))
        assert await large.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
