"""The report of `make soak`: what counts as left, and what as growing."""

import pytest

from accept.soak import judged, least_of_parts, slope_a_minute

BEFORE = {"resident MiB": 100.0, "descriptors": 40.0, "threads": 11.0, "sessions": 0.0, "backend calls": 0.0}


def judge(after: dict[str, float], rise_mib_a_minute: float = 0.0) -> bool:
    """Whether nothing is left, of a gateway whose memory rises like this while calls are held."""
    samples = [(5.0 * number, BEFORE | {"resident MiB": 120 + rise_mib_a_minute * number / 12}) for number in range(60)]
    return judged(BEFORE, BEFORE | after, samples)[1]


def test_a_slope_is_that_of_the_line_through_all_samples() -> None:
    """Two MiB a minute, with a sample above and one below the line; one sample alone tells of no slope."""
    assert slope_a_minute([(0, 10), (30, 11), (60, 12), (120, 14)]) == pytest.approx(2)
    assert slope_a_minute([(0, 10), (30, 12), (60, 11), (90, 13)]) == pytest.approx(1.6)
    assert slope_a_minute([(7, 10)]) == 0


@pytest.mark.parametrize(
    ("after", "is_good"),
    [
        ({}, True),
        ({"resident MiB": 105.0, "descriptors": 42.0}, True),
        ({"resident MiB": 105.1}, False),
        ({"descriptors": 43.0}, False),
        ({"threads": 13.0}, True),
        ({"threads": 14.0}, False),
        ({"sessions": 1.0}, False),
        ({"backend calls": 1.0}, False),
    ],
)
def test_five_percent_may_be_left_and_of_calls_nothing(after: dict[str, float], *, is_good: bool) -> None:
    """At rest there is what there was before; a session that has not ended is a leak, however small."""
    assert judge(after) is is_good


def test_memory_may_not_rise_while_calls_are_held() -> None:
    """A MiB a minute is a GiB in a day."""
    assert judge({}, rise_mib_a_minute=0.9)
    assert not judge({}, rise_mib_a_minute=1.1)


def test_the_least_of_each_tenth_tells_a_leak_from_room_for_calls() -> None:
    """Calls come and go within each part; what stays is in every later one."""
    samples = [(5.0 * number, {"resident MiB": 100.0 + number // 4 + 50 * (number % 4)}) for number in range(40)]
    assert least_of_parts(samples) == [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]
    assert least_of_parts(samples[:3]) == [100, 150, 200]
