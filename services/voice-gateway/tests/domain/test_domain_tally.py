"""How many are held at the same time."""

from voice_gateway.domain.tally import Tally


def test_what_is_held_is_counted_by_account_and_in_all() -> None:
    """Also of one that fails meanwhile; who holds nothing is forgotten."""
    tally = Tally()
    with tally.one_more("ada"), tally.one_more("bob"):
        with tally.one_more("ada"):
            assert (tally.of("ada"), tally.of("bob"), tally.total) == (2, 1, 3)
        failing = tally.one_more("bob")
        failing.__enter__()
        assert not failing.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        assert (tally.of("ada"), tally.of("eve"), tally.total) == (1, 0, 2)
    assert tally.total == 0
    assert not tally._held
