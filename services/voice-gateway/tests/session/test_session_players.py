"""A cough over the reply of whole sessions, for each kind of player, on fakes of the ports, in virtual time."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeSynthesizer
from gateway_kit.session_world import FRAME, REQUEST, World
from voice_gateway.domain.events import (
    Ended,
    Event,
    Notice,
    ReplyAudio,
    ReplyFinished,
    ReplyHeard,
    ReplyOutcome,
    ReplyPaused,
    ReplyResumed,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, SessionId
from voice_gateway.domain.player import Player
from voice_gateway.session.playout import FRAME_MS
from voice_gateway.session.ports import Session, SpeechChunk, VoiceSpec
from voice_gateway.session.runner import SessionRunner

pytestmark = pytest.mark.usefixtures("every_session_replays")

COUNT = "One two three four five six seven eight nine ten. "
LENGTH_MS = 2_400
LOUD = b"\x00\x10" * 320
LEAD_MS, CLIENT_BUFFER_MS = 200, 100
"""Defaults of the policy."""


class Counting(FakeSynthesizer):
    """The samples of a sentence count up from 0, modulo 65,536: of a reply of one sentence each tells its place."""

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak."""
        start = 0
        async for chunk in super().synthesize(session, spec, text):
            length = len(chunk.pcm) // 2
            yield SpeechChunk(counted(start, length))
            start += length


def counted(start: int, length: int) -> bytes:
    """Samples that count up."""
    return b"".join((sample % 65_536).to_bytes(2, "little") for sample in range(start, start + length))


async def coughed_at(world: World, player: Player, *, cough_at: int) -> tuple[Session, asyncio.Task[Ended]]:
    """A session whose user asks, and coughs so many frames of 20 ms after the first audio; the reply is over."""
    world.llm.scripts = [[COUNT]]
    session, ended = await world.open(dataclasses.replace(REQUEST, player=player))
    session.type_text("Count.")
    await world.sink.wait_for(TurnReport)
    for index in range(200):
        session.hear(LOUD if cough_at <= index < cough_at + 10 else FRAME, index * 320)
        await asyncio.sleep(0.02)
    await world.sink.wait_for(ReplyFinished)
    return session, ended


def run(player: Player, check: Callable[[World, Session], Awaitable[None]], *, cough_at: int = 25) -> None:
    """Check what came of a cough, in virtual time, and that nothing is left of the session."""

    async def main() -> None:
        world = World(synthesizer=Counting())
        session, ended = await coughed_at(world, player, cough_at=cough_at)
        (finished,) = world.sink.of(ReplyFinished)
        assert isinstance(finished, ReplyFinished)
        assert finished.outcome is ReplyOutcome.COMPLETED
        assert finished.total_samples == LENGTH_MS * 16
        for _, frame in world.sink.audio:
            assert frame.pcm == counted(frame.offset_samples, len(frame.pcm) // 2)
        await check(world, session)
        session.end()
        await ended
        assert world.nothing_is_left()

    virtual_time.run(main())


def one_at(world: World, kind: type[Event]) -> float:
    """When the only event of this kind was told."""
    (at,) = [at for at, event in world.sink.events if isinstance(event, kind)]
    return at


def is_gapless(audio: list[ReplyAudio]) -> bool:
    """Whether each frame begins where the one before it ends."""
    ends = [frame.offset_samples + len(frame.pcm) // 2 for frame in audio]
    return [frame.offset_samples for frame in audio[1:]] == ends[:-1]


async def all_is_sent_once(world: World, _: Session) -> None:
    """Each sample left once, in its order; the client's queue was not touched."""
    assert is_gapless([frame for _, frame in world.sink.audio])
    assert world.sink.flushed == []


def test_a_player_that_pauses_gets_everything_once() -> None:
    """It is told to stand still and to go on, and nothing is sent again."""

    async def check(world: World, session: Session) -> None:
        await all_is_sent_once(world, session)
        paused, resumed = one_at(world, ReplyPaused), one_at(world, ReplyResumed)
        assert resumed - paused == pytest.approx(1.5, abs=0.01)
        assert not [at for at, _ in world.sink.audio if paused < at < resumed]

    run(Player.PAUSES, check)


def test_a_player_that_is_never_held_gets_everything_without_a_break() -> None:
    """A cough changes nothing for it, as with the older contract."""

    async def check(world: World, session: Session) -> None:
        await all_is_sent_once(world, session)
        assert world.sink.of(ReplyPaused) == world.sink.of(ReplyResumed) == []
        leaves = [at for at, _ in world.sink.audio]
        assert max(later - at for at, later in itertools.pairwise(leaves)) <= 2 * FRAME_MS / 1_000

    run(Player.NEVER_HELD, check)


def test_a_player_that_plays_out_hears_the_reply_to_its_end() -> None:
    """Whoever coughs when the last audio has left does not delay the end of the reply: nobody is told of a hold."""

    async def check(world: World, session: Session) -> None:
        await all_is_sent_once(world, session)
        assert world.sink.of(ReplyPaused) == world.sink.of(ReplyResumed) == []
        took_s = one_at(world, ReplyFinished) - world.sink.audio[0][0]
        assert took_s == pytest.approx((LENGTH_MS + CLIENT_BUFFER_MS) / 1_000, abs=0.05)

    run(Player.PLAYS_OUT, check, cough_at=110)


def test_a_player_that_plays_out_gets_no_more_while_the_reply_is_held() -> None:
    """For the time of the doubt nothing leaves, then it goes on behind what was sent; no underrun is counted."""

    async def check(world: World, session: Session) -> None:
        await all_is_sent_once(world, session)
        assert world.sink.of(ReplyPaused) == world.sink.of(ReplyResumed) == []
        leaves = [at for at, _ in world.sink.audio]
        gaps = [later - at for at, later in itertools.pairwise(leaves)]
        assert max(gaps) == pytest.approx(1.5, abs=0.05)
        assert world.telemetry.turns[0].underruns == 0

    run(Player.PLAYS_OUT, check)


def test_a_reply_that_was_played_out_is_over_when_its_model_ends_during_a_hold() -> None:
    """All of it has been played while it is held, and then it is known that no more follows: nobody waits for the
    verdict.
    """

    async def main() -> None:
        world = World(synthesizer=Counting())
        world.llm.scripts = [[COUNT, 2.8]]
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=Player.PLAYS_OUT))
        session.type_text("Count.")
        asked_at = asyncio.get_running_loop().time()
        await world.sink.wait_for(TurnReport)
        for index in range(200):
            session.hear(LOUD if 110 <= index < 120 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        (finished,) = world.sink.of(ReplyFinished)
        assert isinstance(finished, ReplyFinished)
        assert (finished.outcome, finished.total_samples) == (ReplyOutcome.COMPLETED, LENGTH_MS * 16)
        assert one_at(world, ReplyFinished) - asked_at == pytest.approx(2.8, abs=0.05)
        assert [frame.is_last for _, frame in world.sink.audio].count(True) == 1
        session.end()
        await run_

    virtual_time.run(main())


@pytest.mark.parametrize("cough_at", [25, 112])
def test_a_player_that_is_flushed_gets_again_what_was_not_heard(cough_at: int) -> None:
    """From the position where it was heard to the same samples leave again, also when the last had left already."""

    async def check(world: World, _: Session) -> None:
        paused, resumed = one_at(world, ReplyPaused), one_at(world, ReplyResumed)
        assert not [at for at, _ in world.sink.audio if paused < at < resumed]
        before = [frame for at, frame in world.sink.audio if at <= paused]
        after = [frame for at, frame in world.sink.audio if at >= resumed]
        assert is_gapless(before)
        assert is_gapless(after)
        (told,) = world.sink.of(ReplyResumed)
        assert isinstance(told, ReplyResumed)
        assert after[0].offset_samples == told.offset_samples
        sent = before[-1].offset_samples + len(before[-1].pcm) // 2
        again_ms = (sent - told.offset_samples) // 16
        assert CLIENT_BUFFER_MS <= again_ms <= LEAD_MS + CLIENT_BUFFER_MS + FRAME_MS
        assert [frame.is_last for frame in after] == [False] * (len(after) - 1) + [True]
        assert world.sink.flushed == [ReplyId(1)]
        assert finished_after_it_was_heard(world)

    run(Player.FLUSHES, check, cough_at=cough_at)


def finished_after_it_was_heard(world: World) -> bool:
    """Whether the reply was over when its last audio was due, and not before."""
    last_at, last = world.sink.audio[-1]
    length_s = len(last.pcm) / 32_000
    return one_at(world, ReplyFinished) >= last_at + length_s


def test_two_sentences_leave_again_in_their_order() -> None:
    """What is sent again may begin in an earlier sentence: each frame keeps the number of its own."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two. ", "Three four five six seven. "]]
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=Player.FLUSHES))
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        for index in range(150):
            session.hear(LOUD if 12 <= index < 22 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        resumed = one_at(world, ReplyResumed)
        before = [frame for at, frame in world.sink.audio if at < resumed]
        after = [frame for at, frame in world.sink.audio if at >= resumed]
        assert (before[-1].sentence, after[0].sentence) == (2, 1)
        assert {frame.sentence: frame.pcm[:2] for frame in after} == {1: b"\x01\x00", 2: b"\x02\x00"}
        assert sorted(frame.sentence for frame in after) == [frame.sentence for frame in after]
        session.end()
        await run_

    virtual_time.run(main())


def test_words_after_a_flush_send_nothing_again() -> None:
    """An interruption while the reply is held ends it: its history is what was heard up to the hold."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [[COUNT, 60.0], ["All right."]]
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=Player.FLUSHES))
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        for index in range(45):
            session.hear(LOUD if index >= 25 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        paused = one_at(world, ReplyPaused)
        session.interrupt()
        await world.sink.wait_for(ReplyFinished)
        assert not [at for at, _ in world.sink.audio if at > paused]
        (heard,) = world.sink.of(ReplyHeard)
        assert isinstance(heard, ReplyHeard)
        first_at = world.sink.audio[0][0]
        heard_s = paused - first_at - CLIENT_BUFFER_MS / 1_000
        assert heard.heard_samples / 16_000 == pytest.approx(heard_s, abs=0.02)
        session.end()
        await run_

    virtual_time.run(main())


def test_a_report_that_crosses_with_a_resume_is_plausible() -> None:
    """What a flushed client played before the flush had been sent, though it waits to be sent again when it is told."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [[COUNT]]
        policy = {"lead_ms": FRAME_MS, "contested_timeout_ms": 400}
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=Player.FLUSHES, policy=policy))
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        for index in range(60):
            session.hear(LOUD if 25 <= index < 35 else FRAME, index * 320)
            await asyncio.sleep(0.02)
            if world.sink.of(ReplyResumed):
                break
        (told,) = world.sink.of(ReplyResumed)
        assert isinstance(told, ReplyResumed)
        session.report_playback(ReplyId(1), told.offset_samples + (CLIENT_BUFFER_MS - 10) * 16, is_final=False)
        await asyncio.sleep(0.01)
        assert not world.sink.of(Notice)
        session.end()
        await run_

    virtual_time.run(main())


def test_what_may_leave_again_is_bounded() -> None:
    """Of a minute of reply audio no more is kept than the lead, the client's buffer and a second; nothing is where no
    player is flushed.
    """

    async def kept_bytes(player: Player) -> int:
        world = World()
        world.llm.scripts = [["word " * 200 + ". "]]
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=player))
        assert isinstance(session, SessionRunner)
        session.type_text("Talk.")
        most = 0
        while not world.sink.of(ReplyFinished):
            await asyncio.sleep(0.2)
            most = max(most, sum(len(pcm) for _, pcm in session._playout._kept._frames))
        session.end()
        await run_
        return most

    async def main() -> None:
        most = await kept_bytes(Player.FLUSHES)
        bound_ms = LEAD_MS + CLIENT_BUFFER_MS + 1_000
        assert bound_ms * 32 <= most < (bound_ms + FRAME_MS) * 32
        assert await kept_bytes(Player.PAUSES) == await kept_bytes(Player.PLAYS_OUT) == 0

    virtual_time.run(main())


def test_a_client_that_lags_by_more_goes_on_at_the_oldest_that_is_kept() -> None:
    """Where a client's reports are seconds behind what was sent, the reply goes on with a gap, and is heard out."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [[COUNT]]
        session, run_ = await world.open(dataclasses.replace(REQUEST, player=Player.FLUSHES))
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        for index in range(280):
            session.hear(LOUD if 100 <= index < 110 else FRAME, index * 320)
            if index == 106:
                session.report_playback(ReplyId(1), 160, is_final=True)
            await asyncio.sleep(0.02)
        session.report_playback(ReplyId(1), 10**9, is_final=True)
        await world.sink.wait_for(ReplyFinished)
        resumed = one_at(world, ReplyResumed)
        before = [frame for at, frame in world.sink.audio if at < resumed]
        after = [frame for at, frame in world.sink.audio if at >= resumed]
        sent = before[-1].offset_samples + len(before[-1].pcm) // 2
        assert 0 < sent - after[0].offset_samples - 16 * (LEAD_MS + CLIENT_BUFFER_MS + 1_000) <= 16 * FRAME_MS
        assert is_gapless(after)
        session.end()
        await run_

    virtual_time.run(main())
