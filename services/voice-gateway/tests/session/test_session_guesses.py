"""First sentences that are synthesised when they look ended: what is asked for and what leaves, in virtual time."""

import asyncio
from collections.abc import Sequence

import pytest
from gateway_kit import virtual_time
from gateway_kit.session_world import World
from voice_gateway.domain.errors import BackendError
from voice_gateway.domain.events import Notice, ReplyFinished, ReplyOutcome, ReplyText

pytestmark = pytest.mark.usefixtures("every_session_replays")

LONG = "word " * 50
"""As many characters as 12.5 s of audio have: more than waits to be sent."""


async def answered(world: World, *script: str | BackendError | float) -> list[str]:
    """Have a typed turn answered so, to the end; the sentences that were told."""
    world.llm.scripts = [[*script]]
    session, run = await world.open()
    session.type_text("Where is it?")
    await world.sink.wait_for(ReplyFinished)
    (finished,) = world.sink.of(ReplyFinished)
    assert isinstance(finished, ReplyFinished)
    assert finished.outcome is ReplyOutcome.COMPLETED
    session.end()
    await run
    assert world.nothing_is_left()
    return [event.text for event in world.sink.of(ReplyText) if isinstance(event, ReplyText)]


def sounding(world: World) -> Sequence[int]:
    """Which sentences were heard, by their number at synthesis: the value of each sample, repeats left out."""
    pcm = b"".join(audio.pcm for _, audio in world.sink.audio)
    samples = memoryview(pcm).cast("h")
    return [sample for place, sample in enumerate(samples) if place == 0 or sample != samples[place - 1]]


def test_the_first_sound_does_not_wait_for_the_next_word() -> None:
    """Synthesis begins with the mark, is asked once for the sentence, and its first audio leaves 50 ms after that."""

    async def main() -> None:
        world = World()
        began = asyncio.get_running_loop().time()
        told = await answered(world, "It is noon.", 0.03, " Anything", " else?")
        assert told == ["It is noon. ", "Anything else?"]
        assert world.synthesizer.texts == ["It is noon.", "Anything else?"]
        assert round(world.sink.audio[0][0] - began, 3) == 0.05
        assert sounding(world) == [1, 2]

    virtual_time.run(main())


def test_what_is_not_certain_yet_waits_with_all_its_audio() -> None:
    """The model pauses behind the mark: nothing leaves until the next word, and then it leaves at once."""

    async def main() -> None:
        world = World()
        began = asyncio.get_running_loop().time()
        await answered(world, "It is noon.", 2.0, " Anything else?")
        assert world.synthesizer.texts == ["It is noon.", "Anything else?"]
        assert round(world.sink.audio[0][0] - began, 3) == 2.0
        assert round(world.sink.events[-2][0] - began, 3) >= 2.0
        assert sounding(world) == [1, 2]

    virtual_time.run(main())


@pytest.mark.parametrize("before", ["See ", LONG])
@pytest.mark.parametrize("pause_s", [0.0, 0.02, 0.06, 3.0, 30.0])
def test_nothing_is_heard_of_a_sentence_that_went_on(before: str, pause_s: float) -> None:
    """Whether its audio had yet to come, was coming, was there or filled the buffer: what is heard is the sentence as
    it is, and the call of the other one is over.
    """

    async def main() -> None:
        world = World()
        told = await answered(world, f"{before}example.", pause_s, "com", 0.02, " today. Bye.")
        assert told == [f"{before}example.com today. ", "Bye."]
        assert world.synthesizer.texts[-2:] == [f"{before}example.com today.", "Bye."]
        assert len(world.synthesizer.texts) <= 3
        whole, last = (max(1, len(text) // 2) for text in world.synthesizer.texts[-2:])
        assert sum(len(audio.pcm) for _, audio in world.sink.audio) == (whole + last) * 3_200
        assert sounding(world) == [len(world.synthesizer.texts) - 1, len(world.synthesizer.texts)]

    virtual_time.run(main())


@pytest.mark.parametrize("trouble", ["fail_on", "skip_on"])
def test_trouble_with_a_sentence_that_went_on_is_no_trouble_of_the_reply(trouble: str) -> None:
    """The log has it, as a call did fail; the client is not told, no address is blamed, and the reply is spoken."""

    async def main() -> None:
        world = World()
        setattr(world.synthesizer, trouble, "example.")
        world.llm.scripts = []

        async def mend() -> None:
            await asyncio.sleep(0.5)
            setattr(world.synthesizer, trouble, "")

        mended = asyncio.create_task(mend())
        told = await answered(world, "See example.", 1.0, "com. ")
        await mended
        assert told == ["See example.com. "]
        assert world.sink.of(Notice) == []
        assert (len(world.telemetry.troubles), world.synthesizer.blamed) == (1, [])

    virtual_time.run(main())
