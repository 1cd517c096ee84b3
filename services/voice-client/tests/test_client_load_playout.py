"""The player that plays nothing: positions, gaps, lateness and reports. Times in ms, 16 samples each."""

from voice_client.load.playout import NEVER_NS, Playout
from voice_client.player import PlaybackReport

NS_PER_MS = 1_000_000
RATE_HZ = 16_000
MS = 16
"""Samples of a millisecond."""


def push(playout: Playout, offset_ms: int, at_ms: int, length_ms: int = 20, *, is_last: bool = False) -> None:
    playout.push("r", offset_ms * MS, length_ms * MS, at_ms * NS_PER_MS, is_last=is_last)


def test_client_load_playout_hides_what_the_jitter_buffer_covers() -> None:
    """Audio that comes 59 ms late is played in time: the player holds the first frame back for 60 ms."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000)
    push(playout, 20, 1_079)
    assert playout.gaps_ms == []


def test_client_load_playout_measures_a_gap_and_goes_on_after_it() -> None:
    """What came at 1000 plays from 1060 to 1080; the next comes at 1130: 50 ms are silent, and all ends at 1170."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000)
    push(playout, 20, 1_130)
    assert playout.gaps_ms == [50.0]
    push(playout, 40, 1_149, is_last=True)
    assert playout.gaps_ms == [50.0]
    assert playout.ends_ns() == 1_170 * NS_PER_MS


def test_client_load_playout_counts_audio_that_is_later_than_its_place() -> None:
    """The frame of place 20 ms may come until 60 ms after the first one: 60 is in time, 61 is late."""
    for arrival_ms, late in ((1_060, 0), (1_061, 1)):
        playout = Playout(RATE_HZ)
        push(playout, 0, 1_000)
        push(playout, 20, arrival_ms)
        assert playout.late_audio_frames == late


def test_client_load_playout_does_not_blame_the_server_for_a_pause() -> None:
    """What comes after a pause is neither late nor a gap: the place counts anew from what comes first."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000)
    assert playout.pause("r", 1_070 * NS_PER_MS) == PlaybackReport("r", 10 * MS, is_final=True)
    playout.resume("r", 10 * MS, 2_000 * NS_PER_MS)
    push(playout, 20, 2_005)
    push(playout, 40, 2_064)
    assert (playout.gaps_ms, playout.late_audio_frames) == ([34.0], 0)


def test_client_load_playout_waits_for_the_reply_before() -> None:
    """A reply that comes while another plays begins after it: 100 ms from 1060 on, then 20 ms."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000, 100, is_last=True)
    playout.push("s", 0, 20 * MS, 1_010 * NS_PER_MS, is_last=True)
    assert playout.ends_ns() == 1_180 * NS_PER_MS


def test_client_load_playout_reports_as_the_contract_asks() -> None:
    """A position 200 ms after the beginning and each 200 ms, and a final one at the moment of the end."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000, 300, is_last=True)
    assert playout.report_ns == 1_260 * NS_PER_MS
    assert playout.reports(playout.report_ns) == [PlaybackReport("r", 200 * MS, is_final=False)]
    assert playout.report_ns == 1_360 * NS_PER_MS
    assert playout.reports(playout.report_ns) == [PlaybackReport("r", 300 * MS, is_final=True)]
    assert playout.report_ns == NEVER_NS


def test_client_load_playout_reports_where_a_flush_met_it() -> None:
    """A flush is reported once, with the position at that moment, and never again."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000, 300)
    assert playout.flush("r", 1_100 * NS_PER_MS) == PlaybackReport("r", 40 * MS, is_final=True)
    assert playout.flush("r", 1_100 * NS_PER_MS) is None
    assert playout.reports(1_260 * NS_PER_MS) == []


def test_client_load_playout_counts_a_reply_that_never_comes_to_its_end() -> None:
    """A reply that stopped in the middle has left the caller in silence until the call was over."""
    playout = Playout(RATE_HZ)
    push(playout, 0, 1_000)
    playout.close(1_500 * NS_PER_MS)
    assert playout.gaps_ms == [420.0]
