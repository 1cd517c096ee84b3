"""What a session tells whoever watches, beside what its client is told; in virtual time."""

import asyncio

import pytest
from gateway_kit import virtual_time
from gateway_kit.session_world import FRAME, World, heard
from voice_gateway.domain.events import DisregardCause, ReplyFinished, ReplyInterrupted, ReplyPaused, TurnReport
from voice_gateway.domain.ids import ReplyId
from voice_gateway.session.ports import Bound
from voice_gateway.session.runner import REPORTS

pytestmark = pytest.mark.usefixtures("every_session_replays")
SOUND = b"\x00\x10" * 320


def test_the_time_to_silence_is_told_once_for_each_sound() -> None:
    """From the first sound over the agent to the pause, by the audio; the interruption after it is no second one."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.2, heard("no wait", 1_100, is_final=False), 1.0, heard("No wait.", 2_100)]]
        world.llm.scripts = [["One two three four five six seven eight nine ten. ", 60.0], ["All right."]]
        session, run = await world.open()
        session.type_text("Count.")
        began = asyncio.get_running_loop().time()
        for index in range(150):
            session.hear(SOUND if 25 <= index < 75 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished, 2)
        (paused_at,) = [at for at, event in world.sink.events if isinstance(event, ReplyPaused)]
        assert world.sink.of(ReplyInterrupted)
        (silence_ms,) = world.telemetry.silences_ms
        # the sound began with frame 25, at 500 ms; positions are known to a chunk of 32 ms, audio to a frame of 20 ms
        assert silence_ms == pytest.approx((paused_at - began - 0.5) * 1_000, abs=52)
        session.end()
        await run

    virtual_time.run(main())


def test_no_silence_is_told_of_a_turn_that_interrupts_nothing() -> None:
    """Who speaks while nobody else does has silenced nobody, and a client that stops the agent is no user's voice."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.0, heard("Hello.", 900)]]
        world.llm.scripts = [["One two three four five six seven."]]
        session, run = await world.open()
        for index in range(60):
            session.hear(SOUND if 5 <= index < 30 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(TurnReport)
        session.interrupt()
        await world.sink.wait_for(ReplyInterrupted)
        assert world.telemetry.silences_ms == []
        session.end()
        await run

    virtual_time.run(main())


def test_words_that_are_in_no_turn_are_told_with_their_reason() -> None:
    """A hum over the agent is disregarded, and whoever watches knows why, and how many words that were."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.5, heard("Mm-hm.", 1_400)]]
        world.llm.scripts = [["One two three four five six seven eight nine ten. "]]
        session, run = await world.open()
        session.type_text("Count.")
        for index in range(100):
            session.hear(SOUND if 45 <= index < 60 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        assert world.telemetry.words_disregarded == [(DisregardCause.BACKCHANNEL, 1)]
        session.end()
        await run

    virtual_time.run(main())


def test_everything_that_clients_are_told_is_told_to_whoever_watches() -> None:
    """In the same order, so that what is counted is what was told."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["Good day."]]
        session, run = await world.open()
        session.type_text("Hello.")
        await world.sink.wait_for(ReplyFinished)
        session.end()
        await run
        assert world.telemetry.events == [event for _, event in world.sink.events]

    virtual_time.run(main())


def test_reports_that_are_ignored_are_told() -> None:
    """A client that reports more often than it may learns nothing by it; the person on call does."""

    async def main() -> None:
        world = World()
        session, run = await world.open()
        for _ in range(REPORTS.capacity + 2):
            session.report_playback(ReplyId(1), 0, is_final=False)
        assert world.telemetry.bounds == [Bound.REPORTS] * 2
        session.end()
        await run

    virtual_time.run(main())


def test_input_and_synthesis_that_run_too_far_ahead_are_told() -> None:
    """Twenty seconds of audio at once, and a reply that is synthesised faster than it is spoken, have to wait."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["word " * 120 + "."]]
        session, run = await world.open()
        session.type_text("Tell me.")
        await world.sink.wait_for(TurnReport)
        session.hear(bytes(20 * 32_000), 0)
        await session.wait_for_room()
        await world.sink.wait_for(ReplyFinished)
        assert {*world.telemetry.bounds} == {Bound.INPUT, Bound.SYNTHESIS}
        session.end()
        await run

    virtual_time.run(main())


def test_the_lead_of_a_speaking_agent_can_be_asked_for() -> None:
    """The audio that was sent is `lead_ms` ahead while the agent speaks; otherwise there is no lead."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five six seven eight nine ten. "]]
        session, run = await world.open()
        assert world.roster.leads_ms() == []
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        await asyncio.sleep(0.5)
        (lead_ms,) = world.roster.leads_ms()
        assert 160 <= lead_ms <= 240
        await world.sink.wait_for(ReplyFinished)
        assert world.roster.leads_ms() == []
        session.end()
        await run

    virtual_time.run(main())
