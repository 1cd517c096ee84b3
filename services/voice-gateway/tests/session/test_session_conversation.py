"""Whole sessions on fakes of the ports, in virtual time."""

import asyncio
from pathlib import Path

import pytest
from gateway_kit import virtual_time
from gateway_kit.journals import read_journal, replay_journal
from gateway_kit.port_fakes import (
    FakeSink,
)
from gateway_kit.session_world import FRAME, REQUEST, World, heard
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    ReplyAudio,
    ReplyFinished,
    ReplyHeard,
    ReplyOutcome,
    ReplyPaused,
    ReplyResumed,
    ReplyText,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReport,
)
from voice_gateway.session.excess import PIECE_CHARS
from voice_gateway.session.playout import FRAME_MS
from voice_gateway.turn import inputs

pytestmark = pytest.mark.usefixtures("every_session_replays")


def test_a_spoken_turn_is_answered_and_everything_is_told() -> None:
    """Speech in, transcript and reply out, in the order of the contract, ended by half-close, with nothing left."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[0.7, heard("hello", 500, is_final=False), 0.8, heard("Hello.", 1_400)]]
        world.llm.scripts = [["Good day. ", "How are", " you?"]]
        session, run = await world.open()
        for index in range(75):
            session.hear(FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        session.finish()
        assert await run == Ended(EndCause.CLIENT_HALF_CLOSED)
        told = [type(event).__name__ for _, event in world.sink.events]
        order = "SpeechStarted Transcript SpeechEnded Transcript ReplyText TurnReport ReplyText ReplyFinished Ended"
        assert " ".join(told) == order
        assert bytes(world.recognizer.heard[0]) == FRAME * 75
        assert [text.text for text in world.sink.of(ReplyText) if isinstance(text, ReplyText)] == [
            "Good day. ",
            "How are you?",
        ]
        assert world.telemetry.turns[0].finished.outcome is ReplyOutcome.COMPLETED
        assert world.telemetry.answered == [1]
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_speech_is_told_at_its_onset() -> None:
    """SpeechStarted comes within vad_onset_ms, a chunk and a tick of the first sound, long before any word."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[2.0, heard("Hello.", 1_400)]]
        world.llm.scripts = [["Yes."]]
        session, run = await world.open()
        begun = asyncio.get_running_loop().time()
        for index in range(60):
            session.hear(b"\x00\x10" * 320 if 20 <= index < 40 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        at, started = world.sink.events[0]
        assert started == SpeechStarted(6_144)
        assert at - begun < 0.4 + 0.096 + 0.032 + 0.04
        assert isinstance(world.sink.events[1][1], SpeechEnded)
        session.end()
        await run

    virtual_time.run(main())


def test_a_session_leaves_a_journal_that_reads_as_the_conversation(tmp_path: Path) -> None:
    """Every call of the core is in it, deadlines too, to the last one; sound is not."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.0, heard("Hello.", 900)]]
        world.llm.scripts = [["Good day."]]
        session, run = await world.open()
        session.hear(FRAME, 0)
        await world.sink.wait_for(ReplyFinished)
        session.end()
        await run

    virtual_time.run(main())
    calls = read_journal(tmp_path / "s1.jsonl").calls
    assert isinstance(calls[0].fact, inputs.SessionStarted)
    assert isinstance(calls[-1].fact, inputs.EndRequested)
    assert any(call.fact is None for call in calls)
    script = "\n".join(replay_journal(tmp_path / "s1.jsonl").script)
    assert "    1000 ms  USER    Hello.  (turn 1)\n" in script
    assert "    1050 ms  AGENT   Good day.  (answer 1)\n" in script
    assert script.endswith("server  (ended: client_ended)")


def test_a_reply_that_comes_in_one_piece_is_taken_in_parts(tmp_path: Path) -> None:
    """A model that sends all it has at once holds up nobody else: between two parts others have their turn."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.0, heard("Hello.", 1_000)]]
        world.llm.scripts = [["Good day. " * 500]]
        session, run = await world.open()
        session.hear(FRAME, 0)
        await world.sink.wait_for(ReplyText)
        session.end()
        await run

    virtual_time.run(main())
    facts = [call.fact for call in read_journal(tmp_path / "s1.jsonl").calls]
    parts = [fact.text for fact in facts if isinstance(fact, inputs.ReplyDelta)]
    assert "".join(parts) == "Good day. " * 500
    assert max(map(len, parts)) == PIECE_CHARS


def test_reply_audio_is_contiguous_paced_and_marked_last() -> None:
    """Frames follow one another without a gap, at most lead_ms ahead of real time, and the last one says so."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five. Six seven eight nine ten."]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(ReplyFinished)
        first_at = world.sink.audio[0][0]
        expected = 0
        for at, audio in world.sink.audio:
            assert audio.offset_samples == expected
            ahead_ms = expected / 16 - (at - first_at) * 1_000
            assert ahead_ms <= 200
            expected += len(audio.pcm) // 2
        assert [audio.is_last for _, audio in world.sink.audio].index(True) == len(world.sink.audio) - 1
        (finished,) = world.sink.of(ReplyFinished)
        assert isinstance(finished, ReplyFinished)
        assert finished.total_samples == expected
        sentences = [audio.sentence for _, audio in world.sink.audio if audio.pcm]
        assert sentences == sorted(sentences)
        session.end()
        assert await run == Ended(EndCause.CLIENT_ENDED)
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_the_first_frame_leaves_at_once() -> None:
    """The first synthesised chunk is not held for a tick: model, synthesis and playout add up to the report's total."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [[0.123, "Yes. "]]
        session, run = await world.open()
        begun = asyncio.get_running_loop().time()
        session.type_text("Well?")
        await world.sink.wait_for(TurnReport)
        assert world.sink.audio[0][0] - begun == pytest.approx(0.123 + 0.05, abs=0.001)
        (report,) = world.sink.of(TurnReport)
        assert isinstance(report, TurnReport)
        assert report.total_ms == sum(span.duration_ms for span in report.spans) == 173
        session.end()
        await run

    virtual_time.run(main())


def test_an_interruption_stops_the_audio_and_history_has_what_was_heard() -> None:
    """After an interrupt no frame leaves, calls are cancelled, and the next request has the words that were heard."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five six seven. ", 60.0, "More."], ["Yes."]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        await asyncio.sleep(0.6)
        session.interrupt()
        await world.sink.wait_for(ReplyHeard)
        sent = len(world.sink.audio)
        assert world.sink.flushed == [1]
        await asyncio.sleep(1)
        assert len(world.sink.audio) == sent
        assert world.llm.open_requests == world.synthesizer.open_calls == 0
        (told,) = world.sink.of(ReplyHeard)
        assert isinstance(told, ReplyHeard)
        assert told.heard_samples == pytest.approx(500 * 16, abs=320)
        session.type_text("Go on.")
        await world.sink.wait_for(ReplyFinished, 2)
        assert [message.text for message in world.llm.requests[1]] == ["Be brief.", "Count.", told.heard_text, "Go on."]
        session.end()
        await run

    virtual_time.run(main())


def test_many_sessions_share_one_pacer() -> None:
    """Fifty replies at once: each is contiguous and no frame is later than a tick."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five six. "]] * 50
        service = world.service()
        sinks = [FakeSink() for _ in range(50)]
        sessions = [await service.open(REQUEST, sink) for sink in sinks]
        runs = [asyncio.create_task(session.run()) for session in sessions]
        for session in sessions:
            session.type_text("Count.")
        for sink in sinks:
            await sink.wait_for(ReplyFinished)
            _assert_never_late(sink.audio)
        for session in sessions:
            session.end()
        await asyncio.gather(*runs)
        assert world.nothing_is_left()

    virtual_time.run(main())


def _assert_never_late(audio: list[tuple[float, ReplyAudio]]) -> None:
    first_at = audio[0][0]
    for at, chunk in audio:
        assert (at - first_at) * 1_000 <= chunk.offset_samples / 16 + FRAME_MS


def test_a_cough_pauses_the_reply_and_nothing_of_it_is_lost() -> None:
    """At the onset audio stops leaving; after the timeout it goes on without a gap, and the reply is complete."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five six seven eight nine ten. "]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(TurnReport)
        begun = asyncio.get_running_loop().time()
        for index in range(150):
            session.hear(b"\x00\x10" * 320 if 25 <= index < 35 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished)
        (paused_at,) = [at for at, event in world.sink.events if isinstance(event, ReplyPaused)]
        (resumed_at,) = [at for at, event in world.sink.events if isinstance(event, ReplyResumed)]
        assert paused_at - begun - 0.5 < 0.096 + 0.032 + 0.04
        assert resumed_at - paused_at == pytest.approx(1.5, abs=0.01)
        assert not [at for at, _ in world.sink.audio if paused_at < at < resumed_at]
        expected = 0
        for _, audio in world.sink.audio:
            assert audio.offset_samples == expected
            expected += len(audio.pcm) // 2
        (finished,) = world.sink.of(ReplyFinished)
        assert isinstance(finished, ReplyFinished)
        assert finished.outcome is ReplyOutcome.COMPLETED
        assert finished.total_samples == expected
        session.end()
        await run

    virtual_time.run(main())


def test_words_over_the_agent_stop_it() -> None:
    """Enough words end the reply before the utterance is final; the final is answered."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.2, heard("no wait", 1_100, is_final=False), 1.0, heard("No wait.", 2_100)]]
        world.llm.scripts = [["One two three four five six seven eight nine ten. ", 60.0], ["All right."]]
        session, run = await world.open()
        session.type_text("Count.")
        for index in range(150):
            session.hear(b"\x00\x10" * 320 if 25 <= index < 75 else FRAME, index * 320)
            await asyncio.sleep(0.02)
        await world.sink.wait_for(ReplyFinished, 2)
        outcomes = [event.outcome for event in world.sink.of(ReplyFinished) if isinstance(event, ReplyFinished)]
        assert outcomes == [ReplyOutcome.INTERRUPTED, ReplyOutcome.COMPLETED]
        interrupted_at = next(at for at, event in world.sink.events if isinstance(event, ReplyHeard))
        final_at = next(
            at
            for at, event in world.sink.events
            if isinstance(event, Transcript) and event.is_final and event.text == "No wait."
        )
        assert interrupted_at < final_at
        session.end()
        await run

    virtual_time.run(main())


def test_a_session_asks_with_what_the_model_can_read() -> None:
    """What the backend says that the model takes bounds each request of the session, also in a replay."""

    async def main() -> None:
        world = World()
        world.llm.prompt_tokens = 300
        world.llm.scripts = [["Yes. "], ["Yes. "]]
        session, run = await world.open()
        session.type_text("x" * 800)
        await world.sink.wait_for(ReplyFinished)
        session.type_text("y" * 800)
        await world.sink.wait_for(ReplyFinished, 2)
        session.end()
        await run
        # 208 for a turn; 300 less 11 for "Be brief." have room for one
        assert [[message.text for message in asked] for asked in world.llm.requests] == [
            ["Be brief.", "x" * 800],
            ["Be brief.", "y" * 800],
        ]

    virtual_time.run(main())
