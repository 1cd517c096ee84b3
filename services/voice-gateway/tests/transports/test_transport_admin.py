"""The admin service: its message, and its wire."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import grpc
import grpc.aio
import pytest
from gateway_kit.loopback import listening
from gateway_kit.overviews import CALL, OVERVIEW, telling
from gateway_kit.replicas import free_port
from voice_gateway.app.servers import admin_server
from voice_gateway.domain.overview.values import FloorSeen, Overview, WorkerSeen
from voice_gateway.transports.grpc_admin import server as grpc_admin
from voice_gateway.transports.grpc_admin.client import AdminClient, OverviewUnknown
from voice_gateway.transports.grpc_admin.codec import decode, encode
from voicegateway.admin.v1 import admin_pb2


def ask(address: str) -> Overview:
    """What is told there."""
    with AdminClient(address) as client:
        return client.look()


@pytest.mark.parametrize("floor", FloorSeen)
def test_an_overview_comes_back_as_it_was_sent(floor: FloorSeen) -> None:
    """Every field and every floor survives the wire, and so does what is absent."""
    call = replace(CALL, floor=floor, last_turn=None, user_text="hello", agent_text="good morning")
    sent = replace(OVERVIEW, calls=(CALL, call), loop_lag=None)
    assert decode(encode(sent)) == sent
    assert decode(encode(OVERVIEW)) == OVERVIEW


def test_workers_come_back_as_they_were_sent() -> None:
    """Also one that did not answer, of which nothing else is known."""
    sent = replace(OVERVIEW, workers=(WorkerSeen(0, True, 3, 50, 0.06, 12.5), WorkerSeen(1, False)))
    assert decode(encode(sent)) == sent


def test_units_on_the_wire_are_those_of_the_names() -> None:
    """A client in another language reads milliseconds, microseconds and bytes where the names say so."""
    told = admin_pb2.GetSnapshotResponse.FromString(encode(OVERVIEW)).snapshot
    assert (told.uptime_ms, told.loop_lag.p99_us, told.resident_bytes) == (7_500_000, 2_340, 125_829_120)
    assert (told.calls[0].floor, told.calls[0].age_ms) == (admin_pb2.FLOOR_AGENT, 75_000)
    assert (told.backends[1].addresses[0].first_output_p50_ms, told.turns[0].spans[3].duration_ms) == (40, 100)


async def test_whoever_asks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of `top` and the server understand one another on a real socket, whatever the environment's proxy."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with listening(admin_server(telling(OVERVIEW))) as address:
        assert await asyncio.to_thread(ask, address) == OVERVIEW


async def test_those_who_ask_at_once_are_given_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks faster than answers are written takes no second thread, and who gives up ends it for nobody."""
    goes_on, written, looks = threading.Event(), asyncio.Event(), [0]
    loop = asyncio.get_running_loop()

    async def look() -> Overview:
        looks[0] += 1
        return OVERVIEW

    def encode_later(overview: Overview) -> bytes:
        loop.call_soon_threadsafe(written.set)
        goes_on.wait(30)
        return encode(overview)

    monkeypatch.setattr(grpc_admin, "encode", encode_later)
    answer = grpc_admin.SharedAnswer(look)
    leaving, *asked = [asyncio.create_task(answer.get()) for _ in range(5)]
    await written.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    asked.append(asyncio.create_task(answer.get()))
    await asyncio.sleep(0)
    goes_on.set()
    assert {decode(each) == OVERVIEW for each in await asyncio.gather(*asked)} == {True}
    assert looks == [1]
    await answer.get()
    assert looks == [2]


@contextmanager
def told(text: str) -> Iterator[None]:
    """The block ends with a line that says this."""
    with pytest.raises(OverviewUnknown) as raised:
        yield
    assert text in str(raised.value)


async def test_what_is_not_there_is_one_clear_line() -> None:
    """Nobody at the port, another service at it, and an answer of another version: each is told as what it is."""
    nowhere = f"127.0.0.1:{free_port()}"
    with told(f"{nowhere} does not answer: is a gateway there, with ADMIN_PORT set, and the port forwarded?"):
        await asyncio.to_thread(ask, nowhere)
    async with listening(grpc.aio.server()) as address:
        with told(f"{address} has no admin service: this is another port, not ADMIN_PORT"):
            await asyncio.to_thread(ask, address)
    strange = grpc.aio.server()
    strange.add_generic_rpc_handlers((_answering(b"\xff\xff"),))
    async with listening(strange) as address:
        with told(f"{address} answers what this version cannot read"):
            await asyncio.to_thread(ask, address)


def _answering(raw: bytes) -> grpc.GenericRpcHandler:
    async def answer(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        del context
        return raw

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "GetSnapshot": grpc.unary_unary_rpc_method_handler(answer)
    }
    return grpc.method_handlers_generic_handler(grpc_admin.SERVICE_NAME, handlers)
