"""The reply that is prepared while the end of the turn is still being confirmed; nobody is told of it until then."""

from voice_gateway.domain.events import Speculation, SpeculationOutcome, SpeculationTrigger
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import CancelReply, Flush, Orders
from voice_gateway.turn.questions import Questions
from voice_gateway.turn.reply import ReplyInFlight
from voice_gateway.turn.tables import Machine, Reply, ReplyEvent
from voice_gateway.turn.text.normalised import Difference, difference, same_words
from voice_gateway.turn.turn_so_far import CommittedTurn

_LOST = {
    Difference.SAME: SpeculationOutcome.LOST_CONTEXT,
    Difference.FORMATTING: SpeculationOutcome.LOST_FORMATTING,
    Difference.MORE_WORDS: SpeculationOutcome.LOST_MORE_WORDS,
    Difference.CHANGED_WORD: SpeculationOutcome.LOST_CHANGED_WORD,
}


class Rehearsal:
    """Speculative replies of one turn after another, one at a time; `take` ends a turn."""

    def __init__(self, machine: Machine[Reply, ReplyEvent], questions: Questions, orders: Orders) -> None:
        self._machine = machine
        self._questions = questions
        self._orders = orders
        self._reply: ReplyInFlight | None = None
        self._trigger = SpeculationTrigger.STABILITY
        self._history_version = 0
        self._done: list[Speculation] = []
        self._failed_text: str | None = None

    def takes(self, fact: inputs.ReplyInput) -> bool:
        """Whether this fact is about the prepared reply."""
        return self._reply is not None and fact.reply == self._reply.id

    def may_begin(self, text: str, most: int) -> bool:
        """Whether one more is worth its price; what a backend has just refused is not asked again."""
        if self._reply is not None or len(self._done) >= most:
            return False
        return self._failed_text is None or not same_words(self._failed_text, text)

    def begin(self, reply: ReplyInFlight, trigger: SpeculationTrigger, history_version: int) -> None:
        """Prepare this reply; what it answers comes after a history of this version."""
        self._machine.move(ReplyEvent.SUSPECTED)
        self._reply, self._trigger, self._history_version = reply, trigger, history_version

    def review(self, said: str, history_version: int, *, is_over: bool = False) -> None:
        """Drop the reply if it answers something else than what was said.

        `is_over`: the words were nobody's, so that the next turn has attempts of its own.
        """
        reply = self._reply
        if reply is not None and not self._fits(reply, said, history_version):
            self._drop(reply, _LOST[difference(reply.user_text, said)])
        if is_over:
            self.take()

    def claim(self, turn: CommittedTurn, history_version: int) -> ReplyInFlight | None:
        """The prepared reply, if it answers this turn; else it is dropped. A typed turn changes what others answer."""
        reply = self._reply
        if reply is not None and not turn.is_spoken and not self._fits(reply, turn.text, history_version):
            self.stop()
            return None
        self.review(turn.text, history_version)
        reply = self._reply
        if reply is not None:
            self._machine.move(ReplyEvent.COMMITTED)
            self._reply = None
            self._done.append(Speculation(self._trigger, SpeculationOutcome.WON, 0))
        return reply

    def stop(self) -> None:
        """Drop the reply, if any."""
        if self._reply is not None:
            self._drop(self._reply, SpeculationOutcome.LOST_CONTEXT)

    def take(self) -> tuple[Speculation, ...]:
        """What was prepared for the turn, which is over."""
        done, self._done, self._failed_text = tuple(self._done), [], None
        return done

    def handle(self, fact: inputs.ReplyInput, now: Instant) -> None:
        """Take a fact about the prepared reply. None of its playing can be true: nobody ordered it."""
        reply = self._reply
        if reply is None or not reply.takes(fact):
            return
        match fact:
            case inputs.ReplyTooLong():
                if not self._questions.ask_again(reply):
                    self._fail(reply)
            case inputs.ToolsCalled(_, calls) if reply.tools:
                reply.calls = calls  # no tool runs for what was perhaps not said: they wait for the commitment
                reply.finish_writing(now)
            case inputs.ReplyCompleted() | inputs.ToolsCalled() if reply.has_written:
                reply.finish_writing(now)
            case inputs.ReplyCompleted() | inputs.ToolsCalled() | inputs.ReplyFailed() | inputs.SpeechFailed():
                self._fail(reply)
            case inputs.ReplyDelta() | inputs.SpeechReady() | inputs.SpeechCompleted():
                reply.deliver(fact, now)

    def _fits(self, reply: ReplyInFlight, said: str, history_version: int) -> bool:
        return history_version == self._history_version and same_words(reply.user_text, said)

    def _drop(self, reply: ReplyInFlight, outcome: SpeculationOutcome) -> None:
        self._done.append(Speculation(self._trigger, outcome, reply.pieces))
        self._reply = None
        self._machine.move(ReplyEvent.DROPPED)
        self._orders.add(CancelReply(reply.id), Flush(reply.id))

    def _fail(self, reply: ReplyInFlight) -> None:
        """A backend failed before the turn was committed: it will be asked again then, and answer for itself."""
        self._failed_text = reply.user_text
        self._drop(reply, SpeculationOutcome.FAILED)
