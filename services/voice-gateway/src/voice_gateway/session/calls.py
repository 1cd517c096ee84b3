"""Backend calls of one session: each is a task; what it delivers and how it fails come back as facts."""

import asyncio
import contextvars
import itertools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES, pcm_bytes
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    GatewayError,
    InternalError,
    QuestionTooLong,
    Reason,
    RecognitionStalled,
    ToolError,
)
from voice_gateway.domain.ids import CallId, ReplyId, StreamId
from voice_gateway.domain.transcript import MAX_SENTENCE_WORDS, RecognitionResult, SpokenWord, Word
from voice_gateway.session.excess import (
    FINALS,
    MAX_OUTPUT_CHARS,
    MAX_SENTENCE_MS,
    PIECES,
    RESULTS,
    Interims,
    Pace,
    ReplyBudget,
    bounded,
    breathing,
    share_of_speech,
    share_of_text,
)
from voice_gateway.session.hearing import Feed, Hearing
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.playout import Playout
from voice_gateway.session.ports import (
    Bound,
    LanguageModel,
    RecognitionSpec,
    SentenceSkipped,
    SpeechRecognizer,
    Telemetry,
    ToolRunner,
    VoiceSpec,
)
from voice_gateway.session.roster import Roster
from voice_gateway.session.standing import StandingSpeech
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.session.voice import VoiceBank
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import RunTool, Synthesize

_Call = Callable[[], Coroutine[Any, Any, None]]


class NoTools:
    """A ToolRunner without any tool."""

    def tools(self) -> tuple[Tool, ...]:
        """No tools."""
        return ()

    async def run(self, name: str, arguments_json: str) -> str:
        """Refuse; raises ToolError."""
        del arguments_json
        raise ToolError(f"the server has no tool {name}")


NO_TOOL_RUNNER = NoTools()


@dataclass(frozen=True, slots=True)
class Shared:
    """What every session of the process shares."""

    recognizer: SpeechRecognizer
    llm: LanguageModel
    synthesizer: StandingSpeech
    telemetry: Telemetry
    pacer: Pacer
    roster: Roster
    voices: VoiceBank
    journals: JournalFolder | None = None
    """None: no journals are kept."""
    tools: ToolRunner = NO_TOOL_RUNNER
    tracing: Tracing = field(default_factory=Tracing)


class BackendCalls:
    """Starts, names and cancels the calls of one session."""

    def __init__(
        self,
        agreement: Agreement,
        shared: Shared,
        hearing: Hearing,
        playout: Playout,
        post: Callable[[inputs.Input], None],
        *,
        trace: SessionTrace,
    ) -> None:
        self.agreement = agreement
        """What is in force."""
        self._shared = shared
        self._hearing = hearing
        self._playout = playout
        self._post = post
        self._trace = trace
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[asyncio.Task[None]] = set()
        """Those that are ending."""
        self._speeches: dict[ReplyId, _Speech] = {}
        self._finals = Pace(FINALS)
        self._preparations = itertools.count(1)

    def reconfigure(self, change: Change) -> None:
        """Hear and speak by other settings from the next stream and the next sentence on."""
        self.agreement = self.agreement.apply(change)

    def prepare(self) -> None:
        """Have the standing sentences ready in the voice of the session, before they are needed."""
        if not self._shared.synthesizer.has(self._voice()):
            self._spawn(f"standing-{next(self._preparations)}", self._guard(self._prepare, _no_fact))

    async def _prepare(self) -> None:
        await self._shared.synthesizer.prepare(self.agreement.session_id, self._voice())

    def _voice(self) -> VoiceSpec:
        return VoiceSpec(self.agreement.spoken_language, self.agreement.voice, self.agreement.output_rate_hz)

    def recognise(self, stream: StreamId, feed: Feed) -> None:
        """Transcribe a feed."""

        def failed(_: Reason, message: str) -> inputs.Input:
            return inputs.RecognitionFailed(stream, message)

        task = self._spawn(f"asr-{stream}", self._guard(partial(self._recognise, stream, feed), failed))
        task.add_done_callback(lambda _: self._hearing.leave_feed(feed))  # whether it broke, ended or was dropped

    def write(self, reply: ReplyId, messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> None:
        """Ask the language model."""

        def failed(reason: Reason, message: str) -> inputs.Input:
            return inputs.ReplyFailed(reply, reason, message)

        call = self._guard(partial(self._ask, reply, messages, tools), failed)
        self._spawn(f"llm-{reply}", call, self._trace.in_reply(reply))

    def speak(self, order: Synthesize) -> None:
        """Synthesise a sentence after those of the same reply that were ordered before."""
        speech = self._speeches.get(order.reply)
        if speech is None:
            speech = self._speeches[order.reply] = _Speech(f"tts-{order.reply}-{order.take}")
            self._spawn(speech.name, self._speak_all(speech), self._trace.in_reply(order.reply))
        speech.orders.put_nowait(order)

    def blame_synthesis(self, reply: ReplyId) -> None:
        """Tell the addresses that were asked for the reply that it had no sound."""
        for blame in self._speeches[reply].blames:
            blame()

    def run_tool(self, order: RunTool) -> None:
        """Run a tool of the server."""

        def failed(_: Reason, message: str) -> inputs.Input:
            return inputs.ToolReturned(order.call, message, is_error=True)

        call = self._guard(partial(self._run_tool, order), failed)
        self._spawn(f"tool-{order.call}", call, self._trace.in_tool(order.call))

    def cancel_tool(self, call: CallId) -> None:
        """Stop a tool of the server."""
        self._cancel(f"tool-{call}")

    def cancel_recognition(self, stream: StreamId) -> None:
        """Drop a stream."""
        self._cancel(f"asr-{stream}")

    def cancel_writing(self, reply: ReplyId) -> None:
        """Stop the language model."""
        self._cancel(f"llm-{reply}")

    def cancel_speaking(self, reply: ReplyId) -> None:
        """Stop synthesis of a reply."""
        if (speech := self._speeches.pop(reply, None)) is not None:
            self._cancel(speech.name)

    async def close(self) -> None:
        """Cancel everything and wait until it is gone."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            self._cancel_once(task)
        if tasks:
            await asyncio.wait(tasks)  # unlike `gather`, cancels nobody a second time when it is cancelled itself

    def _spawn(
        self, name: str, call: Coroutine[Any, Any, None], context: contextvars.Context | None = None
    ) -> asyncio.Task[None]:
        told = f"{self.agreement.session_id}-{name}"
        task = self._tasks[name] = asyncio.create_task(call, name=told, context=context)
        task.add_done_callback(lambda done: self._tasks.pop(name, None) if self._tasks.get(name) is done else None)
        return task

    def _cancel(self, name: str) -> None:
        task = self._tasks.get(name)
        if task is not None:
            self._cancel_once(task)

    def _cancel_once(self, task: asyncio.Task[None]) -> None:
        """What a call does to end in order is not broken off by a second reason to end it.

        `Task.cancelling` does not tell: a timeout inside the call counts there, too, and goes on after its cancelling.
        """
        if task not in self._cancelled:
            self._cancelled.add(task)
            task.add_done_callback(self._cancelled.discard)
            task.cancel()

    async def _guard(self, call: _Call, failed: Callable[[Reason, str], inputs.Input | None]) -> None:
        """Await a call; a failure, also one of our own, becomes a log line and, if `failed` makes one, a fact."""
        try:
            await call()
        except GatewayError as error:
            self._shared.telemetry.trouble(self.agreement, error)
            fact = failed(error.reason, error.message)
        except Exception as error:  # noqa: BLE001  whatever it is, the session hears of it and goes on
            self._shared.telemetry.trouble(self.agreement, InternalError(f"{type(error).__name__}: {error}"))
            fact = failed(Reason.INTERNAL, "internal error")
        else:
            return
        if fact is not None:
            self._post(fact)

    async def _recognise(self, stream: StreamId, feed: Feed) -> None:
        agreed, policy = self.agreement, self.agreement.policy
        spec = RecognitionSpec(
            agreed.heard_language, agreed.asr_rate_hz, policy.stop_history_eou_ms, policy.stop_history_ms
        )
        patience, interims = self._hearing.patience, Interims(self._post)
        results = self._shared.recognizer.recognize(agreed.session_id, spec, feed, patience.within_ms)
        try:
            async with aclosing(results), aclosing(breathing(results, RESULTS, _share_of_result)) as paced:
                async for result in paced:
                    patience.answered()
                    heard = self._heard(stream, feed, bounded(result))
                    if isinstance(heard, inputs.TranscriptRevised):
                        interims.take(heard)
                    else:
                        interims.drop()
                        self._post(heard)
                        await self._finals.take()
            interims.flush()
        except RecognitionStalled:
            patience.stalled()
            raise
        finally:
            interims.drop()
        self._post(inputs.RecognitionEnded(stream))

    def _heard(
        self, stream: StreamId, feed: Feed, result: RecognitionResult
    ) -> inputs.TranscriptRevised | inputs.SegmentFinal:
        def position(samples: int) -> int:
            return self._hearing.to_input(feed.start + samples)

        covered, received = position(result.end_samples), self._hearing.received_samples
        if not result.is_final:
            return inputs.TranscriptRevised(stream, result.text, result.stability, covered, received)
        self._hearing.set_batched(is_batched=True)
        words = tuple(
            Word(word.text, position(word.start_samples), position(word.end_samples), word.confidence)
            for word in result.words
        )
        end = words[-1].end_samples if words else covered
        return inputs.SegmentFinal(stream, result.text, words, end, covered, received)

    async def _ask(self, reply: ReplyId, messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> None:
        try:
            await self._write(reply, messages, tools)
        except QuestionTooLong:
            self._post(inputs.ReplyTooLong(reply))

    async def _write(self, reply: ReplyId, messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> None:
        calls, budget = list[ToolCall](), ReplyBudget()
        pieces = self._shared.llm.reply(self.agreement.session_id, messages, tools)
        async with aclosing(pieces), aclosing(breathing(pieces, PIECES, _share_of_piece)) as paced:
            async for piece in paced:
                if isinstance(piece, ToolCall):
                    budget.call(piece)
                    calls.append(piece)
                else:
                    for number, text in enumerate(budget.cut(piece)):
                        if number:
                            await asyncio.sleep(0)  # each part of a long piece lets other sessions have their turn
                        self._post(inputs.ReplyDelta(reply, text))
                budget.check()
        if calls:
            self._post(inputs.ToolsCalled(reply, tuple(calls)))
        self._post(inputs.ReplyCompleted(reply))

    async def _run_tool(self, order: RunTool) -> None:
        try:
            output, is_error = await self._shared.tools.run(order.name, order.arguments_json), False
        except ToolError as error:
            output, is_error = str(error), True
        self._post(inputs.ToolReturned(order.call, output[:MAX_OUTPUT_CHARS], is_error))

    async def _speak_all(self, speech: "_Speech") -> None:
        while asyncio.current_task() not in self._cancelled:  # its cancelling may have become a failure of a sentence
            order = await speech.orders.get()
            progress = _Progress()

            def failed(
                reason: Reason, message: str, order: Synthesize = order, so_far: _Progress = progress
            ) -> inputs.Input:
                self._playout.complete(order.reply, order.sentence)
                return inputs.SpeechFailed(order.reply, order.sentence, so_far.samples, reason, message, order.take)

            await self._guard(partial(self._speak_or_skip, order, progress, speech), failed)

    async def _speak_or_skip(self, order: Synthesize, progress: "_Progress", speech: "_Speech") -> None:
        try:
            words = await self._speak(order, progress)
        except SentenceSkipped as skipped:
            words = ()
            speech.blames.append(skipped.blame)
            self._shared.telemetry.trouble(self.agreement, skipped)
        self._playout.complete(order.reply, order.sentence)
        self._post(inputs.SpeechCompleted(order.reply, order.sentence, progress.samples, words, order.take))

    async def _speak(self, order: Synthesize, progress: "_Progress") -> tuple[SpokenWord, ...]:
        """Take the audio of a sentence as it comes; returns its words."""
        spec = self._voice()
        words: list[SpokenWord] = []
        chunks = self._shared.synthesizer.synthesize(self.agreement.session_id, spec, order.text)
        async with aclosing(chunks), aclosing(breathing(chunks, PIECES, share_of_speech)) as paced:
            async for chunk in paced:
                if chunk.pcm and not progress.samples:
                    self._post(inputs.SpeechReady(order.reply, order.sentence, order.take))
                room = pcm_bytes(MAX_SENTENCE_MS, spec.rate_hz) - progress.samples * PCM_SAMPLE_BYTES
                pcm = chunk.pcm[:room]
                progress.samples += len(pcm) // PCM_SAMPLE_BYTES
                words += chunk.words[: MAX_SENTENCE_WORDS - len(words)]
                self._playout.append(order.reply, order.sentence, pcm)
                if len(chunk.pcm) > room:
                    told = f"synthesis of a sentence is longer than {MAX_SENTENCE_MS} ms: it was cut"
                    raise BackendError(Backend.TTS, Reason.TTS_FAILED, told)
                if not self._playout.has_room():
                    self._shared.telemetry.bound_reached(self.agreement, Bound.SYNTHESIS)
                await self._playout.wait_for_room()
        return tuple(words)


def _share_of_piece(piece: str | ToolCall) -> float:
    return share_of_text(piece.arguments_json if isinstance(piece, ToolCall) else piece)


def _share_of_result(result: RecognitionResult) -> float:
    return share_of_text(result.text)


def _no_fact(_: Reason, __: str) -> None:
    """No fact: nobody waits for the result."""


@dataclass(slots=True)
class _Speech:
    """Synthesis of one reply, by a task of its own: one that was cancelled may not be gone when the next one begins."""

    name: str
    orders: asyncio.Queue[Synthesize] = field(default_factory=asyncio.Queue)
    blames: list[Callable[[], None]] = field(default_factory=list)
    """Those of skipped sentences; see `SentenceSkipped`."""


@dataclass(slots=True)
class _Progress:
    """How much of a sentence has come."""

    samples: int = 0
