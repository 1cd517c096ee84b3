"""Whole sessions on fakes of the ports, in virtual time, when backends fail, clients vanish and servers leave."""

import asyncio
from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeRecognizer, Step
from gateway_kit.session_world import FRAME, World, heard
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.errors import Backend, BackendError, GatewayError, QuestionTooLong, Reason, Unavailable
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    GoingAway,
    Notice,
    ReplyFinished,
    ReplyKind,
    ReplyOutcome,
    ReplyText,
    Transcript,
    TurnOutcome,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.session import clock
from voice_gateway.session.ports import Session
from voice_gateway.session.runner import MAX_INBOX, SessionRunner

pytestmark = pytest.mark.usefixtures("every_session_replays")

GONE = BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "connection refused")


def test_recognition_dies_mid_utterance_and_no_word_is_lost() -> None:
    """The second stream gets the audio since the last final, the client a notice, and the turn is answered."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.0, heard("First.", 600), 0.4, GONE], [0.8, heard("Second.", 1_600)]]
        world.llm.scripts = [["One."], ["Two."]]
        session, run = await world.open()
        frames = [index.to_bytes(2, "little") * 320 for index in range(100)]
        for index, frame in enumerate(frames):
            session.hear(frame, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished, 2)
        notices = [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)]
        assert notices == [Reason.RECOGNITION_INTERRUPTED]
        replayed = b"".join(frames[30:])
        assert replayed.startswith(world.recognizer.heard[1])
        assert len(replayed) - len(world.recognizer.heard[1]) < 5 * len(FRAME)
        finals = [event.text for event in world.sink.of(Transcript) if isinstance(event, Transcript) and event.is_final]
        assert finals == ["First.", "Second."]
        session.end()
        await run
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_who_types_does_not_notice_that_recognition_is_away_for_a_minute() -> None:
    """An open microphone and a keyboard: turns that are typed are answered, the client is told once, nothing ends."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[GONE] for _ in range(18)]
        world.llm.scripts = [["One."], ["Two."]]
        session, run = await world.open()
        for index in range(65 * 50):
            assert session.has_room()
            session.hear(FRAME, index * 320)
            if index in {500, 2_500}:
                session.type_text("What time is it?")
            await asyncio.sleep(0.02)
        assert len(world.sink.of(ReplyFinished)) == 2
        notices = [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)]
        assert notices == [Reason.RECOGNITION_INTERRUPTED]
        assert len(world.recognizer.specs) == 19
        session.end()
        await run
        assert world.nothing_is_left()

    virtual_time.run(main())


@pytest.mark.parametrize("script", [[], [GONE]], ids=["politely", "with a failure"])
def test_a_recogniser_that_ends_its_streams_at_once_holds_up_nobody(script: list[Step]) -> None:
    """However a stream ends that took no audio: the next is 4 s away, and meanwhile nobody waits for the old one."""

    class Deaf(FakeRecognizer):
        async def _listen(self, audio: AsyncIterator[bytes], taken: bytearray) -> None:
            """Not at all."""

    async def main() -> None:
        world = World(recognizer=Deaf(scripts=[script] * 6))
        session, run = await world.open()
        await asyncio.sleep(8)  # streams at 0, 0, 0.5, 1.5, 3.5 and 7.5 s; the next comes at 11.5 s
        assert len(world.recognizer.specs) == 6
        session.hear(bytes(32 * 6_000), 0)
        await asyncio.sleep(1)  # whoever listens for speech has listened
        assert session.has_room()
        session.end()
        await run
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_speech_goes_on_when_recognition_is_back_after_a_minute() -> None:
    """What was said while nobody heard is replayed to the first stream that holds, and the turn is answered."""

    async def main() -> None:
        world = World()
        away: list[list[Step]] = [[GONE] for _ in range(18)]
        world.recognizer.scripts = [*away, [0.5, heard("Are you back?", 2_000)]]
        world.llm.scripts = [["Yes."]]
        session, run = await world.open()
        for index in range(70 * 50):
            session.hear(FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        assert [event.text for event in world.sink.of(Transcript) if isinstance(event, Transcript)] == ["Are you back?"]
        session.end()
        await run

    virtual_time.run(main())


def test_what_was_said_before_the_half_close_is_waited_for_and_then_given_up() -> None:
    """A session that nobody would end, and whose last words nobody can hear, fails UNAVAILABLE for ASR."""

    async def main() -> None:
        world = World()
        away: list[list[Step]] = [[GONE] for _ in range(10)]
        world.recognizer.scripts = [[0.5, heard("Hello", 300, is_final=False), GONE], *away]
        session, run = await world.open()
        session.hear(FRAME * 50, 0)
        await asyncio.sleep(1)
        session.finish()
        with pytest.raises(BackendError) as failed:
            await run
        assert (failed.value.backend, failed.value.reason) == (Backend.ASR, Reason.BACKEND_UNAVAILABLE)
        assert isinstance(world.telemetry.ended[0], BackendError)
        assert world.nothing_is_left()

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("script", "texts", "outcome"),
    [
        ([BackendError(Backend.LLM, Reason.LLM_TIMEOUT, "late")], ["Sorry."], ReplyOutcome.FAILED),
        (
            ["Well. It is ", BackendError(Backend.LLM, Reason.LLM_FAILED, "gone")],
            ["Well.", "It is", "Sorry."],
            ReplyOutcome.FAILED,
        ),
    ],
)
def test_the_model_fails_and_the_user_hears_of_it(
    script: list[str | ToolCall | BackendError | float], texts: list[str], outcome: ReplyOutcome
) -> None:
    """A model that refuses, hangs or dies mid-sentence leads to a notice and an apology; the session goes on."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [script, ["Fine."]]
        session, run = await world.open()
        session.type_text("Hello?")
        await world.sink.wait_for(ReplyFinished)
        assert world.synthesizer.texts == texts
        assert world.telemetry.turns[0].finished.outcome is outcome
        session.type_text("Again?")
        await world.sink.wait_for(ReplyFinished, 2)
        assert world.telemetry.turns[1].finished.outcome is ReplyOutcome.COMPLETED
        session.end()
        await run

    virtual_time.run(main())


def test_synthesis_dies_mid_sentence_and_the_rest_is_shown() -> None:
    """The audio that came is played, the other sentences come as text, a notice says why, and the next reply speaks."""

    async def main() -> None:
        world = World()
        world.synthesizer.fail_on = "bad"
        world.llm.scripts = [["Good. A bad one. ", 0.2, "Never spoken."], ["Fine."]]
        session, run = await world.open()
        session.type_text("Hello?")
        await world.sink.wait_for(ReplyFinished)
        assert world.synthesizer.texts == ["Good.", "A bad one."]
        assert len(world.sink.of(ReplyText)) == 3
        assert world.sink.audio[-1][1].is_last
        assert [error.reason for error in world.telemetry.troubles] == [Reason.TTS_FAILED]
        session.type_text("Again?")
        await world.sink.wait_for(ReplyFinished, 2)
        assert world.synthesizer.texts[-1] == "Fine."
        session.end()
        await run

    virtual_time.run(main())


def test_a_sentence_without_sound_is_skipped_and_the_rest_is_spoken() -> None:
    """The sentences after it are synthesised and played, the client and the log are told, and no address is blamed."""

    async def main() -> None:
        world = World()
        world.synthesizer.skip_on = "Hm"
        world.llm.scripts = [["Good. Hm. Spoken too."]]
        session, run = await world.open()
        session.type_text("Hello?")
        await world.sink.wait_for(ReplyFinished)
        assert world.synthesizer.texts == ["Good.", "Hm.", "Spoken too."]
        notices = [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)]
        assert notices == [Reason.SENTENCE_SKIPPED]
        assert [error.reason for error in world.telemetry.troubles] == [Reason.SENTENCE_SKIPPED]
        samples = (len("Good.") // 2 + len("Spoken too.") // 2) * 1_600
        assert world.telemetry.turns[0].finished == ReplyFinished(
            ReplyId(1), TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, samples
        )
        assert sum(len(audio.pcm) for _, audio in world.sink.audio) == samples * 2
        assert world.synthesizer.blamed == []
        session.end()
        await run
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_a_reply_without_any_sound_has_failed() -> None:
    """All of it is shown, one TTS_FAILED says that nothing can be heard, and whoever was asked is blamed."""

    async def main() -> None:
        world = World()
        world.synthesizer.skip_on = "Hm"
        world.llm.scripts = [["Hm. ", 0.5, "Hmm."], ["Fine."]]
        session, run = await world.open()
        session.type_text("Hello?")
        await world.sink.wait_for(ReplyFinished)
        notices = [event.reason for event in world.sink.of(Notice) if isinstance(event, Notice)]
        assert notices == [Reason.SENTENCE_SKIPPED, Reason.SENTENCE_SKIPPED, Reason.TTS_FAILED]
        assert world.telemetry.turns[0].finished.outcome is ReplyOutcome.FAILED
        assert len(world.sink.of(ReplyText)) == 2
        assert world.synthesizer.blamed == ["Hm.", "Hmm."]
        session.type_text("Again?")
        await world.sink.wait_for(ReplyFinished, 2)
        assert world.telemetry.turns[1].finished.outcome is ReplyOutcome.COMPLETED
        session.end()
        await run

    virtual_time.run(main())


def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    """Cancelling the session mid-reply cancels recognition, model and synthesis before it returns."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three. ", 60.0]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        assert not world.nothing_is_left()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert world.nothing_is_left()
        assert world.telemetry.ended == [None]
        assert world.telemetry.outcomes == [(1, TurnOutcome.INTERRUPTED)]

    virtual_time.run(main())


async def asked_a_model_that_hangs(since_s: int) -> tuple[World, Session, asyncio.Task[Ended]]:
    """A session whose user has typed something, `since_s` seconds ago."""
    world = World()
    world.llm.scripts = [[3_600.0]]
    session, run = await world.open()
    session.type_text("Count.")
    await asyncio.sleep(since_s)
    return world, session, run


def test_a_client_that_vanishes_while_the_model_hangs_has_no_answer() -> None:
    """Who hangs up has nobody tell so: the turn that was waited for is counted, and not one more."""

    async def main() -> None:
        world, _, run = await asked_a_model_that_hangs(since_s=3)
        assert world.telemetry.outcomes == []
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert world.telemetry.outcomes == [(1, TurnOutcome.ABANDONED)]
        assert world.telemetry.ended == [None]

    virtual_time.run(main())


@given(st.integers(0, 10**15))
def test_a_timer_never_rings_before_its_instant(nanoseconds: int) -> None:
    """At the loop's time of an instant the clock shows that instant, at least for 11 days: what rings is due."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with patch.object(loop, "time", lambda: clock.loop_time(Instant(nanoseconds))):
            assert clock.now() == nanoseconds

    virtual_time.run(main())


def test_a_fault_of_ours_ends_the_session_with_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception inside the loop is told as INTERNAL and logged; it does not escape as something else."""

    async def main() -> None:
        world = World()
        session, run = await world.open()
        assert isinstance(session, SessionRunner)
        monkeypatch.setattr(session._performer, "perform", lambda _: 1 / 0)
        session.type_text("Hello.")
        with pytest.raises(GatewayError) as failed:
            await run
        assert failed.value.reason is Reason.INTERNAL
        assert "ZeroDivisionError" in world.telemetry.troubles[0].message
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_facts_that_nobody_takes_end_the_session() -> None:
    """A session whose loop does not turn any more fills its inbox and not the memory; the client is told INTERNAL."""

    async def main() -> None:
        world = World()
        session, run = await world.open()
        for _ in range(MAX_INBOX):  # one more than there is room for: the beginning is a fact, too
            session.finish()  # of what a client does nothing else is unbounded
        with pytest.raises(GatewayError, match="inbox is full"):
            await run
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_a_turn_of_a_session_that_breaks_has_failed() -> None:
    """A full inbox one second after the question is a fault of the gateway, and not the impatience of a user."""

    async def main() -> None:
        world, session, run = await asked_a_model_that_hangs(since_s=1)
        for _ in range(MAX_INBOX + 1):
            session.finish()
        with pytest.raises(GatewayError, match="inbox is full"):
            await run
        assert world.telemetry.outcomes == [(1, TurnOutcome.FAILED)]

    virtual_time.run(main())


def test_a_turn_is_counted_though_its_last_orders_cannot_be_performed() -> None:
    """The order that counts comes behind the one that raises an error, and is performed all the same, once."""

    async def main() -> None:
        world, session, run = await asked_a_model_that_hangs(since_s=3)
        with patch.object(world.telemetry, "turn_ended", side_effect=ZeroDivisionError):
            session.interrupt()
            with pytest.raises(GatewayError):
                await run
        assert world.telemetry.outcomes == [(1, TurnOutcome.ABANDONED)]

    virtual_time.run(main())


def test_why_the_last_turn_was_not_counted_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error of whoever counts is in the log, and the session ends as it would."""

    async def main() -> None:
        world, _, run = await asked_a_model_that_hangs(since_s=3)
        with patch.object(world.telemetry, "turn_counted", side_effect=ZeroDivisionError):
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        assert "ZeroDivisionError" in caplog.text
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_the_server_leaves() -> None:
    """A drain lets the running turn finish, tells the client, admits nobody, and the roster empties."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three. "]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        world.roster.drain(30_000)
        assert await run == Ended(EndCause.DRAINING)
        assert world.sink.of(GoingAway)
        assert world.telemetry.turns[0].finished.outcome is ReplyOutcome.COMPLETED
        with pytest.raises(Unavailable) as refused:
            await world.open()
        assert refused.value.reason is Reason.DRAINING
        await world.roster.wait_empty()

    virtual_time.run(main())


def test_a_session_admitted_just_before_the_drain_is_told_too() -> None:
    """Nobody falls between admission and the first step."""

    async def main() -> None:
        world = World()
        _, run = await world.open()
        world.roster.drain(30_000)
        assert await run == Ended(EndCause.DRAINING)

    virtual_time.run(main())


def test_a_question_that_is_too_long_is_asked_again_without_a_word() -> None:
    """The model refuses for the length: the same turn is answered from a shorter question; no notice, no trouble."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["Noted. "], [0.1, QuestionTooLong()], ["Both are. "]]
        session, run = await world.open()
        session.type_text("x" * 2_000)
        await world.sink.wait_for(ReplyFinished)
        session.type_text("y" * 2_000)
        await world.sink.wait_for(ReplyFinished, 2)
        session.end()
        await run
        texts = [[message.text for message in asked] for asked in world.llm.requests]
        assert texts[1] == ["Be brief.", "x" * 2_000, "Noted.", "y" * 2_000]
        assert texts[2] == ["Be brief.", "y" * 2_000]
        finished = world.sink.of(ReplyFinished)[1]
        assert isinstance(finished, ReplyFinished)
        assert (finished.reply, finished.outcome) == (2, ReplyOutcome.COMPLETED)
        assert world.sink.of(Notice) == []
        assert world.telemetry.troubles == []
        assert world.nothing_is_left()

    virtual_time.run(main())
