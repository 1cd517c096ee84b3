"""What a client is told. Codecs turn these into their wire's messages.

Turn, reply and sentence ids are the core's integers. Input positions are samples of the client's input clock,
output positions samples of a reply's own timeline.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, TurnId
from voice_gateway.domain.transcript import Word


class ReplyKind(StrEnum):
    """What a reply is for."""

    ANSWER = "ANSWER"
    REPROMPT = "REPROMPT"
    APOLOGY = "APOLOGY"
    FILLER = "FILLER"
    """Said while tools run."""


class ReplyOutcome(StrEnum):
    """How a reply ended."""

    COMPLETED = "COMPLETED"
    INTERRUPTED = "INTERRUPTED"
    FAILED = "FAILED"


class TurnOutcome(StrEnum):
    """What became of a turn for which an answer was begun, by one reply or, after tools, by several."""

    ANSWERED = "ANSWERED"
    """The answer was heard, or shown, to its end."""
    INTERRUPTED = "INTERRUPTED"
    """The answer was stopped once it had begun."""
    FAILED = "FAILED"
    """A part of the answer is missing, an apology stands in its place, or the gateway ended the session before it."""
    ABANDONED = "ABANDONED"
    """The user went on, or left, before the answer had begun, and had waited long."""
    ABANDONED_EARLY = "ABANDONED_EARLY"
    """The same after so short a wait that the answer may have been well on its way."""
    TAKEN_BACK = "TAKEN_BACK"
    """The user had not ended: what was said is a part of the next turn."""


UNBEGUN: Final = frozenset((TurnOutcome.ABANDONED, TurnOutcome.ABANDONED_EARLY))
"""Outcomes of turns whose answer had not begun: if the gateway itself ends the session, they have failed."""


class InterruptCause(StrEnum):
    """Why a reply was interrupted."""

    USER_SPEECH = "USER_SPEECH"
    CLIENT = "CLIENT"
    INPUT = "INPUT"


class DisregardCause(StrEnum):
    """Why words that were said over the agent are in no turn."""

    ECHO = "ECHO"
    """They are the agent's own, coming back."""
    BACKCHANNEL = "BACKCHANNEL"
    """They only acknowledge what the agent says."""
    NOISE = "NOISE"
    """A sound without a voice, in which recognition heard a word."""


class EndCause(StrEnum):
    """Why a session ended well."""

    CLIENT_ENDED = "CLIENT_ENDED"
    CLIENT_HALF_CLOSED = "CLIENT_HALF_CLOSED"
    DRAINING = "DRAINING"
    NO_INPUT = "NO_INPUT"
    IDLE = "IDLE"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak."""

    at_samples: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The user stopped speaking."""

    at_samples: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The whole turn so far; `is_final` is true once for each turn."""

    turn: TurnId
    text: str
    is_final: bool
    stability: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyText:
    """One sentence as the model wrote it, before its audio."""

    reply: ReplyId
    turn: TurnId | None
    """None: no turn asked for it."""
    kind: ReplyKind
    sentence: SentenceId
    text: str


@dataclass(frozen=True, slots=True)
class ReplyPaused:
    """Somebody may be interrupting: a player that PAUSES stands still and flushes nothing, one that FLUSHES is flushed.

    A client whose player PLAYS_OUT is not told.
    """

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class ReplyResumed:
    """It was no interruption: go on from here.

    A player that FLUSHES gets the audio from here on again; where exactly, its first frame says.
    """

    reply: ReplyId
    offset_samples: int


@dataclass(frozen=True, slots=True)
class ReplyInterrupted:
    """Nothing more of this reply will come: flush."""

    reply: ReplyId
    cause: InterruptCause


@dataclass(frozen=True, slots=True)
class ReplyHeard:
    """How much of an interrupted reply was heard."""

    reply: ReplyId
    heard_samples: int
    heard_text: str
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """A reply has ended, once."""

    reply: ReplyId
    turn: TurnId | None
    """None: no turn asked for it."""
    kind: ReplyKind
    outcome: ReplyOutcome
    total_samples: int
    goes_on: bool = False
    """Whether the answer is still to come: a tool was called."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks for a tool that the client executes."""

    call: CallId
    turn: TurnId | None
    name: str
    arguments_json: str
    """A JSON object."""


REPLY_REQUEST = "reply_request"
"""The span in which the client had not asked for the reply yet: the client's time, not the server's."""


@dataclass(frozen=True, slots=True)
class LatencySpan:
    """One piece of a turn's latency; the spans of a report tile its total."""

    name: str
    start_ms: int
    """After the last speech sample."""
    duration_ms: int
    setting: str = ""
    """The setting that decides how long the span is; empty when a backend's speed decides."""
    is_overlapped: bool = False
    """Work that was done beside other spans, before the turn was committed."""


class SpeculationTrigger(StrEnum):
    """What raised the suspicion that a turn has ended."""

    STABILITY = "STABILITY"
    PAUSE = "PAUSE"


class SpeculationOutcome(StrEnum):
    """What became of a reply that was prepared early."""

    WON = "WON"
    LOST_FORMATTING = "LOST_FORMATTING"
    LOST_MORE_WORDS = "LOST_MORE_WORDS"
    LOST_CHANGED_WORD = "LOST_CHANGED_WORD"
    LOST_CONTEXT = "LOST_CONTEXT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Speculation:
    """A reply that was prepared before its turn was committed."""

    trigger: SpeculationTrigger
    outcome: SpeculationOutcome
    wasted_tokens: int
    """Pieces that the model had written when the reply was dropped; most servers send one token in each."""


@dataclass(frozen=True, slots=True)
class TurnReport:
    """Where a turn's time went, from the last speech sample to the first reply sample sent."""

    turn: TurnId
    reply: ReplyId
    total_ms: int
    spans: tuple[LatencySpan, ...]
    speculations: tuple[Speculation, ...] = ()
    """Replies that were prepared early for this turn, in order."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Trouble that does not end the call."""

    reason: Reason
    message: str
    backend: Backend | None = None
    turn: TurnId | None = None


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The server is leaving; the running turn finishes."""

    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The session ended well; nothing follows."""

    cause: EndCause


Event = (
    SpeechStarted
    | SpeechEnded
    | Transcript
    | ReplyText
    | ReplyPaused
    | ReplyResumed
    | ReplyInterrupted
    | ReplyHeard
    | ReplyFinished
    | ToolCalled
    | TurnReport
    | Notice
    | GoingAway
    | Ended
)


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """Reply audio on its way to the client: LINEAR_PCM at the session's output rate."""

    reply: ReplyId
    sentence: SentenceId
    offset_samples: int
    pcm: bytes
    is_last: bool = False
    """True on the last audio of the reply; `pcm` may then be empty."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One finished reply, for the canonical log line and for metrics."""

    finished: ReplyFinished
    report: TurnReport | None
    """None when no audio was sent, and for a reply that answers no turn."""
    user_chars: int
    reply_chars: int
    sentences: int
    heard_samples: int
    underruns: int = 0
    """How often playout had to wait for more audio: synthesis, or the model, did not keep up."""
    retakes: int = 0
    """How often its first sentence was synthesised in vain: it looked ended, and had not."""
