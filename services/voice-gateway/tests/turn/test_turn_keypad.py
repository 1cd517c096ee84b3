"""Telephone keys that never pause."""

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
