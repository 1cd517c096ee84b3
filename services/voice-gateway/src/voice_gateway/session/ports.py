"""Every Protocol between the session and what stands around it.

Towards clients: `OpenSession`, `Session`, `ClientSink`. Towards backends: `SpeechRecognizer`, `LanguageModel`,
`SpeechSynthesizer`, `ToolRunner`, `BackendHealth`. To whoever watches: `Telemetry`, `BackendWatch`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.caller import UNKNOWN, Caller
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, BackendError, GatewayError, Reason, Refused
from voice_gateway.domain.events import DisregardCause, Ended, Event, ReplyAudio, TurnOutcome, TurnRecord
from voice_gateway.domain.ids import CallId, ReplyId, SessionId, TurnId
from voice_gateway.domain.player import Player
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext
from voice_gateway.domain.transcript import RecognitionResult, SpokenWord

# --- towards clients ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a client asks for, already decoded from its wire. None: the server's default.

    It is not an Agreement: what is left open, and what can be granted, is decided when the session is opened.
    """

    transport: str
    """Closed set of names, for telemetry: grpc_v1, grpc_legacy."""
    input_rate_hz: int
    """Rate of the client's input sample clock, in which positions are told."""
    output_rate_hz: int | None = None
    language_code: str = ""
    """BCP-47, of both directions: no wire tells them apart yet."""
    voice: str = ""
    system_prompt: str | None = None
    policy: Mapping[str, int] = field(default_factory=dict)
    """Departures from the server's turn policy, by field name of TurnPolicy."""
    reply_modality: Modality = Modality.AUDIO
    tools: tuple[Tool, ...] = ()
    """What the client executes; names, descriptions and schemas are lawful, names unique."""
    player: Player = Player.PAUSES
    """What the client's player does while a reply is held."""
    client_label: str = ""
    """The client's own name for the call, for logs only."""
    caller: Caller = UNKNOWN
    """Who opened the call; the transport adds it, codecs do not know it."""
    trace: TraceContext = NO_TRACE


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """What a client asks for during its session. None: it stays as it is.

    It is not a Change: what is granted depends on what is agreed by then.
    """

    language_code: str | None = None
    """Language of both directions. Empty: the server's default."""
    voice: str | None = None
    """Empty: the server's default."""
    system_prompt: str | None = None
    """Empty: no system prompt at all."""
    policy: Mapping[str, int] = field(default_factory=dict)
    """Departures from the session's turn policy, by field name of TurnPolicy."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes from then on; lawful as in SessionRequest."""
    reply_modality: Modality | None = None


class ClientSink(Protocol):
    """The way out to one client. Calls never block and never raise; the transport bounds what it holds."""

    def emit(self, event: Event) -> None:
        """Send an event: ahead of queued audio, but ReplyFinished, TurnReport and Ended keep their place behind it."""

    def play(self, audio: ReplyAudio) -> None:
        """Send audio, paced by the caller."""

    def flush(self, reply: ReplyId) -> int | None:
        """Drop queued audio of `reply` that has not been written to the wire.

        Returns the sample of the reply at which that begins; None: nothing was queued.
        """


class Session(Protocol):
    """One conversation, as its transport sees it. All calls but `run` and `wait_for_room` are synchronous and cheap.

    `type_text`, `press`, `update`, `request_reply`, `interrupt`, `commit`, `return_tool` and a final `report_playback`
    raise Unavailable, RATE_EXCEEDED, when the client does more than any conversation needs.
    """

    @property
    def agreement(self) -> Agreement:
        """What is in force."""

    def hear(self, pcm: bytes, offset_samples: int) -> None:
        """Take LINEAR_PCM at `agreement.asr_rate_hz`; `offset_samples` is its start in the client's input clock.

        A gap before it counts as silence. The caller has refused overlaps and odd lengths.
        """

    def has_room(self) -> bool:
        """False while input runs too far ahead of what the recogniser was sent: read nothing until there is room."""

    async def wait_for_room(self) -> None:
        """Return when there is room, or when the session has ended."""

    def type_text(self, text: str) -> None:
        """Take a typed turn."""

    def press(self, digits: str) -> None:
        """Take telephone keys: one or more of 0-9, *, #, A-D."""

    def update(self, update: SessionUpdate) -> None:
        """Change the session from the next turn on.

        Raises:
            ClientError: language, voice or policy not available.
            BackendError: BACKEND_UNAVAILABLE, naming the backend.
        """

    def request_reply(self, options: ReplyOptions) -> None:
        """Give a reply to the conversation as it is.

        Raises:
            ClientError: a tool has the name of a tool of the server.
        """

    def report_playback(self, reply: ReplyId, played_samples: int, *, is_final: bool) -> None:
        """Take a position of the client's player."""

    def interrupt(self) -> None:
        """Stop the running reply."""

    def commit(self) -> None:
        """End the user's turn now."""

    def return_tool(self, call: CallId, output: str, *, is_error: bool) -> None:
        """Take the outcome of a tool that the client was told to execute."""

    def finish(self) -> None:
        """The client half-closed: answer what was heard, then end."""

    def end(self) -> None:
        """The client wants to stop now."""

    async def run(self) -> Ended:
        """Hold the conversation to its end; `Ended` has been emitted by then.

        Raises:
            GatewayError: the session failed; the transport ends the call with its status.

        Cancelling it (the client vanished) cancels every backend call before it returns.
        """

    def release(self) -> None:
        """Give back the session's place. `run` does it at its end; without a `run` you must. Harmless if repeated."""


class AdmitCaller(Protocol):
    """Says at once that a caller would be refused, before anything is read or built for the call."""

    def __call__(self, caller: Caller) -> None:
        """Return if a session may begin now; it may still be refused when it is opened.

        Raises:
            Unavailable: DRAINING, AT_CAPACITY or QUOTA_EXCEEDED.
        """


class ExpectStart(Protocol):
    """Counts the calls that have not said what they want: they were greeted, and the server waits for their start."""

    def __call__(self, caller: Caller) -> AbstractContextManager[Refused | None]:
        """Count one while the block runs; yields its refusal unless its start comes at once. None: there is time."""


class OpenSession(Protocol):
    """Admits a session."""

    async def __call__(self, request: SessionRequest, sink: ClientSink) -> Session:
        """A session that has not begun to run, but has its place: call `run` at once, and `release` at the end.

        Raises:
            ClientError: language, voice, rate or policy not available, or a tool has the name of a server's tool.
            BackendError: BACKEND_UNAVAILABLE, naming the backend.
            Unavailable: DRAINING, AT_CAPACITY or QUOTA_EXCEEDED.
        """


@dataclass(frozen=True, slots=True)
class Language:
    """A language that can be both heard and spoken."""

    code: str
    voices: tuple[str, ...]


class DescribeCapabilities(Protocol):
    """Tells what the server can do now."""

    def __call__(self) -> tuple[Language, ...]:
        """Languages that can be both heard and spoken, as the backends last said.

        Raises:
            BackendError: BACKEND_UNAVAILABLE, when ASR or TTS has not answered yet.
        """


# --- towards backends --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecognitionSpec:
    """How a recognition stream is opened."""

    language_code: str
    rate_hz: int
    stop_history_eou_ms: int
    stop_history_ms: int


AnswerWithin = Callable[[], int | None]
"""How long, in ms, recognition may say nothing from now on; None while nobody speaks, as silence has no results."""


ANY_LANGUAGE = "multi"
"""Listed by a recogniser that recognises the language itself."""


class SpeechRecognizer(Protocol):
    """Streams speech to text."""

    def recognize(
        self, session: SessionId, spec: RecognitionSpec, audio: AsyncIterator[bytes], answer_within_ms: AnswerWithin
    ) -> AsyncGenerator[RecognitionResult, None]:
        """Results in order. The end of `audio` half-closes the stream, which forces the last final; then it ends.

        `session` owns the stream: failures are counted by session, so that one session alone cannot blame a server.
        `audio` yields LINEAR_PCM at `spec.rate_hz`; the next batch is pulled only when the last was written.
        Raises BackendError, and RecognitionStalled when `answer_within_ms` has passed since speech began or the last
        result. Closing the iterator cancels the call.
        """

    def languages(self) -> frozenset[str]:
        """Language codes the backend last said it hears; empty when it has not answered yet. ANY_LANGUAGE: all."""


class LanguageModel(Protocol):
    """Writes replies."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens that the model can read for one reply: instructions, tools and conversation, as far as is known."""

    def reply(
        self, session: SessionId, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Pieces of the reply's text as they come, then the calls of `tools` that the model ends with.

        `session` owns the reply; see SpeechRecognizer.

        Raises QuestionTooLong before the first piece, and BackendError (LLM_FAILED, LLM_TIMEOUT). Closing the iterator
        cancels the request.
        """


@dataclass(frozen=True, slots=True)
class VoiceSpec:
    """How a sentence is spoken."""

    language_code: str
    voice: str
    """Empty: the backend chooses."""
    rate_hz: int


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """Part of a sentence's audio: LINEAR_PCM at the rate asked for, whole samples."""

    pcm: bytes
    words: tuple[SpokenWord, ...] = ()
    """Words told with this chunk, positions in the sentence's audio; empty when the backend tells none."""


class SentenceSkipped(BackendError):  # noqa: N818  said as the fact it is
    """Synthesis has no sound for a text, or refuses it. One such sentence is not yet a fault of its address.

    Attributes:
        blame: to be called if no other sentence of the reply had any sound either.
    """

    def __init__(self, message: str, blame: Callable[[], None]) -> None:
        super().__init__(Backend.TTS, Reason.SENTENCE_SKIPPED, message)
        self.blame = blame


class SpeechSynthesizer(Protocol):
    """Speaks text."""

    def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Audio as it comes. `session` owns the sentence; see SpeechRecognizer.

        Raises BackendError (TTS_FAILED, TTS_TIMEOUT), and SentenceSkipped before any audio. Closing the iterator
        cancels the call at once.
        """

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Voices by language code, as the backend last said; empty when it has not answered yet."""


class ToolRunner(Protocol):
    """Runs the tools that the gateway itself calls."""

    def tools(self) -> tuple[Tool, ...]:
        """What it can run, each at ToolPlace.SERVER; names are unique."""

    async def run(self, name: str, arguments_json: str) -> str:
        """The tool's output for a JSON object of arguments; the model reads it.

        Raises ToolError, also for a name that is not among `tools`. Cancelling it cancels the tool's request.
        """


class BackendHealth(Protocol):
    """Whether a backend can be called."""

    @property
    def backend(self) -> Backend:
        """Which one."""

    @property
    def is_healthy(self) -> bool:
        """True while at least one address is healthy, or passes its health checks."""

    def status(self) -> BackendStatus:
        """What is known of each address."""

    async def run(self) -> None:
        """Keep the addresses, and what is known of them, up to date until cancelled. Never raises BackendError."""


VOICE_RATE_HZ = 16_000
VOICE_CHUNK_SAMPLES = 512
"""The only chunk length that Silero's 16 kHz model takes: 32 ms."""


class VoiceModel(Protocol):
    """Tells speech from other sound."""

    def new_state(self) -> Any:
        """What the model remembers of one stream, before its first chunk."""

    def probabilities(self, states: Sequence[Any], chunks: Sequence[bytes]) -> Sequence[float]:
        """Speech probability of one chunk of each stream, range [0, 1]; updates the states.

        A chunk is VOICE_CHUNK_SAMPLES of LINEAR_PCM at VOICE_RATE_HZ. Takes about 0.025 ms a chunk.
        """


# --- to whoever watches ------------------------------------------------------------------------------------------


class Occupancy(Protocol):
    """How full the process is."""

    @property
    def sessions(self) -> int:
        """Sessions that were admitted and have not ended."""

    @property
    def capacity(self) -> int:
        """Sessions that may run at the same time."""

    @property
    def fullness(self) -> float:
        """0 to 1 by whatever is nearest to its limit, sessions or load; exactly 1 while newcomers are refused."""


class AdmissionWatch(Protocol):
    """Watches who is refused; never fails and never blocks."""

    def session_refused(self, error: GatewayError) -> None:
        """A call was refused before it had a session."""


class BackendWatch(Protocol):
    """Watches addresses of backends; never fails and never blocks."""

    def backend_failed(self, backend: Backend, address: str) -> None:
        """A call or a health check failed, and that address is at fault."""

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """A call had its first output: the model's first token, or the first audio of a sentence."""

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """Something unknown in a reply was skipped; `kind` is of a closed set, and told once a reply."""

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """What is known of a backend's addresses now; told about once a second."""


class Bound(StrEnum):
    """Something that a client or a backend can fill, and that has a limit."""

    INPUT = "input"
    """Audio came so far ahead of recognition that the client was not read for a while."""
    SYNTHESIS = "synthesis"
    """Synthesis came so far ahead of playout that it was not read for a while."""
    REPORTS = "reports"
    """Playback was reported so often that a position was ignored."""
    INBOX = "inbox"
    """Facts came faster than the session takes them, which ended it."""


class Telemetry(Protocol):
    """Watches; never fails and never blocks."""

    def session_started(self, agreement: Agreement) -> None:
        """A session was admitted."""

    def session_ended(
        self, agreement: Agreement, outcome: Ended | GatewayError | None, duration_ms: int, turns: int
    ) -> None:
        """A session is over; `turns` of its turns had a reply. `outcome` is None when its client vanished."""

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:
        """A reply came to its end."""

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: TurnOutcome) -> None:
        """It is known what became of a turn for which an answer was begun."""

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """Something failed inside a session, which may go on."""

    def told(self, agreement: Agreement, event: Event) -> None:
        """The client was told this."""

    def silenced(self, agreement: Agreement, after_ms: int) -> None:
        """The agent has stopped or paused for the user, who had begun to speak that long before."""

    def disregarded(self, agreement: Agreement, cause: DisregardCause, words: int) -> None:
        """So many words that were said over the agent are in no turn."""

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
        """Something in a session was full, and whoever fills it had to wait or lost a part."""
