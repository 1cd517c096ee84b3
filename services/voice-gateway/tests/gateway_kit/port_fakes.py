"""Fakes of the session's ports, for virtual time. What they do is a script; what was asked of them is written down."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.chat import PROMPT_TOKENS, ChatMessage, Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import Backend, BackendError, GatewayError, Reason, ToolError
from voice_gateway.domain.events import DisregardCause, Ended, Event, ReplyAudio, TurnOutcome, TurnRecord
from voice_gateway.domain.ids import ReplyId, SessionId, TurnId
from voice_gateway.domain.transcript import RecognitionResult
from voice_gateway.session.ports import (
    AnswerWithin,
    Bound,
    RecognitionSpec,
    SentenceSkipped,
    SpeechChunk,
    VoiceSpec,
)

Step = RecognitionResult | BackendError | float
"""A result, a failure, or seconds to wait."""


@dataclass
class FakeRecognizer:
    """Plays one script for each stream it is asked for; after the last, every stream is silent to its end."""

    scripts: list[list[Step]] = field(default_factory=list)
    heard: list[bytearray] = field(default_factory=list)
    specs: list[RecognitionSpec] = field(default_factory=list)
    offered: frozenset[str] = frozenset({"en-US", "de-DE"})
    """Languages."""
    open_streams: int = 0
    answer_within_ms: AnswerWithin = lambda: None
    """What the last stream was given."""

    async def recognize(
        self, session: SessionId, spec: RecognitionSpec, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Take the audio and play the script beside it."""
        del session
        self.answer_within_ms = answer_within_ms
        self.specs.append(spec)
        taken = bytearray()
        self.heard.append(taken)
        script = self.scripts[len(self.heard) - 1] if len(self.heard) <= len(self.scripts) else []
        self.open_streams += 1
        listener = asyncio.create_task(self._listen(audio, taken))
        try:
            for step in script:
                if isinstance(step, BackendError):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
            await listener
        finally:
            self.open_streams -= 1
            listener.cancel()

    async def _listen(self, audio: AsyncIterator[bytes], taken: bytearray) -> None:
        async for batch in audio:
            taken += batch

    def languages(self) -> frozenset[str]:
        """What is offered."""
        return self.offered


@dataclass
class FakeLlm:
    """Answers each request with the next script: pieces of text, calls, failures, or seconds to wait."""

    scripts: list[list[str | ToolCall | BackendError | float]] = field(default_factory=list)
    requests: list[Sequence[ChatMessage]] = field(default_factory=list)
    offered: list[Sequence[Tool]] = field(default_factory=list)
    """The tools of each request."""
    open_requests: int = 0
    prompt_tokens: int = PROMPT_TOKENS

    async def reply(
        self, session: SessionId, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Play the script."""
        del session
        self.requests.append(messages)
        self.offered.append(tools)
        self.open_requests += 1
        try:
            for step in self.scripts[len(self.requests) - 1]:
                if isinstance(step, BackendError):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.open_requests -= 1


@dataclass
class FakeTools:
    """Runs tools by scripts: each outcome comes after so many seconds."""

    outcomes: dict[str, tuple[float, str | ToolError]] = field(default_factory=dict)
    runs: list[tuple[str, str]] = field(default_factory=list)
    open_calls: int = 0

    def tools(self) -> tuple[Tool, ...]:
        """One for each script."""
        return tuple(Tool(name, f"Knows {name}.", "", ToolPlace.SERVER) for name in self.outcomes)

    async def run(self, name: str, arguments_json: str) -> str:
        """Play the script."""
        self.runs.append((name, arguments_json))
        self.open_calls += 1
        try:
            after_s, outcome = self.outcomes[name]
            await asyncio.sleep(after_s)
            if isinstance(outcome, ToolError):
                raise outcome
            return outcome
        finally:
            self.open_calls -= 1


@dataclass
class FakeSynthesizer:
    """Speaks 50 ms a character in chunks of 100 ms, the first after `first_audio_s`; samples number it."""

    first_audio_s: float = 0.05
    fail_on: str = ""
    """A sentence that holds this text fails after its first chunk."""
    skip_on: str = ""
    """A sentence that holds this text has no sound."""
    blamed: list[str] = field(default_factory=list)
    """Sentences without sound, for which the addresses were blamed."""
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"en-US": ("Anna",), "fr-FR": ("Luc",)})
    """Voices by language."""
    texts: list[str] = field(default_factory=list)
    specs: list[VoiceSpec] = field(default_factory=list)
    open_calls: int = 0

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak."""
        del session
        self.texts.append(text)
        self.specs.append(spec)
        number = len(self.texts)
        self.open_calls += 1
        try:
            await asyncio.sleep(self.first_audio_s)
            if self.skip_on and self.skip_on in text:
                raise SentenceSkipped("no sound", partial(self.blamed.append, text))
            for _ in range(max(1, len(text) // 2)):
                yield SpeechChunk(number.to_bytes(2, "little") * (spec.rate_hz // 10))
                if self.fail_on and self.fail_on in text:
                    raise BackendError(Backend.TTS, Reason.TTS_FAILED, "gone")
        finally:
            self.open_calls -= 1

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """What is offered."""
        return self.offered


@dataclass
class FakeSink:
    """Keeps what the client was told, with the instant."""

    events: list[tuple[float, Event]] = field(default_factory=list)
    audio: list[tuple[float, ReplyAudio]] = field(default_factory=list)
    flushed: list[ReplyId] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, event: Event) -> None:
        """Keep."""
        self.events.append((asyncio.get_running_loop().time(), event))
        self.changed.set()

    def play(self, audio: ReplyAudio) -> None:
        """Keep."""
        self.audio.append((asyncio.get_running_loop().time(), audio))
        self.changed.set()

    def flush(self, reply: ReplyId) -> int | None:
        """Keep; all was written."""
        self.flushed.append(reply)
        return None

    def of(self, kind: type[Event]) -> list[Event]:
        """Events of one kind, in order."""
        return [event for _, event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type[Event], count: int = 1) -> None:
        """Return when so many of a kind have come."""
        while len(self.of(kind)) < count:
            self.changed.clear()
            await self.changed.wait()


@dataclass
class FakeTelemetry:
    """Keeps what it was told."""

    started: list[Agreement] = field(default_factory=list)
    ended: list[Ended | GatewayError | None] = field(default_factory=list)
    turns: list[TurnRecord] = field(default_factory=list)
    outcomes: list[tuple[TurnId, TurnOutcome]] = field(default_factory=list)
    troubles: list[GatewayError] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    """Turns of each session that is over."""
    events: list[Event] = field(default_factory=list)
    """What clients were told."""
    silences_ms: list[int] = field(default_factory=list)
    words_disregarded: list[tuple[DisregardCause, int]] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)

    def session_started(self, agreement: Agreement) -> None:
        """Keep."""
        self.started.append(agreement)

    def session_ended(
        self, agreement: Agreement, outcome: Ended | GatewayError | None, duration_ms: int, turns: int
    ) -> None:
        """Keep."""
        del agreement, duration_ms
        self.answered.append(turns)
        self.ended.append(outcome)

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:
        """Keep."""
        del agreement
        self.turns.append(record)

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: TurnOutcome) -> None:
        """Keep."""
        del agreement
        self.outcomes.append((turn, outcome))

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """Keep."""
        del agreement
        self.troubles.append(error)

    def told(self, agreement: Agreement, event: Event) -> None:
        """Keep."""
        del agreement
        self.events.append(event)

    def silenced(self, agreement: Agreement, after_ms: int) -> None:
        """Keep."""
        del agreement
        self.silences_ms.append(after_ms)

    def disregarded(self, agreement: Agreement, cause: DisregardCause, words: int) -> None:
        """Keep."""
        del agreement
        self.words_disregarded.append((cause, words))

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
        """Keep."""
        del agreement
        self.bounds.append(bound)


@dataclass
class FakeHealth:
    """A backend that answers, or not."""

    backend: Backend
    is_healthy: bool = True

    def status(self) -> BackendStatus:
        """No addresses."""
        return BackendStatus((), ())

    async def run(self) -> None:
        """Nothing to ask."""


QUIET = 100


class FakeVoiceModel:
    """Takes every chunk that is not quiet for speech."""

    def new_state(self) -> None:
        """None."""

    def probabilities(self, states: Sequence[None], chunks: Sequence[bytes]) -> list[float]:
        """1.0 for sound, 0.0 for silence, which after resampling rings a little."""
        del states
        return [float(np.abs(np.frombuffer(chunk, "<i2")).max() > QUIET) for chunk in chunks]
