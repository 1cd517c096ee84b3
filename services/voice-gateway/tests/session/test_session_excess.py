"""Backends that send without end, in virtual time: what is taken of it, and that others have their turns."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeLlm, FakeRecognizer, FakeSynthesizer
from gateway_kit.session_world import World, heard
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import EndCause, Notice, ReplyFinished, ReplyText, Transcript
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import MAX_RESULT_CHARS, RecognitionResult, SpokenWord, Word
from voice_gateway.session.excess import (
    BREATH,
    INTERIMS,
    MAX_CALLS,
    MAX_REPLY_CHARS,
    MAX_SENTENCE_MS,
    RESULTS,
)
from voice_gateway.session.ports import AnswerWithin, RecognitionSpec, SpeechChunk, VoiceSpec
from voice_gateway.turn.reply.wording import MAX_SENTENCES
from voice_gateway.turn.user.turn_so_far import MAX_TURN_CHARS

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
