"""What is to be answered: turns that wait, and a reply that the client has asked for."""

from collections.abc import Iterator

from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.history import History
from voice_gateway.turn.inputs import ReplyRequested
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.reply.latency import Requested
from voice_gateway.turn.user.turn_so_far import CommittedTurn
from voice_gateway.turn.user.user import User
from voice_gateway.turn.user.waiting import WaitingTurns


class Answers:
    """Begins one answer after another. True while there is something to be answered."""

    def __init__(self, user: User, agent: Agent, history: History) -> None:
        self._user, self._agent = user, agent
        self._history = history
        self._waiting = WaitingTurns()
        self._request: Requested | None = None
        """One at most waits: a newer one takes its place."""
        self._unanswered: CommittedTurn | None = None
        """The latest turn that was said, if nobody has answered it."""

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._request is not None

    def add(self, turn: CommittedTurn) -> None:
        """One more turn."""
        self._waiting.add(turn)

    def ask(self, fact: ReplyRequested, now: Instant) -> None:
        """The client asks for a reply."""
        self._request = Requested(fact.options, now)

    def unanswered(self) -> Iterator[tuple[TurnId, str]]:
        """What was said and is in no request to the model."""
        yield from self._waiting.unanswered()

    def give_up(self) -> None:
        """None of the turns is to be answered by itself: all of them were said."""
        self._unanswered = self._waiting.say_all(self._history) or self._unanswered

    def go_on(self, policy: TurnPolicy, now: Instant) -> None:
        """Begin the next answer, if the agent is free."""
        if not policy.auto_reply and self._agent.is_free:
            self.give_up()
        elif self._waiting and self._agent.is_free:
            self._agent.answer(self._waiting.take(self._history), now)
            self._unanswered = None
        if self._request is not None and self._agent.is_free and not (self._waiting or self._is_more_said(policy)):
            requested, self._request = self._request, None
            turn, self._unanswered = self._unanswered, None
            self._agent.reply_as_asked(turn, requested, now)

    def _is_more_said(self, policy: TurnPolicy) -> bool:
        """Whether words are awaited that come before a reply that the client has asked for.

        They are of a turn that silence will end, or whose end was called. No reply waits for a recogniser that is away.
        """
        so_far, recognition = self._user.so_far, self._user.recognition
        is_called = (so_far.called is not None or recognition.owes_a_final) and not recognition.is_away
        return is_called or (bool(so_far.text) and policy.detect_turns)
