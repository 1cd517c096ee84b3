"""The user's turns: the one that is being said, typed or pressed, and those that wait for their answers."""

from collections import deque

from voice_gateway.domain.events import InterruptCause, Transcript
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.transcript import Word
from voice_gateway.turn.agent import Agent, CommittedTurn
from voice_gateway.turn.effects import Effect, Emit
from voice_gateway.turn.keypad import Keypad


class Turns:
    """Counts turns, commits them and has them answered one after another."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._keypad = Keypad()
        self._waiting: deque[CommittedTurn] = deque()
        self._superseded: set[TurnId] = set()
        """Waiting turns that are still said, but not answered on their own."""
        self.current = TurnId(1)
        """The turn being said, or the next one."""

    @property
    def is_pressing(self) -> bool:
        """Whether keys have been pressed that are no turn yet."""
        return bool(self._keypad.digits)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for an answer, and no key for the next."""
        return not (self._waiting or self._keypad.digits)

    @property
    def waiting_texts(self) -> list[str]:
        """What the turns say that wait."""
        return [turn.text for turn in self._waiting]

    def typed(self, text: str, now: Instant) -> list[Effect]:
        """A typed turn."""
        return [*self.keys_ended(now), *self._commit_text(text, now)]

    def pressed(self, keys: str, now: Instant) -> list[Effect]:
        """Keys. The first one stops a reply in flight, as typed text does."""
        effects: list[Effect] = []
        for digits in self._keypad.pressed(keys, now):
            effects += self._commit_text(digits, now)
        if self._keypad.digits:
            effects += self._agent.interrupt(InterruptCause.INPUT, now)
            effects.append(Emit(Transcript(self.current, self._keypad.digits, is_final=False)))
        return effects

    def keys_ended(self, now: Instant) -> list[Effect]:
        """No more keys belong to those that were pressed: they are a turn."""
        digits = self._keypad.take()
        return self._commit_text(digits, now) if digits else []

    def spoken(
        self, text: str, spoke: Instant, now: Instant, *, is_live: bool, words: tuple[Word, ...]
    ) -> list[Effect]:
        """A spoken turn; see `CommittedTurn`."""
        effects = self.keys_ended(now)
        turn = CommittedTurn(self.current, text, spoke, now, is_live)
        told = Emit(Transcript(turn.id, text, is_final=True, words=words))
        return [*effects, told, *self._commit(turn, InterruptCause.USER_SPEECH, now)]

    def answer_next(self, now: Instant) -> list[Effect]:
        """Begin the next reply if the agent is free and something waits. Nobody is answered while pressing keys."""
        if self._keypad.digits or not self._agent.is_free:
            return []
        while self._waiting:
            turn = self._waiting.popleft()
            if turn.id not in self._superseded:
                return self._agent.answer(turn, now)
            self._superseded.remove(turn.id)
            self._agent.said(turn.text)
        return []

    def deadline(self) -> Instant | None:
        """When to look again."""
        return self._keypad.deadline()

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Commit keys that no other follows."""
        return self.keys_ended(now) if self._keypad.is_complete(now) else []

    def _commit_text(self, text: str, now: Instant) -> list[Effect]:
        turn = CommittedTurn(self.current, text, spoke=now, committed=now, is_live=True)
        return [Emit(Transcript(turn.id, text, is_final=True)), *self._commit(turn, InterruptCause.INPUT, now)]

    def _commit(self, turn: CommittedTurn, cause: InterruptCause, now: Instant) -> list[Effect]:
        """The turn is complete. A live one ends the reply in flight and supersedes turns that wait."""
        effects: list[Effect] = []
        if turn.is_live:
            self._superseded.update(waiting.id for waiting in self._waiting)
            effects = self._agent.interrupt(cause, now)
        self.current = TurnId(self.current + 1)
        self._waiting.append(turn)
        return effects
