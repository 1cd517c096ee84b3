"""Turns that are committed and wait for their answer."""

from collections import deque
from collections.abc import Iterator

from voice_gateway.domain.ids import TurnId
from voice_gateway.turn.history import History
from voice_gateway.turn.user.turn_so_far import CommittedTurn

MAX_WAITING_TURNS = 256
"""At most this many turns wait to be answered one after another: an hour of pushed talk. Beyond that, the oldest are
said and not answered on their own."""
SUPERSEDED_CHARS = 65_536
"""Most characters of turns that are not answered on their own, nor in the history yet: a quarter of what it keeps."""


class WaitingTurns:
    """Turns that wait, in the order in which they were said. True while one is to be answered."""

    def __init__(self) -> None:
        self._turns: deque[CommittedTurn] = deque()
        self._superseded: deque[CommittedTurn] = deque()
        """Turns before those that wait, which are not answered on their own; no more text than SUPERSEDED_CHARS."""
        self._superseded_chars = 0

    def __bool__(self) -> bool:
        return bool(self._turns)

    def add(self, turn: CommittedTurn) -> None:
        """Add a turn; a live one takes the place of all that wait."""
        while turn.is_live and self._turns:
            self._supersede_oldest()
        self._turns.append(turn)
        if len(self._turns) > MAX_WAITING_TURNS:
            self._supersede_oldest()

    def next_to_answer(self, history: History) -> CommittedTurn:
        """The next turn to be answered; turns that were superseded are said."""
        for turn in self._superseded:
            history.said(turn.id, turn.text)
        self._superseded.clear()
        self._superseded_chars = 0
        return self._turns.popleft()

    def say_all(self, history: History) -> CommittedTurn | None:
        """Say all of them, and answer no turn on its own. Returns the latest turn, if there was one."""
        turn = None
        while self._turns:
            turn = self.next_to_answer(history)
            history.said(turn.id, turn.text)
        return turn

    def unanswered(self) -> Iterator[tuple[TurnId, str]]:
        """What was said and is in no request to the model."""
        yield from ((turn.id, turn.text) for turn in (*self._superseded, *self._turns))

    def _supersede_oldest(self) -> None:
        """The turn that waits longest is still said, but not answered on its own."""
        turn = self._turns.popleft()
        self._superseded.append(turn)
        self._superseded_chars += len(turn.text)
        while self._superseded_chars > SUPERSEDED_CHARS and len(self._superseded) > 1:
            self._superseded_chars -= len(self._superseded.popleft().text)
