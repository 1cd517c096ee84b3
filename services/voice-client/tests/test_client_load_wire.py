"""The clock of all calls and the stream of one, on loopback."""

import asyncio
import time

import pytest
from scripted_gateway import Peer, serving, started
from voice_client.link import Target
from voice_client.load import echo, wire
from voice_client.load.doors import LegacyDoor, NativeDoor
from voice_client.load.script import SILENCE
from voice_client.load.wheel import SLOTS, TimerWheel
from voice_client.load.wire import Wire
from voicegateway.v1 import server_pb2

NS_PER_MS = 1_000_000
DOOR = NativeDoor()


class Member:
    """Counts its ticks."""

    def __init__(self) -> None:
        self.due_ns: list[int] = []
        self.has_enough = asyncio.Event()

    def tick(self, due_ns: int, now_ns: int) -> None:
        assert now_ns >= due_ns
        self.due_ns.append(due_ns)
        if len(self.due_ns) == 5:
            self.has_enough.set()


def frame_by_frame() -> tuple[Wire, list[int]]:
    """A wire to nowhere yet, and the frames that it was asked for."""
    asked: list[int] = []

    def make(due_ns: int) -> tuple[bytes]:
        asked.append(due_ns)
        return (DOOR.placed(DOOR.frame(SILENCE), len(asked) - 1),)

    return Wire(Target(""), DOOR.method, lambda _raw, _at_ns: None, make), asked


async def test_client_load_wheel_ticks_each_member_once_a_frame() -> None:
    """Frames are 20 ms apart whoever else is there, and are never early."""
    wheel, members = TimerWheel(), [Member(), Member()]
    for number, member in enumerate(members):
        wheel.add(member, number * 13)
    turning = asyncio.create_task(wheel.run())
    await asyncio.gather(*(member.has_enough.wait() for member in members))
    turning.cancel()
    for member in members:
        steps = {later - earlier for earlier, later in zip(member.due_ns, member.due_ns[1:], strict=False)}
        assert steps == {SLOTS * NS_PER_MS}
    assert (members[1].due_ns[0] - members[0].due_ns[0]) // NS_PER_MS % SLOTS == 13


async def test_client_load_wire_sends_every_frame_and_knows_whose_fault_lateness_is() -> None:
    """A tick that comes 11 ms late is the tool's fault, one that meets a frame not yet taken is not; all are sent."""

    async def listens(peer: Peer) -> None:
        await peer.send(started())
        await peer.more_than("audio", 3)
        await peer.until(lambda: bool(peer.of("end")))
        await peer.end(server_pb2.END_REASON_CLIENT_ENDED)

    async with serving(listens) as (gateway, target):
        line, asked = frame_by_frame()
        line._target = target
        await line.open(DOOR.start())
        await asyncio.sleep(0)  # the writer now waits for a frame
        now_ns = time.monotonic_ns()
        line.tick(now_ns, now_ns)
        line.tick(now_ns, now_ns)
        line.tick(now_ns - 11 * NS_PER_MS, now_ns)
        line.tick(now_ns, now_ns)
        await gateway.peers[0].more_than("audio", 3)
        await line.end(DOOR.end())
    assert line.failure is None
    assert asked == [now_ns, now_ns, now_ns - 11 * NS_PER_MS, now_ns]
    assert (line.frames.sent, line.frames.late, line.frames.held_up) == (4, 1, 2)
    assert [request.audio.offset_samples for request in gateway.peers[0].of("audio")] == [0, 320, 640, 960]


async def test_client_load_wire_tells_a_server_that_leaves() -> None:
    """A call that the server ends with OK in the middle of a run has failed all the same."""

    async def leaves(peer: Peer) -> None:
        await peer.send(started())

    async with serving(leaves) as (_, target):
        line, _asked = frame_by_frame()
        line._target = target
        await line.open(DOOR.start())
        assert line._reader is not None
        await line._reader
        await line.end(None)
    assert line.failure is not None
    assert line.failure.text == "the server ended the call"


async def test_client_load_wire_gives_up_a_server_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose frames have piled up has failed: else its caller never speaks, and nobody is unanswered."""
    monkeypatch.setattr(wire, "MAX_WAITING_FRAMES", 50)

    async def listens(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: False)

    async with serving(listens) as (_, target):
        line, _asked = frame_by_frame()
        line._target = target
        await line.open(DOOR.start())
        for at_ns in range(50):  # no frame leaves meanwhile: nothing is waited for
            line.tick(at_ns, at_ns)
        assert line.is_up
        line.tick(50, 50)
        await line.end(DOOR.end())
    assert line.failure is not None
    assert line.failure.text == "not read for 1 s"


async def test_client_load_wire_gives_up_a_server_that_does_not_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was told to end and does not is named, and keeps nobody waiting."""
    monkeypatch.setattr(wire, "END_S", 0.05)

    async def stays(peer: Peer) -> None:
        await peer.send(started())
        await peer.until(lambda: False)

    async with serving(stays) as (_, target):
        line, _asked = frame_by_frame()
        line._target = target
        await line.open(DOOR.start())
        await line.end(DOOR.end())
    assert line.failure is not None
    assert line.failure.text == "not ended within 0.05 s"


@pytest.mark.parametrize("door", [NativeDoor(), LegacyDoor()])
async def test_client_load_echo_measures_a_process_of_its_own(
    door: NativeDoor | LegacyDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline starts, echoes the frames of either contract, and ends with the tool."""
    monkeypatch.setattr(echo, "SECONDS", 0.3)
    monkeypatch.setattr(echo, "WARM_UP_S", 0.1)
    found = await echo.measure(door, 2, asyncio.Event())
    assert found.calls == 2
    assert found.round_trip.count > 4
    assert found.round_trip.p50_ms > 0


async def test_client_load_echo_says_that_it_did_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that cannot run the echo is one line, not a trace or an endless wait."""
    monkeypatch.setattr("sys.executable", "/bin/true")
    with pytest.raises(echo.EchoError, match="did not start"):
        await echo.measure(DOOR, 1, asyncio.Event())
