"""How a session judges a recogniser that says nothing."""

import asyncio

from gateway_kit import virtual_time
from gateway_kit.session_world import FRAME, World, heard
from voice_gateway.domain.errors import Reason, RecognitionStalled
from voice_gateway.domain.events import Notice
from voice_gateway.session.patience import MAX_PATIENCE_MS, PATIENCE_MS, Patience
from voice_gateway.session.ports import Session
from voice_gateway.turn.user.outage import STEADY_MS

LOUD = (10_000).to_bytes(2, "little") * 320


async def sound(session: Session, frame: bytes, start: int, count: int) -> int:
    """So many frames in real time; the number of the next."""
    for index in range(start, start + count):
        session.hear(frame, index * 320)
        await asyncio.sleep(0.02)
    return start + count


def test_answers_are_wanted_while_somebody_speaks() -> None:
    """The voice model says whether an answer is due: from the onset to the pause, and not when the line falls dead."""

    async def main() -> None:
        world = World()
        session, run = await world.open()
        at = await sound(session, FRAME, 0, 50)
        within_ms = world.recognizer.answer_within_ms
        seen = [within_ms()]
        at = await sound(session, LOUD, at, 50)
        seen.append(within_ms())
        at = await sound(session, FRAME, at, 50)
        seen.append(within_ms())
        await sound(session, LOUD, at, 50)
        seen.append(within_ms())
        await asyncio.sleep(2)  # the client sends nothing more
        seen.append(within_ms())
        assert seen == [None, PATIENCE_MS, None, PATIENCE_MS, None]
        session.end()
        await run

    virtual_time.run(main())


def test_a_stalled_stream_is_replaced_and_the_next_is_given_longer() -> None:
    """The user's words go to another stream, the client is told once, and an answer ends the indulgence."""

    async def main() -> None:
        world = World()
        stalled = RecognitionStalled("no answer")
        world.recognizer.scripts = [[0.5, stalled], [0.5, stalled], [1.5, heard("Hello.", 1_500)]]
        world.llm.scripts = [["Hi."]]
        session, run = await world.open()
        seen = []
        at = 0
        for count in (24, 24, 24, 80):
            at = await sound(session, LOUD, at, count)
            seen.append(world.recognizer.answer_within_ms())
        assert seen == [PATIENCE_MS, 2 * PATIENCE_MS, 4 * PATIENCE_MS, PATIENCE_MS]
        assert [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)] == [
            Reason.RECOGNITION_INTERRUPTED
        ]
        assert world.recognizer.heard[2].startswith(LOUD * 48)  # all that was said, again
        session.end()
        await run

    virtual_time.run(main())


def test_music_never_ends_a_session() -> None:
    """Sounds without words cost ever fewer streams, each longer than what the core counts as failures in a row."""
    patience = Patience()
    patience.is_speaking = True
    seen = []
    for _ in range(8):
        seen.append(patience.within_ms())
        patience.stalled()
    assert seen == [3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000, 60_000]
    assert MAX_PATIENCE_MS > STEADY_MS
