"""grpc.health.v1 on a real socket: bounded, and nobody who watches holds up another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice_gateway.app import servers
from voice_gateway.observability import health_service as module
from voice_gateway.observability.health_service import MAX_NAME_CHARS, HealthService
from voice_gateway.transports.grpc_wire.auth import account_of

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@asynccontextmanager
async def serving(service: HealthService) -> AsyncIterator[Any]:
    """A client's stub."""
    server = grpc.aio.server()
    servers.add_health(server, service)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield health_pb2_grpc.HealthStub(channel)
    finally:
        await server.stop(None)


def named(name: str) -> health_pb2.HealthCheckRequest:
    """A question."""
    return health_pb2.HealthCheckRequest(service=name)


async def status_of(watch: Any) -> int:
    """What a watcher is told next."""
    return int((await watch.read()).status)


async def until_left(service: HealthService, watchers: int) -> None:
    """Return when so many watch."""
    async with asyncio.timeout(30):
        while service.watchers != watchers:  # noqa: ASYNC110  a handler that gRPC ends tells nobody
            await asyncio.sleep(0)


async def test_a_name_is_asked_for() -> None:
    """A probe reads what is published; a name that nobody published is not found."""
    service = HealthService(account_of)
    await service.set("readiness", NOT_SERVING)
    async with serving(service) as stub:
        assert (await stub.Check(named("readiness"))).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.Check(named("nobody"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_changes_are_told_as_they_come() -> None:
    """Also of a name that gets its first status later; what stays the same is not told again."""
    service = HealthService(account_of)
    async with serving(service) as stub:
        watch = stub.Watch(named("later"))
        assert await status_of(watch) == UNKNOWN
        await service.set("later", SERVING)
        assert await status_of(watch) == SERVING
        await service.set("later", SERVING)
        await service.set("later", NOT_SERVING)
        assert await status_of(watch) == NOT_SERVING


async def test_one_who_leaves_takes_no_news_from_the_others() -> None:
    """A client that balances by health goes on hearing of a pod after another client has left."""
    service = HealthService(account_of)
    await service.set("", SERVING)
    async with serving(service) as stub:
        leaving, staying = stub.Watch(named("")), stub.Watch(named(""))
        assert [await status_of(leaving), await status_of(staying)] == [SERVING, SERVING]
        leaving.cancel()
        await until_left(service, 1)
        await service.set("", NOT_SERVING)
        assert await status_of(staying) == NOT_SERVING


class Deaf:
    """A watcher's call that takes no message to its end."""

    def __init__(self, peer: str = "ipv4:192.0.2.1:1") -> None:
        self._peer = peer
        self.is_writing = asyncio.Event()

    def peer(self) -> str:
        """Somebody."""
        return self._peer

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        """As gRPC does."""
        raise grpc.aio.AbortError(code, details)

    async def write(self, _: object) -> None:
        """For ever."""
        self.is_writing.set()
        await asyncio.Event().wait()


async def test_one_who_does_not_read_holds_up_nobody() -> None:
    """What is published is published, or a deaf watcher would stop the drain of a pod."""
    service, deaf = HealthService(account_of), Deaf()
    context: Any = deaf
    watching = asyncio.create_task(service.Watch(named("readiness"), context))
    await deaf.is_writing.wait()
    await service.set("readiness", NOT_SERVING)
    async with serving(service) as stub:
        assert (await stub.Check(named("readiness"))).status == NOT_SERVING
    watching.cancel()
    await asyncio.wait({watching})
    assert service.watchers == 0


async def test_watchers_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused at once, asking still works, and a place is free when a watcher leaves."""
    monkeypatch.setattr(module, "MAX_WATCHERS_OF_AN_ACCOUNT", 3)
    service = HealthService(account_of)
    await service.set("", SERVING)
    async with serving(service) as stub:
        watches = [stub.Watch(named(f"name {number}")) for number in range(3)]
        for watch in watches:
            await status_of(watch)
        refused = stub.Watch(named(""))
        assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.Check(named(""))).status == SERVING
        watches[0].cancel()
        await until_left(service, 2)
        assert await status_of(stub.Watch(named(""))) == SERVING
    await until_left(service, 0)
    assert not service._watchers


async def test_one_network_cannot_take_the_places_of_others() -> None:
    """An IPv6 customer, who has 2^64 addresses, is one account, as everywhere."""
    service = HealthService(account_of)
    contexts: list[Any] = [Deaf(f"ipv6:%5B2001:db8::{number:x}%5D:5000") for number in range(26)]
    neighbour: Any = Deaf("ipv6:%5B2001:db8:0:1::1%5D:5000")
    welcome = [*contexts[:25], neighbour]
    watching = [asyncio.create_task(service.Watch(named(""), context)) for context in welcome]
    await asyncio.gather(*(context.is_writing.wait() for context in welcome))
    with pytest.raises(grpc.aio.AbortError):
        await service.Watch(named(""), contexts[25])
    for task in watching:
        task.cancel()
    await asyncio.wait(watching)
    assert service.watchers == 0


async def test_watchers_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses take no more than there is."""
    monkeypatch.setattr(module, "MAX_WATCHERS", 1)
    service = HealthService(account_of)
    async with serving(service) as stub:
        await status_of(stub.Watch(named("")))
        assert await stub.Watch(named("")).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_name_may_not_be_long() -> None:
    """Names are kept while they are watched; a megabyte is no name."""
    service = HealthService(account_of)
    async with serving(service) as stub:
        assert await status_of(stub.Watch(named("n" * MAX_NAME_CHARS))) == UNKNOWN
        refused = stub.Watch(named("n" * (MAX_NAME_CHARS + 1)))
        assert await refused.code() is grpc.StatusCode.INVALID_ARGUMENT
