"""How replies end: what the client, telemetry and the history are told of them, and what becomes of their turns."""

from voice_gateway.domain.events import (
    UNBEGUN,
    InterruptCause,
    ReplyFinished,
    ReplyHeard,
    ReplyOutcome,
    TurnOutcome,
    TurnRecord,
)
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.turn.effects import CountTurn, Emit, Orders, RecordTurn
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.answering import Answering
from voice_gateway.turn.reply.own_words import OwnWords
from voice_gateway.turn.reply.playback import Heard
from voice_gateway.turn.reply.reply import Reply
from voice_gateway.turn.user.turn_so_far import CommittedTurn

PATIENCE_MS = 2_000
"""Who goes on or leaves within this time of the question to the model may have left an answer that was on its way. The
alert on slow replies has the same time. A longer one would excuse backends that hang: people speak again after 1 s."""


class Endings:
    """Ends the replies of one session; what was heard of each is history, and so are its own words."""

    def __init__(self, history: History, orders: Orders) -> None:
        self._history = history
        self._orders = orders
        self.own_words = OwnWords()
        self.unanswered: CommittedTurn | None = None
        """The turn of the latest reply, if that is over and nothing answered the turn."""
        self._is_broken = False
        """Whether the gateway itself ends the session."""

    def begun(self) -> None:
        """An answer begins: until it is over, no turn counts as unanswered."""
        self.unanswered = None

    def session_breaks(self) -> None:
        """The gateway itself ends the session: nobody else has given up what is not answered."""
        self._is_broken = True

    def given_up(self, reply: Reply, now: Instant) -> None:
        """Nothing more follows to answer the turn of this reply, which was stopped, or whose tools were."""
        if reply.answering is not None:
            self._turn_over(reply, _when_given_up(reply, reply.answering, now))

    def _turn_over(self, reply: Reply, outcome: TurnOutcome) -> None:
        """The turn that it answers, if any, is over. It may be told twice: with tools that the reply had called."""
        answering = reply.answering
        if answering is None or answering.is_over:
            return
        answering.ended()
        if not answering.is_answered and outcome is not TurnOutcome.TAKEN_BACK:
            self.unanswered = answering.turn
        if self._is_broken and outcome in UNBEGUN:
            outcome = TurnOutcome.FAILED
        self._orders.add(CountTurn(answering.turn.id, outcome))

    def heard_out(self, reply: Reply, now: Instant, *, goes_on: bool) -> None:
        """Everything of it was heard. `goes_on`: tools that it has called are running."""
        self.own_words.reply_ended(reply, now)
        reply.end()
        text, has_failed, answering = reply.wording.all_heard(), reply.wording.has_failed, reply.answering
        remember(self._history, reply, text, is_interrupted=False)
        outcome = ReplyOutcome.FAILED if has_failed else ReplyOutcome.COMPLETED
        self._record(reply, outcome, reply.playback.total_samples, len(text), goes_on=goes_on)
        if text and not has_failed and answering is not None:
            answering.answered()
        if not goes_on:
            has_lost = answering is not None and answering.has_failed
            self._turn_over(reply, TurnOutcome.FAILED if has_lost else TurnOutcome.ANSWERED)

    def stopped(self, reply: Reply, cause: InterruptCause, now: Instant, settle_by: Instant) -> None:
        """It is interrupted; how far it was heard may be told later."""
        self.own_words.reply_ended(reply, now)
        reply.interrupt(cause, now, settle_by)
        if reply.settling is None:
            self._interrupted(reply, reply.playback.heard(now))
            self.given_up(reply, now)

    def settled(self, reply: Reply, heard: Heard) -> None:
        """How far it was heard is known now: it had begun, because only then a report is awaited."""
        reply.settle()
        self._interrupted(reply, heard)
        if reply.answering is not None:
            self._turn_over(reply, _of_begun(reply.answering))

    def _interrupted(self, reply: Reply, heard: Heard) -> None:
        """What was heard of a reply that was stopped is history."""
        text = reply.wording.heard_text(heard.samples)
        remember(self._history, reply, text, is_interrupted=True)
        if text and not reply.wording.has_failed and reply.answering is not None:
            reply.answering.answered()
        self._tell_heard(reply, heard, text)

    def taken_back(self, reply: Reply, now: Instant) -> None:
        """Its turn goes on: nothing of it, nor of the turn, is remembered."""
        self._history.unsaid()
        self.own_words.reply_ended(reply, now)
        reply.interrupt(InterruptCause.USER_SPEECH, now, settle_by=None)
        self._tell_heard(reply, reply.playback.heard(now), "")
        self._turn_over(reply, TurnOutcome.TAKEN_BACK)

    def _tell_heard(self, reply: Reply, heard: Heard, text: str) -> None:
        self._orders.add(Emit(ReplyHeard(reply.id, heard.samples, text, heard.is_estimate)))
        self._record(reply, ReplyOutcome.INTERRUPTED, heard.samples, len(text), goes_on=False)

    def _record(self, reply: Reply, outcome: ReplyOutcome, samples: int, chars: int, *, goes_on: bool) -> None:
        """It is over: tell, and count."""
        wording = reply.wording
        if wording.has_failed and reply.answering is not None:
            reply.answering.failed()
        finished = ReplyFinished(reply.id, reply.brief.turn, wording.kind, outcome, samples, goes_on)
        said = len(reply.answering.turn.text) if reply.answering is not None else 0
        count, retakes = wording.sentence_count, wording.guesses.wrong
        record = TurnRecord(finished, reply.report, said, chars, count, samples, reply.underruns, retakes)
        self._orders.add(Emit(finished), RecordTurn(record))


def _when_given_up(reply: Reply, answering: Answering, now: Instant) -> TurnOutcome:
    """What becomes of a turn whose answer is stopped now.

    Backends have time from the question, or from the end of a turn that was answered in advance, until there is sound:
    a reply may be kept back after that, as somebody may be speaking. Behind tools they have it once more.
    """
    clock = reply.clock
    if answering.is_reported or answering.has_failed:
        hangs = clock.rounds and not clock.first_speech and not reply.wording.has_written
        is_missing = hangs and not answering.has_failed and ms_between(clock.rounds[-1][1], now) > PATIENCE_MS
        return TurnOutcome.ABANDONED if is_missing else _of_begun(answering)
    waited_ms = ms_between(max(clock.asked, answering.turn.committed), clock.first_speech or now)
    return TurnOutcome.ABANDONED_EARLY if waited_ms <= PATIENCE_MS else TurnOutcome.ABANDONED


def _of_begun(answering: Answering) -> TurnOutcome:
    return TurnOutcome.FAILED if answering.has_failed else TurnOutcome.INTERRUPTED


def remember(history: History, reply: Reply, heard: str, *, is_interrupted: bool) -> None:
    """Put what was heard of this reply in the history, unless it is an apology to no turn."""
    if reply.is_remembered:
        history.heard(reply.id, reply.wording.whole_text(), heard, is_interrupted=is_interrupted)
