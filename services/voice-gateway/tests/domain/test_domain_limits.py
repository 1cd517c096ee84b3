"""How many are held at the same time, and how often something may be done."""

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.instant import Instant, after_ms, ms_between
from voice_gateway.domain.limits import Tally, TokenBucket


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


def test_a_bucket_gives_what_it_has_and_what_flows_in() -> None:
    """All at once, then as much as flows in; who takes more is told how long it takes, and a rest fills it again."""
    bucket, start = TokenBucket(capacity=3, per_s=2), Instant(10**12)
    bucket = bucket.take(2, start).take(1, start)
    assert bucket.debt_ns(start) == 0
    bucket = bucket.take(1, start)
    assert bucket.debt_ns(start) == 500_000_000
    assert bucket.debt_ns(after_ms(start, 500)) == 0
    rested = bucket.take(3, after_ms(start, 60_000))
    assert rested.debt_ns(after_ms(start, 60_000)) == 0
    assert rested.take(1, after_ms(start, 60_000)).debt_ns(after_ms(start, 60_000)) == 500_000_000


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 5)), max_size=50))
def test_a_bucket_lets_no_more_pass_than_it_says(wishes: list[tuple[int, int]]) -> None:
    """Over any time that begins with a full bucket, no more is taken without a debt than was in it and flowed in."""
    bucket, now, taken = TokenBucket(capacity=10, per_s=4), Instant(0), 0
    for pause_ms, tokens in wishes:
        now = after_ms(now, pause_ms)
        after = bucket.take(tokens, now)
        if after.debt_ns(now) == 0:
            bucket, taken = after, taken + tokens
        assert taken <= 10 + 4 * ms_between(Instant(0), now) / 1_000


def test_a_bucket_tells_its_debt_in_its_own_measure() -> None:
    """However many tokens flow in each second, one too many is a debt of exactly its own time."""
    bucket = TokenBucket(capacity=16_000, per_s=8_000).take(16_001, Instant(10**12))
    assert bucket == TokenBucket(16_000, 8_000, Instant(10**12 + 2_000_125_000))
    assert bucket.debt_ns(Instant(10**12)) == 125_000
    assert bucket.debt_ns(Instant(10**12 + 125_000)) == 0
    assert TokenBucket(capacity=1, per_s=1).full_at == 0


def test_a_bucket_counts_whole_nanoseconds() -> None:
    """On a machine that has run for years, too, a third of a second is told to the nanosecond."""
    now = Instant(10**18 + 1)
    bucket = TokenBucket(capacity=1, per_s=3).take(2, now)
    assert bucket.full_at == 10**18 + 666_666_667
    assert repr(bucket.debt_ns(now)) == "333333333"
