"""Clients and backends that do more than any conversation needs, in virtual time: what it costs, and who pays."""

import asyncio
from collections.abc import Callable

import pytest
from gateway_kit import virtual_time
from gateway_kit.session_world import World
from voice_gateway.domain.errors import Reason, Unavailable
from voice_gateway.domain.events import EndCause, ReplyFinished, Transcript
from voice_gateway.domain.ids import CallId
from voice_gateway.session.ports import Session, SessionUpdate
from voice_gateway.session.runner import DEEDS

SILENCE = bytes(2)
"""One sample."""

Deed = Callable[[Session, int], None]


def commit(session: Session, number: int) -> None:
    """Push-to-talk with a sample of audio for each turn."""
    session.hear(SILENCE, number)
    session.commit()


FLOODS: dict[str, Deed] = {
    "text": lambda session, number: session.type_text(f"Question {number}."),
    "keys": lambda session, _: session.press("1#" * 16),
    "a key": lambda session, _: session.press("1"),
    "update": lambda session, number: session.update(SessionUpdate(language_code=("en-US", "fr-FR")[number % 2])),
    "interrupt": lambda session, _: session.interrupt(),
    "commit": commit,
    "tool results": lambda session, number: session.return_tool(CallId(number), "x", is_error=False),
}


def world() -> World:
    """A world of two languages whose model never says anything."""
    made = World()
    made.recognizer.offered = frozenset({"en-US", "fr-FR"})
    made.llm.scripts = [[1_000.0]] * 1_000
    return made


@pytest.mark.parametrize("deed", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_its_own_session(deed: Deed) -> None:
    """Whatever a client does without end is refused RATE_EXCEEDED before it has cost a backend more than a few calls a
    second, and nothing is left behind.
    """

    async def main() -> None:
        around = world()
        session, run = await around.open()
        began_s = asyncio.get_running_loop().time()

        async def flood() -> int:
            for number in range(10_000):
                deed(session, number)
                await asyncio.sleep(0.005)
            return 10_000

        with pytest.raises(Unavailable) as refused:
            await flood()
        assert refused.value.reason is Reason.RATE_EXCEEDED
        lasted_s = asyncio.get_running_loop().time() - began_s
        calls = len(around.recognizer.specs) + len(around.llm.requests)
        assert calls <= 2 + (DEEDS.capacity + DEEDS.per_s * lasted_s) / 2
        session.end()
        assert (await run).cause is EndCause.CLIENT_ENDED
        assert around.nothing_is_left()

    virtual_time.run(main())


@pytest.mark.parametrize("deed", FLOODS.values(), ids=FLOODS)
def test_nobody_reaches_the_bounds(deed: Deed) -> None:
    """A busy minute: something every two seconds, and once ten things at once."""

    async def main() -> None:
        around = world()
        session, run = await around.open()
        for number in range(10 if deed is not FLOODS["keys"] else 2):
            deed(session, number)
        for number in range(30):
            await asyncio.sleep(2)
            deed(session, 10 + number)
        session.end()
        await run

    virtual_time.run(main())


def test_languages_that_flicker_open_a_stream_a_second() -> None:
    """Five changes of language a second for ten seconds: within the bounds of what a client may do, and no more than
    one stream a second; the last language holds.
    """

    async def main() -> None:
        around = world()
        session, run = await around.open()
        for number in range(50):
            session.update(SessionUpdate(language_code=("fr-FR", "en-US")[number % 2]))
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)
        assert 10 <= len(around.recognizer.specs) <= 13
        assert around.recognizer.specs[-1].language_code == session.info.language_code == "en-US"
        assert around.recognizer.open_streams == 1
        session.end()
        await run

    virtual_time.run(main())


def test_keys_of_one_message_are_answered_once() -> None:
    """Sixteen turns in one message: each is told, the last is answered, and the model has read the others."""

    async def main() -> None:
        around = World()
        around.llm.scripts = [["Yes."]] * 2
        session, run = await around.open()
        session.press("".join(f"{number}#" for number in range(16)))
        await around.sink.wait_for(ReplyFinished)
        finals = [event for event in around.sink.of(Transcript) if isinstance(event, Transcript) and event.is_final]
        assert [event.text for event in finals] == [str(number) for number in range(16)]
        (asked,) = around.llm.requests
        assert asked[-1].text == "\n".join(map(str, range(16)))
        session.end()
        await run

    virtual_time.run(main())
