"""Clients and backends that do more than any conversation needs, in virtual time: what it costs, and who pays."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeLlm, FakeRecognizer, FakeSynthesizer
from gateway_kit.session_world import FRAME, World, heard
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, BackendError, Reason, Unavailable
from voice_gateway.domain.events import EndCause, Ended, Notice, ReplyFinished, ReplyText, Transcript
from voice_gateway.domain.ids import CallId, ReplyId, SessionId
from voice_gateway.domain.transcript import RecognitionResult, SpokenWord, Word
from voice_gateway.session.excess import (
    BREATH,
    INTERIMS,
    MAX_CALLS,
    MAX_REPLY_CHARS,
    MAX_RESULT_CHARS,
    MAX_SENTENCE_MS,
    RESULTS,
)
from voice_gateway.session.hearing import MAX_SILENCE_MS, MAX_TAPE_MS
from voice_gateway.session.ports import AnswerWithin, RecognitionSpec, Session, SessionUpdate, SpeechChunk, VoiceSpec
from voice_gateway.session.runner import DEEDS, SessionRunner
from voice_gateway.turn.reply import MAX_SENTENCES
from voice_gateway.turn.turn_so_far import MAX_TURN_CHARS

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
        assert "text, commit and update count 2, and each # of dtmf 1 more" in refused.value.message
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


# --- backends that send without end ---


MOST_TURNS = 2_000


class Beside:
    """Somebody else in the same process, who is told how often the loop turned for others."""

    def __init__(self) -> None:
        self.turns = 0
        self._task = asyncio.create_task(self._turn())

    async def _turn(self) -> None:
        for _ in range(MOST_TURNS):  # virtual time stands still meanwhile
            self.turns += 1
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Leave."""
        self._task.cancel()
        await asyncio.wait({self._task})


@dataclass
class Endless(FakeLlm):
    """Writes the same for ever, and never waits."""

    piece: str | ToolCall = ""
    written: int = 0

    async def reply(
        self, session: SessionId, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Write."""
        del session
        self.requests.append(messages)
        self.offered.append(tools)
        self.open_requests += 1
        try:
            while True:
                self.written += 1
                yield self.piece
        finally:
            self.open_requests -= 1


@pytest.mark.parametrize(
    "piece",
    [
        "",
        "a",
        "\n",
        "a\n",
        "One sentence of a reply. ",
        "word " * 1_000_000,
        "x" * 5_000_000,
        ToolCall("c1", "clock", "{}"),
        ToolCall("c1", "clock", "{" * 5_000_000),
        ToolCall("", "", ""),
    ],
    ids=["nothing", "letters", "newlines", "lines", "sentences", "words", "one word", "calls", "a call", "no calls"],
)
def test_a_model_without_end_loses_its_reply_and_no_session(piece: str | ToolCall) -> None:
    """Whatever it writes for ever: the reply is cut with the notice LLM_FAILED, what was written before is told, others
    have their turns meanwhile, and the session answers the next turn.
    """

    async def main() -> None:
        model = Endless(piece=piece)
        around = World(llm=model)
        session, run = await around.open()
        beside = Beside()
        session.type_text("Go on.")
        await around.sink.wait_for(Notice)
        assert beside.turns > model.written / BREATH - 1
        await beside.stop()
        (notice,) = (event for event in around.sink.of(Notice) if isinstance(event, Notice))
        assert (notice.reason, notice.backend) == (Reason.LLM_FAILED, Backend.LLM)
        session.interrupt()
        await around.sink.wait_for(ReplyFinished)
        texts = [event.text for event in around.sink.of(ReplyText) if isinstance(event, ReplyText)]
        assert sum(map(len, texts)) <= MAX_REPLY_CHARS + len("Sorry.\n")
        assert len(texts) <= MAX_SENTENCES + 1
        session.end()
        assert (await run).cause is EndCause.CLIENT_ENDED
        assert around.nothing_is_left()

    virtual_time.run(main())


@pytest.mark.parametrize("piece", ["a b. c " * 16, "\n" * 128, "word " * 25])
def test_a_model_in_long_pieces_lets_others_have_their_turns(piece: str) -> None:
    """Others have a turn after every two pieces of more than 64 characters, not only after 32 of whatever length."""

    async def main() -> None:
        model = Endless(piece=piece)
        around = World(llm=model)
        session, run = await around.open()
        beside = Beside()
        session.type_text("Go on.")
        await around.sink.wait_for(Notice)
        assert beside.turns >= model.written // 2
        await beside.stop()
        session.end()
        await run

    virtual_time.run(main())


def test_a_model_that_calls_more_tools_than_there_may_be_is_cut() -> None:
    """Calls that say next to nothing are counted, too: 64 are taken and the next one ends the reply."""

    async def main() -> None:
        model = Endless(piece=ToolCall("", "", ""))
        around = World(llm=model)
        session, run = await around.open()
        session.type_text("Go on.")
        await around.sink.wait_for(Notice)
        assert model.written == MAX_CALLS + 1
        session.end()
        await run

    virtual_time.run(main())


def test_a_reply_that_is_cut_is_spoken_so_far() -> None:
    """What the model wrote before it went beyond its bounds is told and played, then the apology; the next turn is
    answered as ever.
    """

    async def main() -> None:
        around = World()
        around.llm.scripts = [["The first sentence. ", "x " * MAX_REPLY_CHARS], ["Yes."]]
        session, run = await around.open()
        session.type_text("Go on.")
        await around.sink.wait_for(ReplyFinished)
        texts = [event.text for event in around.sink.of(ReplyText) if isinstance(event, ReplyText)]
        assert texts[0] == "The first sentence. "
        assert texts[-1].strip() == "Sorry."
        assert sum(map(len, texts)) == pytest.approx(MAX_REPLY_CHARS, abs=20)
        assert around.sink.audio[-1][1].is_last
        session.type_text("And now?")
        await around.sink.wait_for(ReplyFinished, 2)
        assert [event.reason for event in around.sink.of(Notice) if isinstance(event, Notice)] == [Reason.LLM_FAILED]
        session.end()
        await run

    virtual_time.run(main())


@dataclass
class Babbling(FakeRecognizer):
    """Sends these results as fast as it can, and never waits; then listens."""

    results: Sequence[RecognitionResult] = ()

    async def recognize(
        self, session: SessionId, spec: RecognitionSpec, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Babble."""
        for result in self.results if not self.specs else ():
            yield result
        async for result in super().recognize(session, spec, audio, answer_within_ms):
            yield result


@dataclass
class OneEach(FakeRecognizer):
    """Ends each stream after a final, at once."""

    async def recognize(
        self, session: SessionId, spec: RecognitionSpec, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Say something new and end."""
        del session, audio, answer_within_ms
        self.specs.append(spec)
        yield heard("This is it.", 1_000 * len(self.specs))


def test_interims_without_end_are_taken_together() -> None:
    """Five thousand at once: no more are told than there may be while they are taken, the newest among them, others
    have their turns, and the final that comes behind them is not lost.
    """

    async def main() -> None:
        babble = [heard(f"word {number}", 1_000, is_final=False) for number in range(5_000)]
        around = World(recognizer=Babbling(results=[*babble, heard("Words.", 1_400)]))
        around.llm.scripts = [["Yes."]]
        session, run = await around.open()
        beside = Beside()
        await around.sink.wait_for(Transcript)
        await asyncio.sleep(0)
        while not any(event.is_final for event in around.sink.of(Transcript) if isinstance(event, Transcript)):
            await around.sink.wait_for(Transcript, len(around.sink.of(Transcript)) + 1)
        await beside.stop()
        told = [event for event in around.sink.of(Transcript) if isinstance(event, Transcript)]
        assert told[-1].text == "Words."
        lasts_s = (5_000 - RESULTS.capacity) / RESULTS.per_s
        assert 10 < len(told) <= INTERIMS.capacity + INTERIMS.per_s * lasts_s + 2
        session.end()
        await run
        assert around.nothing_is_left()

    virtual_time.run(main())


def test_the_newest_interim_is_told_in_the_end() -> None:
    """After a burst the recogniser falls silent: what the client sees last is what was heard last."""

    async def main() -> None:
        babble = [heard(f"word {number}", 1_000, is_final=False) for number in range(200)]
        around = World(recognizer=Babbling(results=babble))
        session, run = await around.open()
        await asyncio.sleep(0.5)
        told = [event for event in around.sink.of(Transcript) if isinstance(event, Transcript)]
        assert told[-1].text == "word 199"
        assert len(told) <= INTERIMS.capacity + 2
        session.end()
        await run

    virtual_time.run(main())


def test_finals_without_end_are_all_heard() -> None:
    """Six hundred finals at once fill no inbox and end no session; each is told, no turn grows for ever, and they are
    taken no faster than somebody speaks: the last after 116 s.
    """

    async def main() -> None:
        babble = [heard(f"This is sentence {number}.", 1_000 + number) for number in range(600)]
        around = World(recognizer=Babbling(results=babble))
        around.llm.scripts = [[1_000.0]] * 1_000
        session, run = await around.open()
        await asyncio.sleep(115)
        assert not any(
            "sentence 599." in event.text for event in around.sink.of(Transcript) if isinstance(event, Transcript)
        )
        await asyncio.sleep(5)
        told = (event for event in around.sink.of(Transcript) if isinstance(event, Transcript))
        finals = [event.text for event in told if event.is_final]
        assert {int(number) for text in finals for number in re.findall(r"\d+", text)} == set(range(600))
        assert max(map(len, finals)) < MAX_TURN_CHARS + len("This is sentence 600.") + 1
        assert not run.done()
        session.end()
        await run

    virtual_time.run(main())


def test_finals_cost_a_model_a_few_requests_a_second() -> None:
    """A thousand utterances at once, each a turn of its own: in ten seconds the model is asked no more often than there
    are finals to take, 20 at once and 5 a second, with what it is asked ahead of each.
    """

    async def main() -> None:
        babble = [heard(f"This is sentence {number}.", 1_000 + number) for number in range(1_000)]
        around = World(recognizer=Babbling(results=babble))
        around.llm.scripts = [["Yes."]] * 2_000
        session, run = await around.open()
        await asyncio.sleep(10)
        assert 1 <= len(around.llm.requests) <= 2 * (20 + 5 * 10)
        told = [event for event in around.sink.of(Transcript) if isinstance(event, Transcript) and event.is_final]
        assert len(told) <= 20 + 5 * 10 + 1
        session.end()
        await run
        assert around.nothing_is_left()

    virtual_time.run(main())


def test_a_final_in_each_stream_is_no_way_round_the_bound() -> None:
    """A recogniser that says something in each stream and ends it is asked again at once, and 5 times a second then."""

    async def main() -> None:
        around = World()
        around.recognizer = OneEach()
        around.llm.scripts = [[1_000.0]] * 1_000
        session, run = await around.open()
        await asyncio.sleep(10)
        assert 20 <= len(around.recognizer.specs) <= 20 + 5 * 10 + 2
        session.end()
        await run
        assert around.nothing_is_left()

    virtual_time.run(main())


@pytest.mark.parametrize("is_final", [True, False])
def test_long_transcripts_let_others_have_their_turns(*, is_final: bool) -> None:
    """Fifteen transcripts of 4,000 characters at once, which fit every bucket: others have a turn after each."""

    async def main() -> None:
        babble = [heard(f"{number} ".ljust(4_000, "x"), 1_000 + number, is_final=is_final) for number in range(15)]
        around = World(recognizer=Babbling(results=babble))
        around.llm.scripts = [[1_000.0]] * 100
        session, run = await around.open()
        beside = Beside()
        turns: list[int] = []
        while len(turns) < 15:
            turns += [beside.turns] * (len(around.sink.of(Transcript)) - len(turns))
            await asyncio.sleep(0)
        assert turns == sorted(set(turns))
        await beside.stop()
        session.end()
        await run

    virtual_time.run(main())


@pytest.mark.parametrize("is_final", [True, False])
def test_a_transcript_of_megabytes_is_cut(*, is_final: bool) -> None:
    """No text function sees more of it than somebody may have said."""

    async def main() -> None:
        text = "word " * 1_000_000
        words = tuple(Word("w" * 1_000_000, 0, 1) for _ in range(3)) * 1_000
        around = World(recognizer=Babbling(results=[RecognitionResult(text, is_final, 1.0, 16_000, words)]))
        around.llm.scripts = [["Yes."]] * 3
        session, run = await around.open()
        await around.sink.wait_for(Transcript)
        (told, *_) = (event for event in around.sink.of(Transcript) if isinstance(event, Transcript))
        assert MAX_RESULT_CHARS - 10 < len(told.text) <= MAX_RESULT_CHARS
        assert sum(len(word.text) for word in told.words) <= 1_000 * 100
        session.end()
        await run

    virtual_time.run(main())


@dataclass
class Droning(FakeSynthesizer):
    """Speaks a sentence for ever, and never waits."""

    chunk: bytes = b"\1\0" * 16_000

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Drone."""
        del session
        self.specs.append(spec)
        self.texts.append(text)
        self.open_calls += 1
        try:
            while True:
                yield SpeechChunk(self.chunk, (SpokenWord("m", 0, 1),))
        finally:
            self.open_calls -= 1


@pytest.mark.parametrize("chunk", [b"\1\0" * 16_000, b"\1\0" * 10_000_000], ids=["chunks", "one chunk"])
def test_a_sentence_that_is_spoken_for_ever_is_cut(chunk: bytes) -> None:
    """Two minutes of it are played, with the notice TTS_FAILED; the reply goes on as text, and the session goes on."""

    async def main() -> None:
        around = World(synthesizer=Droning(chunk=chunk))
        around.llm.scripts = [["One. ", "Two."]]
        session, run = await around.open()
        session.type_text("Sing.")
        await around.sink.wait_for(ReplyFinished)
        assert [event.reason for event in around.sink.of(Notice) if isinstance(event, Notice)] == [Reason.TTS_FAILED]
        assert sum(len(audio.pcm) for _, audio in around.sink.audio) == 2 * 16 * MAX_SENTENCE_MS
        assert [event.text for event in around.sink.of(ReplyText) if isinstance(event, ReplyText)] == ["One. ", "Two."]
        session.end()
        await run
        assert around.nothing_is_left()

    virtual_time.run(main())


def test_synthesis_that_sends_nothing_for_ever_lets_others_go_on() -> None:
    """Empty chunks without end: others have their turns, and the client can interrupt."""

    async def main() -> None:
        around = World(synthesizer=Droning(chunk=b""))
        around.llm.scripts = [["One."]]
        session, run = await around.open()
        session.type_text("Sing.")
        beside = Beside()
        await asyncio.sleep(1)
        assert beside.turns > 50
        await beside.stop()
        session.end()
        await run
        assert around.nothing_is_left()

    virtual_time.run(main())
