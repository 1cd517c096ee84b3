"""What one message may cost over a wire that is not gRPC, what is kept of it, and the same calls over TCP."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from gateway_kit.counted import Sent
from gateway_kit.frames_exchange import HELLO, ID, LIMITS, Exchange, in_time
from gateway_kit.frames_wire import FramesClient, FramesCodec, FramesWire, Kind, frame, json_frame, serve_frames
from gateway_kit.session_world import FRAME
from transports.transport_fakes import AGREEMENT, FakeGateway, FakeSession
from transports.v1_calls import nothing_is_left, one_turn
from voice_gateway.domain.ids import ReplyId
from voice_gateway.transports.call import MESSAGES, hold_call
from voice_gateway.transports.client_input import Audio, Input

SECOND = bytes(32_000)
"""Of audio at 16 kHz."""
AGREED_16K = replace(AGREEMENT, output_rate_hz=16_000)


# --- what one message costs ---


def test_what_a_message_says_is_taken_at_the_pace_of_messages() -> None:
    """A message with the most that fits in it is no way round the pace, and others have their turn meanwhile."""
    reports = 3_000

    async def main() -> float:
        exchange, gateway = Exchange(), FakeGateway(agreement=AGREED_16K)
        client = await exchange.dial(doors=gateway.doors)
        await client.send(ID, json_frame([]))
        session = await gateway.sessions.get()
        began_s = asyncio.get_running_loop().time()
        await client.say(*({"played": [1, number, False]} for number in range(reports)))
        for _ in range(reports):
            await session.heard.get()
            assert session.heard.qsize() <= 1
        lasted_s = asyncio.get_running_loop().time() - began_s
        assert session.told[-1] == ("report_playback", ReplyId(1), reports - 1, False)
        await client.say({"end": True})
        await client.rest()
        await exchange.nothing_is_left()
        return lasted_s

    assert in_time(main()) == pytest.approx((reports - MESSAGES.capacity) / MESSAGES.per_s, abs=0.1)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is in a circle stays, and is counted."""
    Sent.alive = 0
    gc.disable()
    yield
    gc.enable()


class Counting(FramesCodec):
    """Makes audio countable."""

    def receive(self, raw: bytes) -> Iterator[Input]:
        """As ever."""
        for said in super().receive(raw):
            yield Audio(Sent(said.data), said.offset_samples) if isinstance(said, Audio) else said


@pytest.mark.usefixtures("without_collector")
def test_the_first_audio_is_kept_for_no_longer_than_it_is_heard() -> None:
    """A call that lasts an hour does not hold the megabyte that it began with."""

    async def main() -> None:
        exchange, gateway = Exchange(), FakeGateway(agreement=AGREED_16K)
        client = await exchange.dial(Counting(), gateway.doors)
        await client.send(ID, frame(Kind.AUDIO_16K, SECOND * 32))
        session = await gateway.sessions.get()
        left_bytes = 32 * len(SECOND)
        while left_bytes:
            left_bytes -= len((await session.heard.get())[1])
        assert Sent.alive == 0
        await client.say({"end": True})
        await client.rest()
        await exchange.nothing_is_left()

    in_time(main())


class CountingWire(FramesWire):
    """Makes what is read countable."""

    frames = 0

    async def read(self) -> bytes | None:
        """As ever."""
        raw = await super().read()
        if raw is None:
            return None
        self.frames += 1
        return Sent(raw)


@asynccontextmanager
async def counted() -> AsyncIterator[tuple[CountingWire, FramesClient, FakeGateway, asyncio.Task[None]]]:
    """A call over such a wire, with its client and whom it called."""
    gateway = FakeGateway(agreement=AGREED_16K)
    ours, theirs = socket.socketpair()
    wire = CountingWire(*await asyncio.open_connection(sock=ours))
    client = FramesClient(*await asyncio.open_connection(sock=theirs))
    yield wire, client, gateway, asyncio.create_task(hold_call(wire, FramesCodec(), gateway.doors, LIMITS))
    await asyncio.gather(wire.close(), client.close())


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("sent", [[ID], [ID, json_frame([]), json_frame([])]], ids=["start", "session"])
def test_a_message_is_kept_for_no_longer_than_the_next_is_awaited(sent: list[bytes]) -> None:
    """A client that is silent holds nothing of the megabyte that it has said last."""

    async def main() -> None:
        async with counted() as (wire, client, _, call):
            await client.send(*sent)
            for _ in range(50):
                await asyncio.sleep(0)
            assert (wire.frames, Sent.alive) == (len(sent), 0)
            client.half_close()
            await call

    in_time(main())


@pytest.mark.usefixtures("without_collector")
def test_what_a_client_sent_goes_with_it() -> None:
    """A client that vanishes in the midst of a message leaves none of its messages until the collector comes."""

    async def main() -> None:
        async with counted() as (_, client, gateway, call):
            await client.send(ID, json_frame([]), frame(Kind.AUDIO_16K, SECOND), frame(Kind.AUDIO_16K, SECOND)[:100])
            client.half_close()
            await call
            assert Sent.alive == 0
            assert (await gateway.sessions.get()).was_cancelled

    in_time(main())


# --- over TCP ---


@asynccontextmanager
async def connected(gateway: FakeGateway) -> AsyncIterator[tuple[FramesClient, socket.socket]]:
    """A client of a server on a port of its own, and its socket."""

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, None]:
        return serve_frames(reader, writer, gateway.doors, LIMITS)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        dialled = socket.create_connection(server.sockets[0].getsockname())
        client = FramesClient(*await asyncio.open_connection(sock=dialled))
        yield client, dialled
        await client.close()
    finally:
        server.close()
        await server.wait_closed()


async def test_a_conversation_over_tcp() -> None:
    """The same on a real port: greeting, a turn, the client's half-close, and its address as its account."""
    gateway = FakeGateway(one_turn, AGREED_16K)
    async with connected(gateway) as (client, _):
        assert await client.next() == HELLO
        await client.send(ID, frame(Kind.AUDIO_16K, FRAME))
        told = await client.read_to("ReplyFinished")
        assert told == ["session", "SpeechStarted", "Transcript", "ReplyText", "ReplyFinished"]
        client.half_close()
        assert [next(iter(said)) for said in await client.rest()] == ["event", Kind.HANGUP]
    assert {caller.account for caller in gateway.callers} == {"address:127.0.0.1"}
    await nothing_is_left()


async def test_a_connection_that_is_reset() -> None:
    """A reset ends a session in which neither side has anything to say."""
    gateway = FakeGateway(agreement=AGREED_16K)
    async with connected(gateway) as (client, dialled):
        await client.send(ID, json_frame([]))
        await client.read_to("session")
        session: FakeSession = await gateway.sessions.get()
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.vanish()
        await session.over.wait()
        await nothing_is_left()
    assert session.was_cancelled
    assert session.told == []
