"""When input was spoken by our clock, whatever the client's shows. A sample is a millisecond here."""

import pytest
from gateway_kit.phone_call import at
from voice_gateway.turn.user.input_clock import InputClock

HOUR_MS = 3_600_000


def told(*pairs: tuple[int, int]) -> InputClock:
    """A clock that was told how much input had been received, and when: (received ms, instant ms)."""
    clock = InputClock(1_000)
    for received_ms, now_ms in pairs:
        clock.told(received_ms, at(now_ms))
    return clock


def test_positions_are_reckoned_from_the_newest_fact() -> None:
    """What was received 400 ms before the end of the input was spoken 400 ms ago, wherever the clock stands."""
    assert told((HOUR_MS, 5_000)).instant_of(HOUR_MS - 400) == at(4_600)
    assert told((1_000, 900_000), (2_000, 901_000)).instant_of(1_700) == at(900_700)


def test_drift_does_not_add_up() -> None:
    """After ten hours at 200 ppm the client's clock is 7.2 s fast, and what was just said is of just now."""
    pairs = [(each * 60_012, 50_000 + each * 60_000) for each in range(601)]
    assert told(*pairs).instant_of(600 * 60_012 - 300) == at(50_000 + 600 * 60_000 - 300)


def test_a_jump_does_not_move_what_was_said_before_it() -> None:
    """Words of before the jump were spoken before it: 100 ms before the last fact of then, not an hour ago."""
    clock = told((2_000, 12_000), (2_500 + HOUR_MS, 12_500))
    assert clock.instant_of(1_900) == at(11_900)
    assert clock.instant_of(2_400 + HOUR_MS) == at(12_400)


def test_what_lies_just_before_a_jump_is_not_an_hour_old() -> None:
    """Of input between the last fact before a jump and the jump nobody knows more than that it came after that fact."""
    assert told((2_000, 12_000), (2_500 + HOUR_MS, 12_500)).instant_of(2_200) == at(12_000)


def test_silence_that_was_not_sent_has_passed() -> None:
    """A gap of as much time as went by is no jump: what was said before it was said before that time."""
    clock = told((2_000, 12_000), (62_000, 72_000))
    assert clock.instant_of(1_500) == at(11_500)
    assert clock.instant_of(61_800) == at(71_800)


def test_a_backlog_is_not_live_whenever_it_is_told_of() -> None:
    """While it lasts nothing is; afterwards what lies behind its end is, and what lies before it never."""
    clock = told()
    assert clock.is_live(0)
    clock.backlog_began()
    assert not clock.is_live(5_000)
    clock.caught_up(8_000)
    assert [clock.is_live(position) for position in (0, 8_000, 8_001)] == [False, False, True]


def test_a_clock_that_was_told_nothing_stands_at_the_beginning() -> None:
    """Before any fact has come, positions are reckoned from the clock's own zero."""
    assert told().instant_of(0) == at(0)
    assert told().instant_of(700) == at(700)


@pytest.mark.parametrize(("gained_ms", "spoken_ms"), [(999, 10_901), (1_000, 11_900)])
def test_a_gain_of_a_second_is_a_jump(gained_ms: int, spoken_ms: int) -> None:
    """Less is jitter of the network: then all positions are reckoned from the newest fact."""
    clock = told((2_000, 12_000), (2_500 + gained_ms, 12_500))
    assert clock.instant_of(1_900) == at(spoken_ms)


def test_the_last_position_before_a_jump_was_spoken_before_it() -> None:
    """The input that had been received by the last fact before the jump was spoken by that fact."""
    clock = told((2_000, 12_000), (2_500 + HOUR_MS, 12_600))
    assert [clock.instant_of(position) for position in (2_000, 2_001)] == [at(12_000), at(12_000)]


def test_the_latest_jump_counts() -> None:
    """After two jumps what lies between them is reckoned by the fact before the second."""
    clock = told((2_000, 12_000), (2_000 + HOUR_MS, 12_500), (2_000 + 2 * HOUR_MS, 13_000))
    assert clock.instant_of(1_800 + HOUR_MS) == at(12_300)


def test_a_stall_behind_a_jump_does_not_move_what_was_said_before_it() -> None:
    """Input that had come by 12 s was not spoken later, though the newest fact alone would say so."""
    clock = told((2_000, 12_000), (3_500, 12_500), (3_500, 15_000))
    assert [clock.instant_of(position) for position in (2_000, 2_001)] == [at(12_000), at(13_501)]
