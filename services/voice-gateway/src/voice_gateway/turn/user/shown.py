"""What the client was told of the running turn before it is committed: each thing once."""

from voice_gateway.domain.events import Transcript
from voice_gateway.domain.ids import TurnId
from voice_gateway.turn.effects import Emit, Orders


class Shown:
    """Tells interim transcripts; a recogniser repeats what it has."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.forget()

    def forget(self) -> None:
        """The turn is over: of the next one nothing was told."""
        self._text = ""
        self._stability: float | None = 0.0
        """How settled the text is; None: it was replaced by keys."""

    def words(self, turn: TurnId, text: str, stability: float = 0.0) -> None:
        """Tell what has been said, unless it is known; an empty text takes back what was told."""
        if (text, stability) != (self._text, self._stability):
            self._text, self._stability = text, stability
            self._orders.add(Emit(Transcript(turn, text, is_final=False, stability=stability)))

    def correct(self, turn: TurnId, text: str) -> None:
        """Tell what has been said, if other words were told."""
        if self._text and self._text != text:
            self.words(turn, text)

    def keys(self, turn: TurnId, digits: str) -> None:
        """Tell the keys that are being pressed, in the place of words."""
        self._stability = None
        self._orders.add(Emit(Transcript(turn, digits, is_final=False)))
