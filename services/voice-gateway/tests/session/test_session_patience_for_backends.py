"""How long a session goes on without recognition, in virtual time."""

import asyncio

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import Step
from gateway_kit.session_world import World
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.events import Notice, ReplyFinished, ReplyOutcome

pytestmark = pytest.mark.usefixtures("every_session_replays")

GONE = BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "connection refused")


def away(times: int) -> list[list[Step]]:
    """Streams that break at once."""
    return [[GONE] for _ in range(times)]


def test_patience_ends_a_session_that_nobody_hears() -> None:
    """Where the server says so, a session without recognition ends for ASR at the first attempt after that time."""

    async def main() -> None:
        world = World(backend_patience_ms=20_000)
        world.recognizer.scripts = away(50)
        _, run = await world.open()
        start_s = asyncio.get_running_loop().time()
        with pytest.raises(BackendError) as failed:
            await run
        assert (failed.value.backend, failed.value.reason) == (Backend.ASR, Reason.BACKEND_UNAVAILABLE)
        assert 20 <= asyncio.get_running_loop().time() - start_s <= 24
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_patience_begins_anew_with_each_outage() -> None:
    """Outages that are mended in time add up to nothing."""

    async def main() -> None:
        world = World(backend_patience_ms=20_000)
        steady: list[Step] = [60.0, GONE]
        world.recognizer.scripts = [*away(6), steady, *away(6), steady, *away(6)]
        session, run = await world.open()
        await asyncio.sleep(170)
        assert not run.done()
        session.end()
        await run

    virtual_time.run(main())


def test_a_minute_without_model_and_voice_ends_no_session() -> None:
    """Each turn meanwhile gets an apology or its text, with a notice; the turn after it is answered aloud."""

    async def main() -> None:
        world = World()
        failed = BackendError(Backend.LLM, Reason.LLM_FAILED, "gone")
        world.llm.scripts = [[failed], [failed], [failed], ["Fine. "], ["Fine. "], ["Fine. "], ["Fine. "]]
        world.synthesizer.fail_on = "Fine"
        session, run = await world.open()
        for number in range(1, 8):
            if number == 7:
                world.synthesizer.fail_on = ""
            session.type_text("How are you?")
            await world.sink.wait_for(ReplyFinished, number)
            await asyncio.sleep(10)
        replies = [each.outcome for each in world.sink.of(ReplyFinished) if isinstance(each, ReplyFinished)]
        assert replies == [ReplyOutcome.FAILED] * 6 + [ReplyOutcome.COMPLETED]
        notices = [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)]
        assert notices == [Reason.LLM_FAILED] * 3 + [Reason.TTS_FAILED] * 3
        session.end()
        await run

    virtual_time.run(main())
