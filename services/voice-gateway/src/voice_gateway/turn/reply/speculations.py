"""Replies that are prepared while the end of the turn is not confirmed yet: which of them fit, and how each ended."""

from voice_gateway.domain.events import Speculation, SpeculationOutcome
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.current import CurrentReply
from voice_gateway.turn.reply.reply import Attempt, Reply
from voice_gateway.turn.text.normalised import Difference, difference, same_words
from voice_gateway.turn.user.turn_so_far import CommittedTurn

_LOST = {
    Difference.SAME: SpeculationOutcome.LOST_CONTEXT,
    Difference.FORMATTING: SpeculationOutcome.LOST_FORMATTING,
    Difference.MORE_WORDS: SpeculationOutcome.LOST_MORE_WORDS,
    Difference.CHANGED_WORD: SpeculationOutcome.LOST_CHANGED_WORD,
}


class Speculations:
    """Attempts of one turn after another, one at a time; `turn_over` ends a turn."""

    def __init__(self, current: CurrentReply, history: History) -> None:
        self._current = current
        self._history = history
        self._over: list[Speculation] = []
        self._refused: str | None = None

    def may_begin(self, text: str, most: int) -> bool:
        """Whether one more may be prepared; words with which a backend has just failed are not tried again."""
        if self._current.reply is not None or len(self._over) >= most:
            return False
        return self._refused is None or not same_words(self._refused, text)

    def review(self, said: str, *, is_over: bool) -> None:
        """Drop the reply that is prepared if it answers something else than what was said.

        `is_over`: no words are left to answer, so that the next turn has attempts of its own.
        """
        if (prepared := self._current.prepared) and not self._fits(prepared[1], said):
            self._drop(*prepared, _LOST[difference(prepared[1].text, said)])
        if is_over:
            self.turn_over()

    def claim(self, turn: CommittedTurn) -> Reply | None:
        """The prepared reply, if it answers this turn; else it is dropped. A typed turn is new context for it."""
        prepared = self._current.prepared
        if prepared is not None and not turn.is_spoken and not self._fits(prepared[1], turn.text):
            self.stop()
        self.review(turn.text, is_over=False)
        if prepared is None or self._current.reply is None:
            return None
        self._ended(*prepared, SpeculationOutcome.WON)
        return prepared[0]

    def stop(self) -> None:
        """Drop the reply that is prepared, if any."""
        if prepared := self._current.prepared:
            self._drop(*prepared, SpeculationOutcome.LOST_CONTEXT)

    def failed(self, reply: Reply, attempt: Attempt) -> None:
        """A backend has failed, and the reply was dropped: it is asked again once the turn is certain."""
        self._refused = attempt.text
        self._ended(reply, attempt, SpeculationOutcome.FAILED)

    def turn_over(self) -> tuple[Speculation, ...]:
        """What was prepared for the turn; the next one has attempts of its own."""
        over, self._over, self._refused = tuple(self._over), [], None
        return over

    def _fits(self, attempt: Attempt, said: str) -> bool:
        return attempt.history_version == self._history.version and same_words(attempt.text, said)

    def _drop(self, reply: Reply, attempt: Attempt, outcome: SpeculationOutcome) -> None:
        self._ended(reply, attempt, outcome)
        reply.drop()
        self._current.let_go()

    def _ended(self, reply: Reply, attempt: Attempt, outcome: SpeculationOutcome) -> None:
        in_vain = 0 if outcome is SpeculationOutcome.WON else reply.wording.pieces
        self._over.append(Speculation(attempt.trigger, outcome, in_vain))
