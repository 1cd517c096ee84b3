"""Names, connections and health checks of a backend in virtual time; the resolver and the connections are fakes."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from gateway_kit import virtual_time
from gateway_kit.backend_watch import FakeWatch
from voice_gateway.backends.addresses import pool as pool_module
from voice_gateway.backends.addresses.book import CHECK_MS, EJECTED_MS, LONELY_CHECK_MS, Address
from voice_gateway.backends.addresses.names import Endpoint, endpoint_of, resolve
from voice_gateway.backends.addresses.pool import AddressPool, CheckFailedError, Member, Request
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.ids import SessionId

ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"


@dataclass(eq=False)
class FakeConnection:
    """A connection to one address."""

    host: str
    checked_at_s: list[float] = field(default_factory=list)
    is_closed: bool = False

    async def close(self) -> None:
        """Remember."""
        self.is_closed = True


@dataclass
class Rig:
    """A pool of one name and everything round it."""

    hosts: tuple[str, ...] | OSError = (ONE,)
    """What the name resolves to."""
    dead: set[str] = field(default_factory=set)
    """Addresses whose health checks fail."""
    connections: dict[str, FakeConnection] = field(default_factory=dict)
    watch: FakeWatch = field(default_factory=FakeWatch)
    resolutions_s: list[float] = field(default_factory=list)
    replaced: list[FakeConnection] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the pool."""
        self.start_s = asyncio.get_running_loop().time()
        endpoints = (Endpoint("riva", 50_051),)
        self.pool = AddressPool(Backend.ASR, endpoints, self.connect, self.check, self.resolve)
        self.pool.watch(self.watch)

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return asyncio.get_running_loop().time() - self.start_s

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """As the test says."""
        assert (host, port) == ("riva", 50_051)
        self.resolutions_s.append(self.now_s)
        if isinstance(self.hosts, OSError):
            raise self.hosts
        return self.hosts

    def connect(self, address: Address, old: FakeConnection | None) -> FakeConnection:
        """A connection, with the record of the one it replaces."""
        if old is not None:
            self.replaced.append(old)
        self.connections[address.host] = FakeConnection(address.host)
        return self.connections[address.host]

    async def check(self, connection: FakeConnection) -> None:
        """As the test says."""
        connection.checked_at_s.append(self.now_s)
        if connection.host in self.dead:
            raise CheckFailedError("UNAVAILABLE", "connection refused")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the addresses meanwhile."""
        task = asyncio.create_task(self.pool.run())
        try:
            await asyncio.sleep(0.001)
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self.pool.close()
        assert task.cancelled()

    def order(self) -> list[str]:
        """Where a new call would go, one after the other."""
        return [member.address.host for member in self.pool.candidates()]

    def begin(self) -> Member[FakeConnection]:
        """A new call."""
        member = next(self.pool.candidates())
        member.begin()
        return member


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene in virtual time."""
    virtual_time.run(scene)


def test_an_added_replica_serves_after_the_next_resolution() -> None:
    """Scaling a backend up helps within 5 s of its name's change, without a restart, and each address is connected."""

    async def scene() -> None:
        rig = Rig()
        async with rig.running():
            rig.begin()
            rig.hosts = (ONE, TWO, THREE)
            await asyncio.sleep(pool_module.RESOLVE_S)
            assert sorted(rig.order()) == [ONE, TWO, THREE]
            assert [rig.begin().address.host for _ in range(2)] == [TWO, THREE]
            assert rig.resolutions_s == [0, 5]

    play(scene())


def test_a_vanished_replica_keeps_its_calls_and_is_closed_after_them() -> None:
    """Scaling down cuts nobody: no new calls go there, and its connection is closed when the last one has ended."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            calls = [rig.begin() for _ in range(2)]
            rig.hosts = (TWO,)
            await asyncio.sleep(pool_module.RESOLVE_S)
            assert rig.order() == [TWO]
            assert not rig.connections[ONE].is_closed
            for call in calls:
                call.end(call.connection)
            await asyncio.sleep(0)
            assert (rig.connections[ONE].is_closed, rig.connections[TWO].is_closed) == (True, False)
            assert [each.address for each in rig.pool.status().addresses] == [f"{TWO}:50051"]

    play(scene())


def test_an_address_that_leaves_while_others_are_tried_is_not_tried() -> None:
    """A list of candidates is as old as the first attempt; who has left since then is passed over."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO, THREE))
        async with rig.running():
            candidates = rig.pool.candidates()
            assert next(candidates).address.host == ONE
            rig.hosts = (ONE, THREE)
            await asyncio.sleep(pool_module.RESOLVE_S)
            assert [member.address.host for member in candidates] == [THREE]

    play(scene())


@pytest.mark.parametrize("error", [socket.gaierror(-3, "Temporary failure"), UnicodeError("label too long")])
def test_a_failed_resolution_keeps_the_addresses(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An outage of the name service is no outage of the backends; it is told once, and in the status while it lasts."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            rig.hosts = error  # type: ignore[assignment]  # raised as it is
            with caplog.at_level(logging.WARNING):
                await asyncio.sleep(3 * pool_module.RESOLVE_S)
            assert rig.order() == [ONE, TWO]
            (name,) = rig.pool.status().unresolved
            assert name.name == "riva:50051"
            rig.hosts = (ONE,)
            await asyncio.sleep(pool_module.RESOLVE_S)
            assert rig.pool.status().unresolved == ()
            assert rig.order() == [ONE]

    async def resolve_any(self: Rig, host: str, port: int) -> tuple[str, ...]:
        del host, port
        if isinstance(self.hosts, Exception):
            raise self.hosts
        return self.hosts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rig, "resolve", resolve_any)
        play(scene())
    assert [record.getMessage() for record in caplog.records] == ["backend name cannot be resolved"]


def test_a_name_that_resolves_late_is_waited_for() -> None:
    """A backend that is deployed after the gateway is found; until then nothing is healthy and nothing crashes."""

    async def scene() -> None:
        rig = Rig(hosts=socket.gaierror(-2, "Name or service not known"))
        async with rig.running():
            assert not rig.pool.is_healthy
            assert rig.order() == []
            rig.hosts = (ONE,)
            await asyncio.sleep(pool_module.RESOLVE_S)
            assert rig.pool.is_healthy

    play(scene())


def test_a_dead_address_is_ejected_and_readmitted_by_a_health_check() -> None:
    """Nobody's call finds out that a replica died in its place, and it serves again soon after it is back."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            rig.dead = {ONE}
            await asyncio.sleep(CHECK_MS / 1_000 + 1.1)  # the next check, and two half a second after the other
            states = {each.address: each.state for each in rig.pool.status().addresses}
            assert states == {f"{ONE}:50051": AddressState.EJECTED, f"{TWO}:50051": AddressState.HEALTHY}
            assert rig.watch.failures == [(Backend.ASR, f"{ONE}:50051")] * 3
            rig.dead = set()
            await asyncio.sleep(EJECTED_MS[0] / 1_000)
            assert {each.state for each in rig.pool.status().addresses} == {AddressState.HEALTHY}

    play(scene())


def test_a_failed_call_has_its_address_checked_at_once() -> None:
    """One failed call is doubt: the address is asked within half a second instead of five, and has its place back."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            call = rig.begin()
            call.doubt("UNAVAILABLE")
            call.end(call.connection)
            assert rig.order() == [TWO, ONE]
            await asyncio.sleep(0.6)
            assert rig.connections[ONE].checked_at_s == pytest.approx([0, 0.501], abs=0.01)
            assert rig.order() == [TWO, ONE]  # only because it was used last
            for _ in range(2):
                rig.begin()
            assert rig.connections[TWO].checked_at_s == [0]

    play(scene())


def test_a_request_is_blamed_on_an_address_by_the_answer_of_another() -> None:
    """A request that fails everywhere ejects nobody; one that another address serves counts once on the first."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            one, two = rig.pool.candidates()
            for number in range(6):
                bad: Request[FakeConnection] = Request(SessionId(f"bad{number}"))
                bad.failed(one, "INTERNAL")
                bad.failed(two, "INTERNAL")
            assert {each.state for each in rig.pool.status().addresses} == {AddressState.HEALTHY}
            for number in range(3):
                states = {each.address: each.state for each in rig.pool.status().addresses}
                assert set(states.values()) == {AddressState.HEALTHY}
                good: Request[FakeConnection] = Request(SessionId(f"good{number}"))
                good.failed(one, "INTERNAL")
                good.failed(one, "INTERNAL")
                good.served(by=two)
            assert rig.pool.status().addresses[0].state is AddressState.EJECTED
            assert len(rig.replaced) == 1
            assert rig.order() == [TWO, ONE]

    play(scene())


def test_what_breaks_after_it_was_served_is_blamed_on_whoever_served_it() -> None:
    """A request in progress can be carried nowhere else, so nobody else need answer it first."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            one = next(rig.pool.candidates())
            for number in range(3):
                request: Request[FakeConnection] = Request(SessionId(f"s{number}"))
                request.served(by=one)
                request.failed(one, "UNAVAILABLE")
            assert rig.pool.status().addresses[0].state is AddressState.EJECTED

    play(scene())


def test_an_ejected_address_gets_another_connection() -> None:
    """A connection to a node without power leads nowhere for a quarter of an hour; calls on the old one are not cut."""

    async def scene() -> None:
        rig = Rig(dead={ONE})
        async with rig.running():
            member = next(rig.pool.candidates())
            old = member.begin()
            await asyncio.sleep(2)
            assert rig.pool.status().addresses[0].state is AddressState.EJECTED
            assert rig.replaced == [old]
            assert not old.is_closed
            checks = len(old.checked_at_s)
            await asyncio.sleep(2)
            assert len(old.checked_at_s) == checks
            new = member.begin()
            assert new is not old
            member.end(old)
            await asyncio.sleep(0)
            assert (old.is_closed, new.is_closed) == (True, False)
            member.end(new)
        assert new.is_closed

    play(scene())


def test_a_full_address_rests() -> None:
    """A call that is refused for want of room sends the next ones elsewhere, and blames nobody."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            call = rig.begin()
            call.rest(1_000)
            call.end(call.connection)
            other = rig.begin()
            assert (other.address.host, rig.order()) == (TWO, [TWO, ONE])
            await asyncio.sleep(1)
            assert rig.order() == [ONE, TWO]
            assert rig.watch.failures == []

    play(scene())


def test_while_nobody_answers_all_are_asked_twice_a_second() -> None:
    """A gateway that waits for its backends is ready within half a second of theirs."""

    async def scene() -> None:
        rig = Rig(dead={ONE})
        async with rig.running():
            await asyncio.sleep(20.2)
            (old,) = rig.replaced
            checks = len(old.checked_at_s) + len(rig.connections[ONE].checked_at_s)
            assert checks == 20.2 // (LONELY_CHECK_MS / 1_000) + 1
            rig.dead = set()
            await asyncio.sleep(LONELY_CHECK_MS / 1_000)
            assert rig.pool.is_healthy

    play(scene())


def test_a_check_that_hangs_delays_nothing_else() -> None:
    """A powered-off node holds up neither the resolution of names nor the health checks of others."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        asked: list[str] = []

        async def hang(connection: FakeConnection) -> None:
            asked.append(connection.host)
            if connection.host == ONE and len(asked) > 2:
                await asyncio.Event().wait()

        rig.pool._check = hang
        async with rig.running():
            rig.hosts = (ONE, TWO, THREE)
            await asyncio.sleep(2 * CHECK_MS / 1_000 + 0.5)
            assert rig.resolutions_s == [0, 5, 10]
            assert asked.count(ONE) == 2
            assert asked.count(TWO) == 3
            assert THREE in rig.order()

    play(scene())


def test_an_address_may_go_while_it_is_asked_in_the_midst_of_a_call() -> None:
    """A call that ends meanwhile takes its address along; the question ends in peace, and then the connection does."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            call = rig.begin()
            rig.hosts = (TWO,)
            await asyncio.sleep(pool_module.RESOLVE_S)
            answer = asyncio.Event()

            async def wait(_: FakeConnection) -> None:
                await answer.wait()
                raise CheckFailedError("UNAVAILABLE")

            rig.pool._check = wait
            asking = asyncio.create_task(call.ask())
            await asyncio.sleep(0)
            call.end(call.connection)
            await asyncio.sleep(0)
            assert [each.address for each in rig.pool.status().addresses] == [f"{TWO}:50051"]
            assert not rig.connections[ONE].is_closed
            rig.watch.failures.clear()
            answer.set()
            assert await asking is False
            await asyncio.sleep(0)
            assert rig.connections[ONE].is_closed
            assert rig.watch.failures == []
            assert await call.ask() is False

    play(scene())


def test_two_questions_at_once_may_outlive_their_address() -> None:
    """The first answer ends the check that the other one is still part of, and the address is let go between them."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            call = rig.begin()
            questions = [asyncio.create_task(call.ask()) for _ in range(2)]
            call.end(call.connection)
            rig.hosts = ()
            await rig.pool.probe()
            assert [await question for question in questions] == [True, True]
            assert rig.pool.status().addresses == ()

    play(scene())


def test_a_fault_of_ours_in_a_check_is_logged_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one health check must not end them all, nor let an address pass for healthy."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE,))

        async def broken(_: FakeConnection) -> None:
            raise ZeroDivisionError

        rig.pool._check = broken
        async with rig.running():
            await asyncio.sleep(1)
            assert not rig.pool.is_healthy
            assert rig.pool.status().addresses[0].cause == "internal error"

    with caplog.at_level(logging.ERROR):
        play(scene())
    assert all(record.exc_info for record in caplog.records)
    assert len(caplog.records) >= 2


def test_what_suits_goes_first_and_alone() -> None:
    """Calls go where they can be served, and anywhere when nobody says that it can."""

    async def scene() -> None:
        rig = Rig(hosts=(ONE, TWO))
        async with rig.running():
            assert [each.address.host for each in rig.pool.candidates(lambda each: each.host == TWO)] == [TWO]
            assert [each.address.host for each in rig.pool.candidates(lambda _: False)] == [ONE, TWO]

    play(scene())


@pytest.mark.parametrize(
    ("url", "proxies", "expected", "is_final"),
    [
        ("http://riva:50051", {}, Endpoint("riva", 50_051), False),
        ("http://10.0.0.1:50051", {}, Endpoint("10.0.0.1", 50_051), True),
        ("http://[fd00::1]:50051", {}, Endpoint("fd00::1", 50_051), True),
        ("https://llm.example/v1", {}, Endpoint("llm.example", 443), False),
        ("https://llm.example/v1", {"https_proxy": "http://p:1"}, Endpoint("llm.example", 443, is_proxied=True), True),
        ("https://llm.example/v1", {"http_proxy": "http://p:1"}, Endpoint("llm.example", 443), False),
        ("https://llm/v1", {"https_proxy": "http://p:1", "no_proxy": "llm"}, Endpoint("llm", 443), False),
    ],
)
def test_endpoints_are_read_from_urls(
    url: str, proxies: dict[str, str], expected: Endpoint, *, is_final: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are resolved, addresses are not, and neither is what a proxy is to resolve."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, proxy in proxies.items():
        monkeypatch.setenv(name, proxy)
    endpoint = endpoint_of(url, ("https", "all"))
    assert (endpoint, endpoint.is_final) == (expected, is_final)


def test_a_url_without_a_host_is_refused() -> None:
    """A mistake that no setting's check has caught is told, not dialled."""
    with pytest.raises(ValueError, match="no host"):
        endpoint_of("http://:80", ())


async def test_the_loops_resolver_is_asked() -> None:
    """Every address once, as literals; a name that is none raises what the pool expects."""
    assert "127.0.0.1" in await resolve("localhost", 80)
    with pytest.raises(socket.gaierror):
        await resolve("no-such-name.invalid", 80)
