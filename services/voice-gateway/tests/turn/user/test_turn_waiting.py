"""Turns that wait for their answer."""

from gateway_kit.phone_call import at
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.items import UserItem
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision
from voice_gateway.turn.user.waiting import WaitingTurns


def turn(number: int, text: str, *, is_live: bool = False) -> CommittedTurn:
    """A spoken turn; one that is not live waits until earlier ones are answered."""
    end = Decision(at(number))
    return CommittedTurn(TurnId(number), text, at(number), end, end, at(number), is_live=is_live)


def said(history: History) -> list[tuple[int, str]]:
    """What the history has of the user, with the turns."""
    return [(item.turn, item.text) for item in history.items if isinstance(item, UserItem)]


def test_turns_are_answered_in_the_order_in_which_they_were_said() -> None:
    """Pushed turns get an answer each, the oldest first."""
    waiting, history = WaitingTurns(), History(Orders())
    is_waiting = [bool(waiting)]
    for number, text in ((1, "one"), (2, "two")):
        waiting.add(turn(number, text))
    is_waiting.append(bool(waiting))
    assert list(waiting.unanswered()) == [(1, "one"), (2, "two")]
    assert [waiting.next_to_answer(history).text for _ in range(2)] == ["one", "two"]
    assert (said(history), [*is_waiting, bool(waiting)]) == ([], [False, True, False])


def test_a_live_turn_takes_the_place_of_those_that_wait() -> None:
    """What waited is said before the live turn is answered, once, and has no answer of its own."""
    waiting, history = WaitingTurns(), History(Orders())
    for number, text in ((1, "one"), (2, "two")):
        waiting.add(turn(number, text))
    waiting.add(turn(3, "three", is_live=True))
    waiting.add(turn(4, "four"))
    assert list(waiting.unanswered()) == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]
    assert waiting.next_to_answer(history).text == "three"
    assert said(history) == [(1, "one"), (2, "two")]
    assert waiting.next_to_answer(history).text == "four"
    assert (said(history), list(waiting.unanswered())) == ([(1, "one"), (2, "two")], [])


def test_256_turns_wait_and_the_oldest_of_more_is_not_answered() -> None:
    """With the 257th turn the first is said only."""
    waiting, history = WaitingTurns(), History(Orders())
    for number in range(1, 258):
        waiting.add(turn(number, str(number)))
        if number == 256:
            assert len(list(waiting.unanswered())) == 256
    assert waiting.next_to_answer(history).text == "2"
    assert said(history) == [(1, "1")]


def test_65536_characters_are_kept_of_turns_without_an_answer() -> None:
    """With one character more the oldest turn is dropped; a single long turn is kept whole."""
    for sizes, kept in (
        ((30_000, 35_536), ["a", "b"]),
        ((30_000, 35_537), ["b"]),
        ((30_000, 30_000, 35_536), ["b", "c"]),
        ((30_000, 30_000, 70_000), ["c"]),
        ((70_000,), ["a"]),
    ):
        waiting, history = WaitingTurns(), History(Orders())
        for number, size in enumerate(sizes):
            waiting.add(turn(number + 1, "abc"[number] * size))
        waiting.add(turn(9, "live", is_live=True))
        assert [text[0] for _, text in waiting.unanswered()] == [*kept, "l"]
        assert waiting.next_to_answer(history).text == "live"


def test_the_room_for_turns_without_an_answer_is_free_again_when_they_are_said() -> None:
    """What the history has needs no room here: as much may be superseded again, and none of it is lost."""
    waiting, history = WaitingTurns(), History(Orders())
    for number in (1, 3):
        waiting.add(turn(number, "a" * 30_000))
        waiting.add(turn(number + 1, "b" * 35_536))
        waiting.add(turn(9, "live", is_live=True))
        assert len(list(waiting.unanswered())) == 3
        waiting.next_to_answer(history)


def test_all_turns_may_be_said_without_an_answer() -> None:
    """Where the client asks for each reply, the turns are said in order, and the latest is the one to be answered."""
    waiting, history = WaitingTurns(), History(Orders())
    assert waiting.say_all(history) is None
    waiting.add(turn(1, "one"))
    waiting.add(turn(2, "two", is_live=True))
    waiting.add(turn(3, "three"))
    latest = waiting.say_all(history)
    assert (latest, said(history)) == (turn(3, "three"), [(1, "one"), (2, "two"), (3, "three")])
    assert (bool(waiting), list(waiting.unanswered())) == (False, [])
