"""What is kept of a turn that is still being said."""

from voice_gateway.domain.ids import StreamId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.transcript import Word
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision, TurnSoFar

BOOK, PLEASE = Word("Book", 100, 300, 1.0), Word("please", 900, 1_100, 1.0)


def committed(spoke: int) -> CommittedTurn:
    """A turn of one word that was last spoken at this instant."""
    end = Decision(Instant(spoke + 50))
    now = Instant(spoke + 100)
    return CommittedTurn(TurnId(1), "Book.", Instant(spoke), end, end, now, is_live=True, words=(BOOK,))


def test_a_reopened_turn_keeps_its_words() -> None:
    """The final of the whole turn has the timed words of both of its parts, the first part first."""
    so_far = TurnSoFar()
    so_far.confirm(StreamId(2), "Please.", 1_100, (PLEASE,))
    so_far.reopen(committed(300))
    assert (so_far.text, so_far.words) == ("Book. Please.", (BOOK, PLEASE))


def test_a_reopened_turn_was_spoken_when_its_last_part_was() -> None:
    """The silence that ends the whole turn is counted from the latest speech of both parts."""
    for spoke_before, spoke_since, latest in ((300, 0, 300), (300, 200, 300), (300, 1_100, 1_100)):
        so_far = TurnSoFar()
        so_far.spoke = Instant(spoke_since)
        so_far.reopen(committed(spoke_before))
        assert so_far.spoke == latest
