"""Facts that the core is told, named in the past tense.

Input positions (`start_samples`, `end_samples`) are samples of the client's input clock; `received_samples` is how far
input had been received when a fact was told, which tells when earlier input was spoken. Output positions are samples of
the reply's own timeline. Everything in flight carries the id of what it belongs to: the core drops what is stale, and
nobody else does.
"""

from dataclasses import dataclass

from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, StreamId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.domain.transcript import SpokenWord, Word

END_KEY = "#"
"""Ends a turn of telephone keys at once and is no part of it, as callers know it from voice menus."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The first input, once. Input may begin with what was spoken before it, and its clock may stand anywhere."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak, by the sound alone."""

    at_samples: int
    """The first speech."""
    received_samples: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nobody has spoken for a while, by the sound alone."""

    at_samples: int
    """The end of the last speech."""
    received_samples: int


@dataclass(frozen=True, slots=True)
class BacklogBegan:
    """Input comes faster than real time: it was kept somewhere before it was sent."""


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The backlog is over: input comes in real time again."""

    at_samples: int
    """Input before this position was the backlog."""


@dataclass(frozen=True, slots=True)
class VoicingHeard:
    """The sound has a voice in it: it is no knock or cough. Told at most once for each SpeechStarted, and after it."""


@dataclass(frozen=True, slots=True)
class OwnVoiceHeard:
    """The agent's voice has come back through the microphone, by the sound. Told once; SpeechStarted leaves it out."""


@dataclass(frozen=True, slots=True)
class TranscriptRevised:
    """An interim transcript of the running segment."""

    stream: StreamId
    text: str
    stability: float
    end_samples: int
    received_samples: int


@dataclass(frozen=True, slots=True)
class SegmentFinal:
    """A final transcript: the recogniser has ended a segment."""

    stream: StreamId
    text: str
    words: tuple[Word, ...]
    end_samples: int
    """End of the last word; of the audio covered where the recogniser gives no words."""
    covered_samples: int
    """Audio before this position is transcribed for good."""
    received_samples: int


@dataclass(frozen=True, slots=True)
class RecognitionEnded:
    """A recognition stream has delivered all it had."""

    stream: StreamId


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    """A recognition stream broke."""

    stream: StreamId
    message: str


@dataclass(frozen=True, slots=True)
class TextTyped:
    """The client sent a typed turn."""

    text: str


@dataclass(frozen=True, slots=True)
class DigitsPressed:
    """The client pressed telephone keys."""

    digits: str
    """One or more of 0-9, *, #, A-D."""


@dataclass(frozen=True, slots=True)
class CommitRequested:
    """The client ended the user's turn (push-to-talk)."""

    received_samples: int


@dataclass(frozen=True, slots=True)
class ClientInterrupted:
    """The client stopped the running reply."""


@dataclass(frozen=True, slots=True)
class ReplyRequested:
    """The client asked for a reply to the conversation as it is; one that runs is heard out first."""

    options: ReplyOptions


@dataclass(frozen=True, slots=True)
class InputEnded:
    """The client half-closed: it will say nothing more."""


@dataclass(frozen=True, slots=True)
class EndRequested:
    """The client wants to stop now."""


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The client changed settings; they hold from the next turn on."""

    change: Change


@dataclass(frozen=True, slots=True)
class SessionIdled:
    """For a long time nothing was heard, typed or pressed, and nothing was said."""


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """The server is leaving."""

    deadline: Instant


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """The language model wrote on."""

    reply: ReplyId
    text: str


@dataclass(frozen=True, slots=True)
class ReplyCompleted:
    """The language model has finished."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class ToolsCalled:
    """The language model has finished, and waits for what these return."""

    reply: ReplyId
    calls: tuple[ToolCall, ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool has done its work, or failed."""

    call: CallId
    output: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The language model failed, before or after its first words."""

    reply: ReplyId
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class ReplyTooLong:
    """The language model refused the question for its length, before any word."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class SpeechReady:
    """The first audio of a sentence has come."""

    reply: ReplyId
    sentence: SentenceId
    take: int = 1
    """That of the order."""


@dataclass(frozen=True, slots=True)
class SpeechCompleted:
    """All audio of a sentence has come."""

    reply: ReplyId
    sentence: SentenceId
    samples: int
    """0: synthesis has no sound for this text, or refuses it."""
    words: tuple[SpokenWord, ...] = ()
    take: int = 1
    """That of the order."""


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """Synthesis of a sentence failed after `samples` samples."""

    reply: ReplyId
    sentence: SentenceId
    samples: int
    reason: Reason
    message: str
    take: int = 1
    """That of the order."""


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """Audio of the reply leaves from `at_samples` on, in real time (at most `lead_ms` ahead of it)."""

    reply: ReplyId
    at_samples: int


@dataclass(frozen=True, slots=True)
class PlayoutStarved:
    """Real time has caught up with the audio, which ends at `at_samples` so far; more is to come."""

    reply: ReplyId
    at_samples: int


@dataclass(frozen=True, slots=True)
class PlayoutCompleted:
    """The last audio of the reply has been handed to the client."""

    reply: ReplyId
    total_samples: int


@dataclass(frozen=True, slots=True)
class PlaybackReported:
    """The client told how far it has played."""

    reply: ReplyId
    played_samples: int
    sent_samples: int
    """How much of the reply had been sent by then."""
    is_final: bool


HeardInput = SpeechStarted | SpeechEnded | TranscriptRevised | SegmentFinal | CommitRequested
"""Facts about what was heard; each tells how much input had been received by then."""
SpeakerInput = (
    SpeechStarted
    | SpeechEnded
    | VoicingHeard
    | BacklogBegan
    | CaughtUp
    | OwnVoiceHeard
    | TranscriptRevised
    | SegmentFinal
    | RecognitionEnded
    | RecognitionFailed
    | TextTyped
    | DigitsPressed
    | CommitRequested
    | ClientInterrupted
    | ReplyRequested
)
"""Facts about the user."""
SessionInput = SessionStarted | SettingsChanged | InputEnded | EndRequested | SessionIdled | DrainRequested
"""Facts about the session as a whole."""
SpeechInput = SpeechReady | SpeechCompleted | SpeechFailed
"""Facts about the sound of a sentence."""
ReplyInput = (
    ReplyDelta
    | ReplyCompleted
    | ToolsCalled
    | ReplyFailed
    | ReplyTooLong
    | SpeechInput
    | PlayoutStarted
    | PlayoutStarved
    | PlayoutCompleted
    | PlaybackReported
)
"""Facts about a reply; each has its id."""
AgentInput = ReplyInput | ToolReturned
"""Facts about what the agent does."""
Input = SpeakerInput | SessionInput | AgentInput
