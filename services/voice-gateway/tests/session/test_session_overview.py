"""What a session tells the collector of the admin service; in virtual time."""

import asyncio
from dataclasses import dataclass, field

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeTelemetry
from gateway_kit.session_world import FRAME, World, heard
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import GatewayError
from voice_gateway.domain.events import Ended, Event, ReplyFinished
from voice_gateway.domain.overview.values import FloorSeen
from voice_gateway.observability.overview.collector import Collector
from voice_gateway.session import clock

pytestmark = pytest.mark.usefixtures("every_session_replays")
SOUND = b"\x00\x10" * 320


@dataclass
class Watched(FakeTelemetry):
    """Tells a collector, too, and keeps each floor that was seen after an event."""

    collector: Collector = field(default_factory=lambda: Collector(clock.now, has_text=False))
    floors: list[FloorSeen] = field(default_factory=list)

    def session_started(self, agreement: Agreement) -> None:
        """Tell both."""
        super().session_started(agreement)
        self.collector.session_started(agreement)

    def session_ended(
        self, agreement: Agreement, outcome: Ended | GatewayError | None, duration_ms: int, turns: int
    ) -> None:
        """Tell both."""
        super().session_ended(agreement, outcome, duration_ms, turns)
        self.collector.session_ended(agreement, outcome, duration_ms, turns)

    def told(self, agreement: Agreement, event: Event) -> None:
        """Tell both, and look."""
        super().told(agreement, event)
        self.collector.told(agreement, event)
        (call,) = self.collector.calls.seen(clock.now())
        if self.floors[-1:] != [call.floor]:
            self.floors.append(call.floor)


def test_the_floor_of_a_call_follows_the_conversation() -> None:
    """The agent speaks, the user speaks over it and takes the floor, is silent, is answered; and the call is gone."""

    async def main() -> None:
        world = World(telemetry=Watched())
        world.recognizer.scripts = [[1.2, heard("no wait", 1_100, is_final=False), 1.0, heard("No wait.", 2_100)]]
        world.llm.scripts = [["One two three four five six seven eight nine ten. ", 60.0], ["All right."]]
        session, run = await world.open()
        session.type_text("Count.")
        for index in range(150):
            session.hear(SOUND if 25 <= index < 75 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished, 2)
        assert isinstance(world.telemetry, Watched)
        assert world.telemetry.floors == [
            FloorSeen.NOBODY,
            FloorSeen.AGENT,
            FloorSeen.CONTESTED,
            FloorSeen.USER,
            FloorSeen.NOBODY,
            FloorSeen.AGENT,
            FloorSeen.NOBODY,
        ]
        (call,) = world.telemetry.collector.calls.seen(clock.now())
        assert call.turns == 2
        session.end()
        await run
        assert world.telemetry.collector.calls.seen(clock.now()) == ()

    virtual_time.run(main())
