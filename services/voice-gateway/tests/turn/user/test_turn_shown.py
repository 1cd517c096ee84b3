"""What the client is told of a turn before it is committed: each thing once."""

from voice_gateway.domain.events import Transcript
from voice_gateway.domain.ids import TurnId
from voice_gateway.turn.effects import Effect, Emit, Orders
from voice_gateway.turn.user.shown import Shown

ONE, TWO = TurnId(1), TurnId(2)


class Screen:
    """What is told, and what comes of it."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.shown = Shown(self.orders)

    def words(self, text: str, stability: float = 0.5, turn: TurnId = ONE) -> tuple[Effect, ...]:
        self.shown.words(turn, text, stability)
        return self.orders.drain()

    def correct(self, text: str) -> tuple[Effect, ...]:
        self.shown.correct(ONE, text)
        return self.orders.drain()

    def keys(self, digits: str) -> tuple[Effect, ...]:
        self.shown.keys(ONE, digits)
        return self.orders.drain()


def told(text: str, stability: float = 0.5, turn: TurnId = ONE) -> tuple[Effect, ...]:
    """One interim transcript."""
    return (Emit(Transcript(turn, text, is_final=False, stability=stability)),)


def test_what_is_known_is_not_told_again() -> None:
    """The same words count as news only when they are more settled, or less."""
    screen = Screen()
    assert screen.words("Book") == told("Book")
    assert screen.words("Book") == ()
    assert screen.words("Book", 1.0) == told("Book", 1.0)
    assert screen.words("Book", 1.0) == ()
    assert screen.words("Book", 0.5) == told("Book", 0.5)


def test_the_next_turn_is_told_from_its_beginning() -> None:
    """The same words are news in another turn, and in this one nothing is taken back any more."""
    screen = Screen()
    screen.words("Book")
    screen.shown.forget()
    assert screen.correct("") == ()
    assert screen.words("Book", turn=TWO) == told("Book", turn=TWO)


def test_only_what_was_told_is_corrected() -> None:
    """Words that nobody has seen are not taken back, nor those that still stand; what was taken back is news again."""
    screen = Screen()
    assert screen.correct("Book") == ()
    screen.words("Book a table")
    assert screen.correct("Book a table") == ()
    assert screen.correct("") == told("", 0.0)
    assert screen.correct("") == ()
    assert screen.words("Book a table") == told("Book a table")


def test_words_that_keys_have_replaced_are_told_again() -> None:
    """A client shows the newest text of a turn: after a key the recogniser's old words are news to it."""
    screen = Screen()
    screen.words("Book")
    assert screen.keys("1") == told("1", 0.0)
    assert screen.words("Book") == told("Book")
    assert screen.keys("12") == told("12", 0.0)
    assert screen.correct("") == told("", 0.0)


def test_keys_are_not_taken_back_with_words_that_nobody_has_seen() -> None:
    """A sound that had no words changes nothing of what is being pressed."""
    screen = Screen()
    screen.keys("1")
    assert screen.correct("") == ()
