"""Clients that do more than any conversation needs, in virtual time: what it costs, and who pays."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from gateway_kit import virtual_time
from gateway_kit.session_world import FRAME, World
from voice_gateway.domain.errors import Backend, BackendError, Reason, Unavailable
from voice_gateway.domain.events import EndCause, Ended, Notice, ReplyFinished, Transcript
from voice_gateway.domain.ids import CallId, ReplyId
from voice_gateway.domain.reply_options import AS_AGREED
from voice_gateway.session.hearing import MAX_SILENCE_MS, MAX_TAPE_MS
from voice_gateway.session.ports import Session, SessionUpdate
from voice_gateway.session.runner import DEEDS, SessionRunner

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
    "requests": lambda session, _: session.request_reply(AS_AGREED),
    "interrupt": lambda session, _: session.interrupt(),
    "commit": commit,
    "ends of playback": lambda session, _: session.report_playback(ReplyId(1), 0, is_final=True),
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
        assert "text, commit, update and reply_request count 2, and each # of dtmf 1 more" in refused.value.message
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


def test_of_positions_that_come_too_fast_some_dozens_a_second_count() -> None:
    """A client that reports a thousand times a second is not ended for it: of its reports of a reply that there is not,
    each of which is told, 100 at once and 50 a second count.
    """

    async def main() -> None:
        around = world()
        session, run = await around.open()
        for _ in range(4_000):
            session.report_playback(ReplyId(7), 1, is_final=False)
            await asyncio.sleep(0.001)
        told = [event.reason for event in around.sink.of(Notice) if isinstance(event, Notice)]
        assert set(told) == {Reason.PLAYBACK_IMPLAUSIBLE}
        assert 100 + 50 * 3.9 <= len(told) <= 100 + 50 * 4.1
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
        assert around.recognizer.specs[-1].language_code == session.agreement.heard_language == "en-US"
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


@pytest.mark.parametrize("samples", [1, 400, 1_600], ids=["samples", "blips", "words"])
def test_gaps_fill_no_memory(samples: int) -> None:
    """Messages whose offsets jump an hour each: what is held of them stays below what a session may be ahead and one
    gap more, and the recogniser hears every sample in its order.
    """

    async def main() -> None:
        around = world()
        session, run = await around.open()
        assert isinstance(session, SessionRunner)
        most, sent = 0, 8_000 // samples + 100
        for number in range(sent):
            session.hear((number % 30_000 + 1).to_bytes(2, "little") * samples, (number + 1) * 16_000 * 3_600)
            ear, hearing = session._ear, session._hearing
            most = max(most, len(hearing._tape) + len(ear._pending) + 32 * len(hearing._anchors))
            if not session.has_room():
                await session.wait_for_room()
        assert most < 2 * 16 * (MAX_TAPE_MS + MAX_SILENCE_MS + 1_000)
        session.finish()
        await asyncio.sleep(10)
        heard_samples = np.frombuffer(bytes(around.recognizer.heard[0]), "<i2")
        expected = np.repeat(np.arange(sent, dtype=np.int16) % 30_000 + 1, samples)
        assert np.array_equal(heard_samples[heard_samples != 0], expected)
        assert len(session._inbox) == 0
        await run

    virtual_time.run(main())


# --- a session that nobody uses ---


class Patient(World):
    """A world in which a session that nobody uses ends after a minute."""

    idle_timeout_ms = 60_000


USES: dict[str, Deed] = {
    "audio": lambda session, number: session.hear(SILENCE, number),
    "text": lambda session, _: session.type_text("Hi."),
    "keys": lambda session, _: session.press("1#"),
    "tool results": lambda session, number: session.return_tool(CallId(number), "x", is_error=False),
}
NO_USES: dict[str, Deed] = {
    "nothing": lambda _, __: None,
    "interrupt": lambda session, _: session.interrupt(),
    "commit": lambda session, _: session.commit(),
    "update": lambda session, _: session.update(SessionUpdate(system_prompt="Be long.")),
    "playback": lambda session, _: session.report_playback(ReplyId(1), 0, is_final=False),
}


def used(deed: Deed, minutes: int = 10) -> float:
    """How long a session lasts, in seconds, in which this is done every 45 s for so many minutes."""

    async def main() -> float:
        around = Patient()
        around.llm.scripts = [["Yes."]] * 100
        session, run = await around.open()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(minutes * 60 // 45):
            await asyncio.wait({run}, timeout=45)
            if run.done():
                break
            deed(session, number)
        assert (await run).cause is EndCause.IDLE
        assert around.sink.events[-1][1] == Ended(EndCause.IDLE)
        assert around.nothing_is_left()
        return loop.time() - began_s

    return virtual_time.run(main())


@pytest.mark.parametrize("deed", NO_USES.values(), ids=NO_USES)
def test_a_session_that_nobody_uses_ends(deed: Deed) -> None:
    """Without audio, text, keys, results of tools and replies it ends well after its time, whatever else is sent."""
    assert used(deed) == pytest.approx(60, abs=0.01)


@pytest.mark.parametrize("deed", USES.values(), ids=USES)
def test_a_session_that_somebody_uses_goes_on(deed: Deed) -> None:
    """Silence that is sent is audio, and each use begins the time anew; after the last it ends, too."""
    assert used(deed) == pytest.approx(13 * 45 + 60, abs=2)


def test_a_long_reply_is_no_idleness() -> None:
    """Who listens to a reply for minutes, without a word, and who waits for one, is there."""

    async def main() -> None:
        around = Patient()
        around.llm.scripts = [[100.0, "A word. " * 500]]
        session, run = await around.open()
        session.type_text("Tell me everything.")
        await around.sink.wait_for(ReplyFinished)
        spoken_s = sum(len(audio.pcm) for _, audio in around.sink.audio) / 32_000
        assert spoken_s > 120
        assert not run.done()
        ended_s = asyncio.get_running_loop().time()
        await run
        assert asyncio.get_running_loop().time() - ended_s == pytest.approx(60, abs=1)

    virtual_time.run(main())


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_session_whose_words_nobody_transcribes_ends(*, is_committed: bool) -> None:
    """A turn that is called while the recogniser is away is awaited for no longer than anything else: without audio the
    session ends when its time has come.
    """

    async def main() -> None:
        around = Patient()
        gone = BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "connection refused")
        around.recognizer.scripts = [[gone] for _ in range(100)]
        session, run = await around.open()
        for number in range(50):
            session.hear(FRAME, number * 320)
            await asyncio.sleep(0.02)
        if is_committed:
            session.commit()
        began_s = asyncio.get_running_loop().time()
        assert (await run).cause is EndCause.IDLE
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(60, abs=1)
        assert around.nothing_is_left()

    virtual_time.run(main())


def test_no_idle_timeout_is_no_end() -> None:
    """Half an hour of nothing, where the server waits for ever."""

    async def main() -> None:
        around = World()
        session, run = await around.open()
        await asyncio.wait({run}, timeout=1_800)
        assert not run.done()
        session.end()
        await run

    virtual_time.run(main())
