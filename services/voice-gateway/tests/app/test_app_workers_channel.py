"""What a worker and its parent say to one another, and the places they agree on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from gateway_kit import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import HEAD, MAX_BODY_BYTES, Answer, Channel, Gone, Silent
from voice_gateway.app.workers.member import Member, Orders
from voice_gateway.app.workers.place import Place

WAIT_S = 5.0


@asynccontextmanager
async def joined(answers: Mapping[str, Answer]) -> AsyncIterator[tuple[Channel, Channel]]:
    """Two ends; the other one has these answers."""
    made = []
    for end, told in zip(socket.socketpair(), ({}, answers), strict=True):
        reader, writer = await asyncio.open_unix_connection(sock=end)
        made.append(Channel(reader, writer, told))
    reading = [asyncio.create_task(each.run()) for each in made]
    try:
        yield made[0], made[1]
    finally:
        for each in made:
            each.close()
        await asyncio.gather(*reading)


async def echo(body: bytes) -> bytes:
    """The same."""
    return body


async def never(_: bytes) -> bytes:
    """Nothing."""
    await asyncio.Event().wait()
    return b""


async def broken(_: bytes) -> bytes:
    """A fault of ours."""
    raise ValueError("no")


def test_answers_find_their_questions() -> None:
    """Many at once, of a megabyte and of nothing."""

    async def main() -> None:
        async with joined({"echo": echo}) as (one, _):
            bodies = [b"", b"a", b"b" * 1_000_000]
            assert await asyncio.gather(*(one.ask("echo", WAIT_S, body) for body in bodies)) == bodies

    virtual_time.run(main())


@pytest.mark.parametrize("question", ["slow", "broken", "unknown"])
def test_what_is_not_answered_is_known_in_time(question: str) -> None:
    """A worker that hangs, fails, or is of another version holds nobody up, and later questions are answered."""

    async def main() -> None:
        async with joined({"slow": never, "broken": broken, "echo": echo}) as (one, _):
            with pytest.raises(Silent):
                await one.ask(question, WAIT_S)
            assert await one.ask("echo", WAIT_S, b"here") == b"here"

    virtual_time.run(main())


def test_who_waits_is_told_when_the_other_is_gone() -> None:
    """At once, and so is whoever asks after that; what is told then goes nowhere."""

    async def main() -> None:
        async with joined({"slow": never}) as (one, other):
            asked = asyncio.create_task(one.ask("slow", 1e9))
            await asyncio.sleep(0)
            other.close()
            with pytest.raises(Gone):
                await asked
            with pytest.raises(Gone):
                await one.ask("slow", 1e9)
            one.tell("anything")

    virtual_time.run(main())


def test_a_frame_that_is_too_large_ends_it() -> None:
    """What cannot be a worker of ours takes no memory of the parent."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        theirs.send(HEAD.pack(1, MAX_BODY_BYTES + 1, 0))
        await Channel(reader, writer, {}).run()
        theirs.close()

    virtual_time.run(main())


@given(st.dictionaries(st.integers(0, 63), st.none() | st.binary(max_size=50)))
def test_what_all_said_is_read_as_it_was_joined(told: dict[int, bytes | None]) -> None:
    """An empty answer is not the same as none."""
    assert place.split(place.joined(told)) == told


def test_a_place_is_read_as_it_was_written() -> None:
    """What a worker reads from its command line is what its parent meant."""
    where = Place(1, 3, 7, {"GRPC_PORT": "50051", "JOURNAL_DIR": "/tmp/Füße"})  # noqa: S108  a name with all kinds of letters
    assert Place.read(where.written()) == where


def test_a_worker_drains_once_however_often_it_is_told() -> None:
    """A process group's signal and the parent's order are one wish."""
    orders = Orders()
    orders.signalled()
    orders.signalled()
    assert (orders.drain.is_set(), orders.stop.is_set()) == (True, False)


def test_an_orphan_stops_by_its_second_signal_as_one() -> None:
    """Whoever stops what a killed parent left signals once, which cuts off no call; signals before do not count."""
    orders = Orders()
    orders.signalled()
    orders.orphaned()
    orders.signalled()
    assert (orders.drain.is_set(), orders.stop.is_set()) == (True, False)
    orders.signalled()
    assert orders.stop.is_set()


def test_a_lost_parent_is_an_order_to_drain() -> None:
    """Whoever has nobody to end it ends by itself, and has nobody to ask."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        member = Member(Place(1, 3, theirs.detach(), {}))
        await member.join({"echo": echo})
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        parent = Channel(reader, writer, {place.OTHERS: lambda _: echo(place.joined({0: b"busy", 2: None}))})
        reading = asyncio.create_task(parent.run())
        assert await parent.ask("echo", WAIT_S, b"here") == b"here"
        assert await member.others() == {0: b"busy", 2: None}
        parent.close()
        await asyncio.gather(reading, member.orders.drain.wait())
        assert member.orders.is_orphan
        assert await member.others() == {0: None, 2: None}
        await member.leave()

    virtual_time.run(main())


def test_the_parents_second_order_ends_a_drain() -> None:
    """First drain, then stop."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        member = Member(Place(0, 2, theirs.detach(), {}))
        await member.join({})
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        parent = Channel(reader, writer, {})
        parent.tell(place.DRAIN)
        await member.orders.drain.wait()
        assert not member.orders.stop.is_set()
        parent.tell(place.STOP)
        await member.orders.stop.wait()
        parent.close()
        await member.leave()

    virtual_time.run(main())
