"""What the core orders, in the imperative. The shell performs a batch in its order and never waits inside it.

The contract of a batch, which `tests/gateway_kit/contract.py` checks sentence by sentence:

1. What ends comes before what begins: CancelTool, CancelReply, Flush, the events of the ended reply, CountTurn, then
   StartReply or BeginReply.
2. `Flush(n)` precedes every `Play` of a later reply; it follows `CancelReply(n)` at once, and nothing more is ordered
   for reply n.
3. `Emit(ReplyText)` of a sentence precedes its `Play`; sentences are played in order of their ids.
   `DropSpeech(n, s)` follows `Synthesize(n, s)` while nothing of reply n was ordered to be played and no other sentence
   of it is being synthesised; what is synthesised of reply n after it is of the next take.
4. `EndPlay(n)` follows the last `Play` of reply n; a reply without audio has neither, but `BlameSynthesis(n)` if there
   was something to be heard and no call failed.
5. `FinishRecognition(n)` precedes `OpenRecognition(n + 1)` of the same batch.
6. `Reconfigure` precedes every order of its batch that is carried out by the new settings.
7. `RunTool(n)` comes once for each n, and `CancelTool(n)` at most once and after it.
8. `AskAgain(n)` follows a refusal of the question for reply n, which is still in flight: nothing of it was written.
   Each has less of the conversation than the question before.
9. `Remember` and `Forget` tell the changes of the history in their order, behind the other effects of their batch.
   A turn that is answered is remembered in the batch that orders its reply, or releases it.
10. `Close` or `Fail` is the last effect of the last batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import ChatMessage, Tool
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import DisregardCause, Ended, Event, TurnOutcome, TurnRecord
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, SentenceId, StreamId, TurnId
from voice_gateway.domain.items import Item


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """Open a recognition stream and feed it the input from `from_samples` (input clock) on."""

    stream: StreamId
    from_samples: int
    follows: bool = False
    """Whether it begins where the stream half-closed just before ends, if that lies behind `from_samples`."""


@dataclass(frozen=True, slots=True)
class FinishRecognition:
    """Half-close the newest stream: its last final follows, then RecognitionEnded."""

    stream: StreamId
    at_samples: int | None = None
    """Where it ends (input clock), unless more of the input was taken already; None: with all input received."""


@dataclass(frozen=True, slots=True)
class CancelRecognition:
    """Drop a stream."""

    stream: StreamId


@dataclass(frozen=True, slots=True)
class ForgetAudio:
    """Input before this position (input clock) is never replayed again."""

    before_samples: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the language model. What it writes is told only when the turn is certain."""

    reply: ReplyId
    turn: TurnId | None
    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    """What the model may call."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask the language model again for a reply that was begun: it had refused the question for its length."""

    reply: ReplyId
    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool of the server; ToolReturned follows, once."""

    call: CallId
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Wait no longer for a tool of the server."""

    call: CallId


@dataclass(frozen=True, slots=True)
class BeginReply:
    """Begin a reply whose text is known: the model is not asked, and audio of it may follow."""

    reply: ReplyId
    turn: TurnId | None = None


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Cancel the language model and all synthesis of the reply."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class Synthesize:
    """Speak a sentence; sentences of one reply are synthesised one after another, in order.

    The first one may be ordered when it looks ended. It is told and played once it has.
    """

    reply: ReplyId
    sentence: SentenceId
    text: str
    take: int = 1
    """Facts about it say it again: those of a take before are about a text that was dropped."""


@dataclass(frozen=True, slots=True)
class DropSpeech:
    """Cancel the synthesis of a sentence that only looked ended, and forget its audio: none of it was played."""

    reply: ReplyId
    sentence: SentenceId


@dataclass(frozen=True, slots=True)
class CancelSynthesis:
    """Cancel what is still being synthesised for the reply; audio that is there stays."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class BlameSynthesis:
    """Tell the addresses that were asked for the reply: no call failed, and no sentence of it had any sound."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class Play:
    """Send the audio of a sentence, what is there and what still comes, after that of the sentences before."""

    reply: ReplyId
    sentence: SentenceId


@dataclass(frozen=True, slots=True)
class EndPlay:
    """No more sentences follow: PlayoutCompleted comes when all is sent."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class PausePlay:
    """Send nothing more of the reply until ResumePlay; synthesis goes on.

    What the client has of it depends on its player (`domain/player.py`). One that PAUSES or FLUSHES is told by
    ReplyPaused. For one that FLUSHES, what waits to be written is dropped: all that was not heard is sent again. One
    that PLAYS_OUT plays on: PlayoutStarved tells when it has nothing left, PlayoutCompleted that there is no more.
    """

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class ResumePlay:
    """Go on sending: to a player that FLUSHES from `from_samples` on, to any other from what was sent.

    What leaves again is told as at the first time: PlayoutStarted, and PlayoutCompleted once more if it had come. It
    may begin earlier, with what a slow wire had not written, or later, if that is no longer kept: PlayoutStarted says
    where.
    """

    reply: ReplyId
    from_samples: int
    """What had been heard. A player that PAUSES goes on there."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Send nothing more of the reply, and forget its audio."""

    reply: ReplyId


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """From here on hear and speak by other settings; the core has applied those that concern it."""

    change: Change


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the client."""

    event: Event


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """Hand the finished reply to telemetry."""

    record: TurnRecord


@dataclass(frozen=True, slots=True)
class CountTurn:
    """Hand to telemetry what became of a turn, once for each time that an answer to it is begun."""

    turn: TurnId
    outcome: TurnOutcome


@dataclass(frozen=True, slots=True)
class Remember:
    """The conversation has this item, as a whole and for good, unless it is forgotten."""

    item: Item


@dataclass(frozen=True, slots=True)
class Forget:
    """This item was taken back: it is no part of the conversation. What the core drops for want of room is not told
    like this: it was said and heard, and a store may keep it.
    """

    item: ItemId


@dataclass(frozen=True, slots=True)
class Disregard:
    """These words of a final were said over the agent and are in no turn: for whoever watches."""

    cause: DisregardCause
    words: int


@dataclass(frozen=True, slots=True)
class Close:
    """The session ends well; the event has been emitted."""

    ended: Ended


@dataclass(frozen=True, slots=True)
class Fail:
    """The session ends badly."""

    reason: Reason
    message: str
    backend: Backend | None = None


Effect = (
    OpenRecognition
    | FinishRecognition
    | CancelRecognition
    | ForgetAudio
    | StartReply
    | AskAgain
    | BeginReply
    | RunTool
    | CancelTool
    | CancelReply
    | Synthesize
    | DropSpeech
    | CancelSynthesis
    | BlameSynthesis
    | Play
    | EndPlay
    | PausePlay
    | ResumePlay
    | Flush
    | Reconfigure
    | Emit
    | RecordTurn
    | CountTurn
    | Remember
    | Forget
    | Disregard
    | Close
    | Fail
)


class Orders:
    """The batch that is being made: each part of a core adds to the same one, and the core drains it."""

    def __init__(self) -> None:
        self._batch: list[Effect] = []

    @property
    def count(self) -> int:
        """How many effects the batch has so far."""
        return len(self._batch)

    @property
    def failure(self) -> Fail | None:
        """The first failure of the batch, if it has one."""
        return next((effect for effect in self._batch if isinstance(effect, Fail)), None)

    @property
    def events(self) -> Iterator[Event]:
        """What the batch tells the client."""
        return (effect.event for effect in self._batch if isinstance(effect, Emit))

    def add(self, *effects: Effect) -> None:
        """Order these, in this order, behind what the batch has."""
        self._batch += effects

    def drain(self) -> tuple[Effect, ...]:
        """The batch; the next one is empty."""
        batch, self._batch = tuple(self._batch), []
        return batch
