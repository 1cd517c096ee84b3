"""Replies that are prepared early: which may begin, which fit, and what is told of each in the end."""

import pytest
from gateway_kit.phone_call import at, reply_factory
from voice_gateway.domain.events import Speculation, SpeculationOutcome, SpeculationTrigger
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.current import CurrentReply
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.reply import Attempt, Reply
from voice_gateway.turn.reply.speculations import Speculations
from voice_gateway.turn.tables import ReplyState
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision

PAUSE, STABILITY = SpeculationTrigger.PAUSE, SpeculationTrigger.STABILITY


class Prepared:
    """The attempts of a session, of which each has written so many pieces."""

    def __init__(self) -> None:
        self.current, self.history = CurrentReply(), History(Orders())
        self.attempts = Speculations(self.current, self.history)
        self.factory = reply_factory()

    def prepare(self, text: str, pieces: int = 0, trigger: SpeculationTrigger = PAUSE) -> Reply:
        """Prepare a reply to these words."""
        reply = self.current.begin(self.factory.make(TurnId(1), ReplyClock(at(1))))
        reply.prepare(Attempt(text, trigger, self.history.version), ())
        for _ in range(pieces):
            reply.wording.write("word ", at(2))
        return reply

    def fail(self, text: str) -> None:
        """A backend fails while a reply to these words is prepared."""
        reply = self.prepare(text, 1, STABILITY)
        attempt = reply.attempt
        assert attempt is not None
        reply.drop()
        self.current.let_go()
        self.attempts.failed(reply, attempt)


def spoken(text: str) -> CommittedTurn:
    """A turn that was spoken."""
    now: Instant = at(5)
    return CommittedTurn(TurnId(1), text, now, Decision(now), Decision(now), now, is_live=True)


def test_so_many_may_be_prepared_in_a_turn() -> None:
    """One at a time and two in all; the next turn has two of its own."""
    made = Prepared()
    assert not made.attempts.may_begin("what", 0)
    for text in ("what", "what is"):
        assert made.attempts.may_begin(text, 2)
        made.prepare(text)
        assert not made.attempts.may_begin("other", 2)
        made.attempts.stop()
    assert not made.attempts.may_begin("what is it", 2)
    assert len(made.attempts.turn_over()) == 2
    assert made.attempts.may_begin("what is it", 2)


def test_words_that_a_backend_failed_on_are_not_tried_again() -> None:
    """The same words in another case would fail again; other words, and the next turn, are tried."""
    made = Prepared()
    made.fail("what is a pod")
    assert not made.attempts.may_begin("What is a pod?", 3)
    assert made.attempts.may_begin("what is a pod for", 3)
    assert made.attempts.turn_over() == (Speculation(STABILITY, SpeculationOutcome.FAILED, 1),)
    assert made.attempts.may_begin("What is a pod?", 3)
    assert made.attempts.turn_over() == ()


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("It is four.", None),
        ("it is four past", SpeculationOutcome.LOST_MORE_WORDS),
        ("it is five", SpeculationOutcome.LOST_CHANGED_WORD),
        ("it is for", SpeculationOutcome.LOST_FORMATTING),
    ],
)
def test_a_reply_to_other_words_is_dropped(said: str, outcome: SpeculationOutcome | None) -> None:
    """A reply that is prepared stays while the words are the same; else it is told how they differed, and its cost."""
    made = Prepared()
    reply = made.prepare("it is four", 2)
    made.attempts.review(said, is_over=False)
    assert (made.current.reply is reply) is (outcome is None)
    told = () if outcome is None else (Speculation(PAUSE, outcome, 2),)
    assert made.attempts.turn_over() == told
    assert reply.state is (ReplyState.PREPARING if outcome is None else ReplyState.OVER)


def test_when_no_words_are_left_the_turn_is_over() -> None:
    """What was prepared for words that were withdrawn is no matter of the next turn."""
    made = Prepared()
    made.prepare("yes", 1)
    made.attempts.review("", is_over=True)
    assert made.current.reply is None
    assert made.attempts.turn_over() == ()


@pytest.mark.parametrize("is_spoken", [True, False])
def test_a_reply_that_answers_the_turn_is_taken(*, is_spoken: bool) -> None:
    """It has won, and none of its pieces was in vain; it stays the current reply."""
    made = Prepared()
    reply = made.prepare("yes", 3, STABILITY)
    turn = spoken("Yes.") if is_spoken else CommittedTurn.typed(TurnId(1), "Yes.", at(5))
    assert made.attempts.claim(turn) is reply
    assert made.current.reply is reply
    assert made.attempts.turn_over() == (Speculation(STABILITY, SpeculationOutcome.WON, 0),)


@pytest.mark.parametrize(
    ("turn", "outcome"),
    [
        (spoken("Yes, please."), SpeculationOutcome.LOST_MORE_WORDS),
        (CommittedTurn.typed(TurnId(1), "Yes, please.", at(5)), SpeculationOutcome.LOST_CONTEXT),
    ],
)
def test_a_reply_that_does_not_answer_the_turn_is_dropped(turn: CommittedTurn, outcome: SpeculationOutcome) -> None:
    """For a spoken turn the words differed; a typed one was never guessed at, and is new context."""
    made = Prepared()
    made.prepare("yes", 3)
    assert made.attempts.claim(turn) is None
    assert made.current.reply is None
    assert made.attempts.turn_over() == (Speculation(PAUSE, outcome, 3),)


def test_a_reply_to_another_history_is_dropped() -> None:
    """The same words after something else was said are another question."""
    made = Prepared()
    made.prepare("yes", 1)
    made.history.said(TurnId(1), "Is it?")
    made.attempts.review("yes", is_over=False)
    assert made.current.reply is None
    assert made.attempts.turn_over() == (Speculation(PAUSE, SpeculationOutcome.LOST_CONTEXT, 1),)


def test_a_reply_in_flight_is_not_claimed() -> None:
    """Only what is prepared can be taken or dropped; a reply that answers already is left alone."""
    made = Prepared()
    assert made.attempts.claim(spoken("Yes.")) is None
    reply = made.current.begin(made.factory.make(TurnId(1), ReplyClock(at(1))))
    reply.ask((), at(1))
    made.attempts.stop()
    made.attempts.review("No.", is_over=False)
    assert made.attempts.claim(spoken("Yes.")) is None
    assert reply.state is ReplyState.WAITING
    assert made.attempts.turn_over() == ()
