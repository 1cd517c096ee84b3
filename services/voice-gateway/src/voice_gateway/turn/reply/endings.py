"""How replies end: what the client, telemetry and the history are told of them."""

from voice_gateway.domain.events import InterruptCause, ReplyFinished, ReplyHeard, ReplyOutcome, TurnRecord
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.effects import Emit, Orders, RecordTurn
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.own_words import OwnWords
from voice_gateway.turn.reply.playback import Heard
from voice_gateway.turn.reply.reply import Reply
from voice_gateway.turn.user.turn_so_far import CommittedTurn


class Endings:
    """Ends the replies of one session; what was heard of each is history, and so are its own words."""

    def __init__(self, history: History, orders: Orders) -> None:
        self._history = history
        self._orders = orders
        self.own_words = OwnWords()
        self.unanswered: CommittedTurn | None = None
        """The turn of the latest reply, if that is over and nothing answered the turn."""

    def begun(self) -> None:
        """An answer begins: until it is over, no turn counts as unanswered."""
        self.unanswered = None

    def given_up(self, reply: Reply) -> None:
        """Nothing more follows to answer the turn of this reply."""
        answering = reply.answering
        if answering is not None and not answering.is_answered:
            self.unanswered = answering.turn

    def heard_out(self, reply: Reply, now: Instant, *, goes_on: bool) -> None:
        """Everything of it was heard. `goes_on`: tools that it has called are running."""
        self.own_words.reply_ended(reply, now)
        reply.end()
        text = reply.wording.all_heard()
        remember(self._history, reply, text, is_interrupted=False)
        outcome = ReplyOutcome.FAILED if reply.wording.has_failed else ReplyOutcome.COMPLETED
        if text and outcome is ReplyOutcome.COMPLETED and reply.answering is not None:
            reply.answering.answered()
        if not goes_on:
            self.given_up(reply)
        self._record(reply, outcome, reply.playback.total_samples, len(text), goes_on=goes_on)

    def stopped(self, reply: Reply, cause: InterruptCause, now: Instant, settle_by: Instant) -> None:
        """It is interrupted; how far it was heard may be told later."""
        self.own_words.reply_ended(reply, now)
        reply.interrupt(cause, now, settle_by)
        if reply.settling is None:
            self._interrupted(reply, reply.playback.heard(now))

    def settled(self, reply: Reply, heard: Heard) -> None:
        """How far it was heard is known now."""
        reply.settle()
        self._interrupted(reply, heard)

    def _interrupted(self, reply: Reply, heard: Heard) -> None:
        """What was heard of a reply that was stopped is history."""
        text = reply.wording.heard_text(heard.samples)
        remember(self._history, reply, text, is_interrupted=True)
        if text and not reply.wording.has_failed and reply.answering is not None:
            reply.answering.answered()
        self.given_up(reply)
        self._tell_heard(reply, heard, text)

    def taken_back(self, reply: Reply, now: Instant) -> None:
        """Its turn goes on: nothing of it, nor of the turn, is remembered."""
        self._history.unsaid()
        self.own_words.reply_ended(reply, now)
        reply.interrupt(InterruptCause.USER_SPEECH, now, settle_by=None)
        self._tell_heard(reply, reply.playback.heard(now), "")

    def _tell_heard(self, reply: Reply, heard: Heard, text: str) -> None:
        self._orders.add(Emit(ReplyHeard(reply.id, heard.samples, text, heard.is_estimate)))
        self._record(reply, ReplyOutcome.INTERRUPTED, heard.samples, len(text), goes_on=False)

    def _record(self, reply: Reply, outcome: ReplyOutcome, samples: int, chars: int, *, goes_on: bool) -> None:
        """It is over: tell, and count."""
        wording = reply.wording
        finished = ReplyFinished(reply.id, reply.brief.turn, wording.kind, outcome, samples, goes_on)
        said = len(reply.answering.turn.text) if reply.answering is not None else 0
        count, retakes = wording.sentence_count, wording.guesses.wrong
        record = TurnRecord(finished, reply.report, said, chars, count, samples, reply.underruns, retakes)
        self._orders.add(Emit(finished), RecordTurn(record))


def remember(history: History, reply: Reply, heard: str, *, is_interrupted: bool) -> None:
    """Put what was heard of this reply in the history, unless it is an apology to no turn."""
    if reply.is_remembered:
        history.heard(reply.id, reply.wording.whole_text(), heard, is_interrupted=is_interrupted)
