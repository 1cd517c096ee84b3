"""Telephone keys that never pause."""

from gateway_kit.phone_call import at
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.turn.user.keypad import Keypad


def test_4000_keys_are_a_turn() -> None:
    """The key that fills the turn ends it at once, and nothing is waited for after it: there is no empty turn later."""
    keypad, now = Keypad(), Instant(0)
    assert keypad.pressed("1" * 3_999, now) == []
    assert keypad.deadline() == after_ms(now, 1_500)
    assert keypad.pressed("2", now) == ["1" * 3_999 + "2"]
    assert (keypad.digits, keypad.deadline()) == ("", None)


def test_the_end_key_leaves_nothing_to_wait_for() -> None:
    """A turn that a key has ended does not end once more when the gap is over."""
    keypad, now = Keypad(), Instant(0)
    assert keypad.pressed("12#", now) == ["12"]
    assert (keypad.deadline(), keypad.is_complete(after_ms(now, 60_000))) == (None, False)


def test_the_gap_counts_from_the_last_key() -> None:
    """Keys are one turn while each comes within 1500 ms of the one before; then the turn is complete, exactly then."""
    keypad = Keypad()
    assert (keypad.digits, keypad.deadline(), keypad.complete()) == ("", None, "")
    keypad.pressed("1", at(0))
    keypad.pressed("2", at(1_000))
    due = [keypad.is_complete(now) for now in (at(1_500), Instant(at(2_500) - 1), at(2_500))]
    assert (due, keypad.digits, keypad.deadline()) == ([False, False, True], "12", at(2_500))
    assert (keypad.complete(), keypad.digits, keypad.deadline()) == ("12", "", None)


def test_each_end_key_ends_a_turn() -> None:
    """An end key ends what was pressed before it, in earlier messages too; alone it is a turn of itself."""
    keypad = Keypad()
    assert keypad.pressed("1", at(0)) == []
    assert keypad.pressed("2#34##5", at(100)) == ["12", "34", "#"]
    assert (keypad.digits, keypad.deadline()) == ("5", at(1_600))


def test_keys_beyond_two_long_turns_are_kept() -> None:
    """Nothing of a very long row of keys is lost: full turns come first, and the rest waits for more."""
    keypad = Keypad()
    assert keypad.pressed("1" * 4_000 + "2" * 4_000 + "3", at(0)) == ["1" * 4_000, "2" * 4_000]
    assert (keypad.digits, keypad.deadline()) == ("3", at(1_500))
