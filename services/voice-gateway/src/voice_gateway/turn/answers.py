"""What is to be answered: turns that wait, and a reply that the client has asked for."""

from collections.abc import Iterator

from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.history import History
from voice_gateway.turn.inputs import ReplyRequested
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.reply.answering import Requested
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
        """At most one waits: a newer one takes its place."""
        self._unanswered: CommittedTurn | None = None
        """The latest turn that was said, if nobody has answered it."""
        self._due: Instant | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._request is not None

    @property
    def due(self) -> Instant | None:
        """When a request that waits only for the end of a sound is answered at the latest."""
        return self._due if self._request is not None else None

    @property
    def is_requested(self) -> bool:
        """Whether a reply that the client has asked for is still to begin."""
        return self._request is not None

    def add(self, turn: CommittedTurn, policy: TurnPolicy) -> None:
        """Add a turn; a spoken one that is answered without a request withdraws the request that waits."""
        if turn.is_spoken and policy.auto_reply:
            self.withdraw()
        self._waiting.add(turn)

    def ask(self, fact: ReplyRequested, now: Instant) -> None:
        """The client asks for a reply."""
        self._request = Requested(fact.options, now)

    def withdraw(self) -> None:
        """The reply that was asked for is wanted no more."""
        self._request = None

    def unanswered(self) -> Iterator[tuple[TurnId, str]]:
        """What was said and is in no request to the model."""
        yield from self._waiting.unanswered()

    def give_up(self) -> None:
        """No turn that waits is answered by itself: all of them are in the history."""
        self._unanswered = self._waiting.say_all(self._history) or self._unanswered

    def go_on(self, policy: TurnPolicy, now: Instant) -> None:
        """Begin the next answer, if the agent is free."""
        if not policy.auto_reply and self._agent.is_free:
            self.give_up()
        elif self._waiting and self._agent.is_free:
            self._agent.answer(self._waiting.next_to_answer(self._history), now)
            self._unanswered = None
        self._due = None
        if self._request is not None and self._agent.is_free and not (self._waiting or self._are_words_awaited()):
            self._begin_unless_spoken_over(self._request, policy, now)

    def _begin_unless_spoken_over(self, requested: Requested, policy: TurnPolicy, now: Instant) -> None:
        """Begin the reply that was asked for, unless somebody speaks whose words may still come.

        A sound without words holds it back for `max_turn_ms` at most.
        """
        utterance, due = self._user.utterance, after_ms(requested.at, policy.max_turn_ms)
        has_sound = utterance.is_speaking or utterance.quiet_by is not None
        if has_sound and now < due and not self._user.recognition.is_over:
            self._due = due
            return
        turn = self._unanswered or self._agent.unanswered  # what was said since that reply is later
        self._unanswered = self._request = None
        self._agent.reply_as_asked(turn, requested, now)

    def _are_words_awaited(self) -> bool:
        """Whether there are words of a turn that is not complete, or a final is awaited that may bring some.

        A final of live speech that has shown no words is awaited for `final_grace_ms`, and after the half-close without
        limit. A recogniser that is away is not waited for.
        """
        user, recognition = self._user, self._user.recognition
        is_in_time = recognition.has_grace or recognition.fed is None
        is_owed = user.is_ending or (recognition.owes_a_final and is_in_time)
        return bool(user.so_far.text) or (is_owed and not recognition.is_away)
