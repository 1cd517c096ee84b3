"""The player model: what was played is what is told."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_client.player import PlaybackReport, Played, Player, ReplyAudioError

RATE_HZ = 1000  # a sample is a millisecond
BLOCK = 20


def pcm(start: int, count: int) -> bytes:
    """Samples that tell their own position."""
    return b"".join((position % 30_000 + 1).to_bytes(2, "little") for position in range(start, start + count))


def played_pcm(played: list[Played], reply_id: str) -> bytes:
    return b"".join(one.pcm for one in played if one.reply_id == reply_id)


def run(player: Player, blocks: int) -> tuple[list[Played], list[PlaybackReport]]:
    played: list[Played] = []
    reports: list[PlaybackReport] = []
    for _ in range(blocks):
        played += player.pull(BLOCK)
        reports += player.reports(player.clock_samples)
    return played, reports


@given(
    chunks=st.lists(st.integers(1, 70), min_size=1, max_size=20),
    pulls=st.lists(st.integers(0, 90), max_size=30),
    seed=st.randoms(use_true_random=False),
)
def test_client_player_plays_every_sample_once_in_order(chunks: list[int], pulls: list[int], seed: Random) -> None:
    """However audio arrives and is pulled, it is played whole, in order, on a clock that counts every sample."""
    player = Player(RATE_HZ)
    actions = [("push", size) for size in chunks] + [("pull", size) for size in pulls]
    order = sorted(range(len(actions)), key=lambda _: seed.random())
    played: list[Played] = []
    pushed = clock = 0
    for action, size in [actions[index] for index in order] + [("pull", sum(chunks))]:
        if action == "push":
            player.push("r", pushed, pcm(pushed, size))
            pushed += size
        else:
            played += player.pull(size)
            clock += size
        assert player.clock_samples == clock
    player.complete("r")
    assert played_pcm(played, "r") == pcm(0, sum(chunks))
    assert [one.offset_samples for one in played] == [
        sum(len(earlier.pcm) // 2 for earlier in played[:index]) for index in range(len(played))
    ]
    assert all(one.end_clock_samples <= next_.clock_samples for one, next_ in itertools.pairwise(played))
    assert player.reports(clock)[-1] == PlaybackReport("r", sum(chunks), is_final=True)
    assert player.is_idle


@given(lengths=st.lists(st.integers(1, 900), min_size=1, max_size=4), lag=st.integers(0, 150))
def test_client_player_reports_often_truthfully_and_finally_once(lengths: list[int], lag: int) -> None:
    """While a reply plays it is reported at least every 200 ms, never beyond what was audible, and finally once."""
    player = Player(RATE_HZ)
    for number, length in enumerate(lengths):
        player.push(str(number), 0, pcm(0, length), is_last=True)
    reports: list[tuple[int, PlaybackReport]] = []
    for _ in range((sum(lengths) + lag) // BLOCK + 2):
        player.pull(BLOCK)
        audible = max(0, player.clock_samples - lag)
        reports += [(audible, report) for report in player.reports(audible)]
        for _, report in reports:
            assert report.played_samples <= max(0, audible - sum(lengths[: int(report.reply_id)]))
    finals = [report for _, report in reports if report.is_final]
    assert finals == [PlaybackReport(str(number), length, is_final=True) for number, length in enumerate(lengths)]
    times = [0, *(audible for audible, _ in reports)]
    assert all(later - earlier <= 200 for earlier, later in itertools.pairwise(times))


@given(length=st.integers(1, 400), blocks=st.integers(0, 25), late=st.integers(1, 50))
def test_client_player_flush_is_silence_at_once_and_for_good(length: int, blocks: int, late: int) -> None:
    """After a flush nothing of the reply is played, not even what arrives late, and the position is told once."""
    player = Player(RATE_HZ)
    player.push("r", 0, pcm(0, length))
    played, _ = run(player, blocks)
    player.flush("r")
    player.push("r", length, pcm(length, late), is_last=True)
    after, reports = run(player, 30)
    assert not after
    assert reports == [PlaybackReport("r", len(played_pcm(played, "r")) // 2, is_final=True)]
    assert player.is_idle


@given(before=st.integers(0, 10), held=st.integers(0, 10), resume_at=st.integers(0, 400))
def test_client_player_pause_holds_and_resume_goes_on_where_told(before: int, held: int, resume_at: int) -> None:
    """A held reply is silent and told once; it goes on at the server's position, forwards or backwards."""
    player = Player(RATE_HZ)
    player.push("r", 0, pcm(0, 400), is_last=True)
    run(player, before)
    player.pause("r")
    player.pause("r")
    silent, reports = run(player, held)
    reports += player.reports(player.clock_samples)
    assert not silent
    assert reports == [PlaybackReport("r", before * BLOCK, is_final=True)]
    player.resume("r", resume_at)
    played, _ = run(player, 21)
    assert played_pcm(played, "r") == pcm(resume_at, 400 - resume_at)


def test_client_player_takes_resent_audio_in_place() -> None:
    """Audio that the server sends again after a resume replaces what was buffered and is not played twice."""
    player = Player(RATE_HZ)
    player.push("r", 0, pcm(0, 100))
    run(player, 3)
    player.pause("r")
    player.resume("r", 50)
    player.push("r", 50, pcm(50, 150), is_last=True)
    played, _ = run(player, 10)
    assert played_pcm(played, "r") == pcm(50, 150)


def test_client_player_counts_an_underrun_once_per_gap() -> None:
    """A late reply is silence, counted as one underrun for each gap with its length."""
    player = Player(RATE_HZ)
    player.push("r", 0, pcm(0, 30))
    run(player, 4)
    player.push("r", 30, pcm(30, 20), is_last=True)
    run(player, 2)
    assert (player.underruns, player.underrun_samples) == (1, 50)


def test_client_player_leaves_a_dry_reply_for_the_next() -> None:
    """Replies do not overlap: when the next one has begun, a dry one is over and reported as final."""
    player = Player(RATE_HZ)
    player.push("a", 0, pcm(0, 30))
    run(player, 2)
    player.push("b", 0, pcm(0, 40), is_last=True)
    played, reports = run(player, 3)
    assert played_pcm(played, "b") == pcm(0, 40)
    assert [report for report in reports if report.is_final] == [
        PlaybackReport("a", 30, is_final=True),
        PlaybackReport("b", 40, is_final=True),
    ]


def test_client_player_fills_a_gap_with_silence() -> None:
    """A hole in the reply's timeline is played as silence, so that positions stay true."""
    player = Player(RATE_HZ)
    player.push("r", 0, pcm(0, 10))
    player.push("r", 15, pcm(15, 5), is_last=True)
    played, _ = run(player, 1)
    assert played_pcm(played, "r") == pcm(0, 10) + bytes(10) + pcm(15, 5)


@pytest.mark.parametrize(("offset", "data"), [(0, b"odd"), (-1, b"ab"), (10_001, b"ab")])
def test_client_player_refuses_audio_that_makes_no_sense(offset: int, data: bytes) -> None:
    """Half samples, negative positions and jumps that would eat the memory are typed errors."""
    with pytest.raises(ReplyAudioError):
        Player(RATE_HZ).push("r", offset, data)
