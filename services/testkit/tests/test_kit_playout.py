"""The player's arithmetic, instant by instant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voicegateway_testkit.clients.playout import (
    AudioArrived,
    FinishArrived,
    InterruptArrived,
    PauseArrived,
    Phase,
    PlayedRun,
    PlayoutError,
    PlayoutModel,
    Report,
    ResumeArrived,
)

RATE = 16000
MS = 1_000_000


def ms(samples: int) -> int:
    """Samples of so many milliseconds."""
    return samples * RATE // 1000


def feed(model: PlayoutModel, at_ms: int, start_ms: int, length_ms: int, *, is_last: bool = False) -> list[Report]:
    """Audio of reply "a" arrives."""
    return model.receive(AudioArrived("a", ms(start_ms), ms(length_ms), is_last), at_ms * MS)


def test_it_begins_after_the_jitter_buffer_and_plays_in_real_time() -> None:
    """The first sample sounds jitter_ms after it arrived; then the position is the clock's."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 1000, 0, 200, is_last=True)
    model.advance(1059 * MS)
    assert model.played_samples("a") == 0
    model.advance(1160 * MS)
    assert model.played_samples("a") == ms(100)
    model.advance(1260 * MS)
    assert model.phase("a") is Phase.ENDED
    assert model.runs == [PlayedRun("a", 0, ms(200), 1060 * MS)]


def test_reports_keep_the_contract() -> None:
    """A report every report_every_ms while playing, and a final one at the end, at the right instants."""
    model = PlayoutModel(RATE, jitter_ms=60, report_every_ms=100)
    feed(model, 0, 0, 250, is_last=True)
    assert model.advance(1000 * MS) == [
        Report(160 * MS, "a", ms(100), is_final=False),
        Report(260 * MS, "a", ms(200), is_final=False),
        Report(310 * MS, "a", ms(250), is_final=True),
    ]


def test_running_dry_and_going_on() -> None:
    """Late audio makes a gap of its lateness plus the jitter buffer, counted once."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 100)
    feed(model, 200, 100, 100, is_last=True)
    model.advance(1000 * MS)
    assert model.underruns == 1
    assert model.runs == [PlayedRun("a", 0, ms(100), 60 * MS), PlayedRun("a", ms(100), ms(200), 260 * MS)]


def test_an_empty_last_message_is_no_underrun() -> None:
    """The end may be told after the last sample has sounded."""
    model = PlayoutModel(RATE, jitter_ms=0)
    feed(model, 0, 0, 100)
    reports = feed(model, 150, 100, 0, is_last=True)
    assert reports[-1] == Report(150 * MS, "a", ms(100), is_final=True)
    assert model.underruns == 0


def test_a_pause_holds_and_a_resumption_goes_on_from_its_offset() -> None:
    """Nothing sounds between; what is held is played again from where the order says, without a new jitter wait."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 500, is_last=True)
    paused = model.receive(PauseArrived("a"), 260 * MS)
    assert paused[-1] == Report(260 * MS, "a", ms(200), is_final=True)
    assert model.advance(900 * MS) == []
    model.receive(ResumeArrived("a", ms(150)), 1000 * MS)
    model.advance(2000 * MS)
    assert model.runs == [PlayedRun("a", 0, ms(200), 60 * MS), PlayedRun("a", ms(150), ms(500), 1000 * MS)]


def test_a_resumption_may_be_followed_by_the_same_audio_again() -> None:
    """A server that sends again from the offset is understood too."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 300)
    model.receive(PauseArrived("a"), 160 * MS)
    model.receive(ResumeArrived("a", ms(100)), 500 * MS)
    feed(model, 510, 100, 300, is_last=True)
    model.advance(2000 * MS)
    assert model.runs[-1] == PlayedRun("a", ms(100), ms(400), 500 * MS)


def test_an_interruption_flushes_at_once() -> None:
    """The position at the flush is the truth; nothing of the reply sounds after it."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 1000)
    reports = model.receive(InterruptArrived("a"), 310 * MS)
    assert reports[-1] == Report(310 * MS, "a", ms(250), is_final=True)
    model.advance(5000 * MS)
    assert model.played_samples("a") == ms(250)
    assert model.phase("a") is Phase.FLUSHED
    assert model.deadline() is None


def test_replies_follow_one_another() -> None:
    """A reply that arrives while another plays begins when that has ended."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 300, is_last=True)
    model.receive(AudioArrived("b", 0, ms(100), is_last=True), 100 * MS)
    model.advance(1000 * MS)
    assert model.runs == [PlayedRun("a", 0, ms(300), 60 * MS), PlayedRun("b", 0, ms(100), 360 * MS)]


def test_an_interrupted_reply_makes_way() -> None:
    """After a flush the next reply begins after its own jitter buffer."""
    model = PlayoutModel(RATE, jitter_ms=60)
    feed(model, 0, 0, 1000)
    model.receive(InterruptArrived("a"), 200 * MS)
    model.receive(AudioArrived("b", 0, ms(100), is_last=True), 210 * MS)
    model.advance(1000 * MS)
    assert model.runs[-1] == PlayedRun("b", 0, ms(100), 270 * MS)


def test_a_reply_cut_short_by_the_server_ends() -> None:
    """A reply that finishes without a last audio message does not hold up the next one."""
    model = PlayoutModel(RATE, jitter_ms=0)
    feed(model, 0, 0, 100)
    model.receive(FinishArrived("a"), 50 * MS)
    model.receive(AudioArrived("b", 0, ms(100), is_last=True), 60 * MS)
    model.advance(1000 * MS)
    assert model.phase("a") is Phase.ENDED
    assert model.runs[-1] == PlayedRun("b", 0, ms(100), 100 * MS)


def test_orders_for_a_reply_without_audio() -> None:
    """A reply that was text only can be interrupted: nothing of it was played, and the player says so."""
    model = PlayoutModel(RATE)
    assert model.receive(InterruptArrived("a"), 0) == [Report(0, "a", 0, is_final=True)]
    model.receive(AudioArrived("b", 0, ms(100), is_last=True), 0)
    model.advance(1000 * MS)
    assert model.phase("b") is Phase.ENDED


def test_orders_that_come_too_late_are_answered_with_the_end() -> None:
    """A pause or an interruption of a reply that was played to its end reports that end again."""
    model = PlayoutModel(RATE, jitter_ms=0)
    feed(model, 0, 0, 100, is_last=True)
    model.advance(500 * MS)
    assert model.receive(PauseArrived("a"), 600 * MS) == [Report(600 * MS, "a", ms(100), is_final=True)]
    assert model.receive(InterruptArrived("a"), 700 * MS) == [Report(700 * MS, "a", ms(100), is_final=True)]


def test_a_gap_in_the_audio_is_the_servers_mistake() -> None:
    """Audio offsets are contiguous, says the contract."""
    model = PlayoutModel(RATE)
    feed(model, 0, 0, 100)
    with pytest.raises(PlayoutError, match="goes from 1600 to 1920"):
        feed(model, 10, 120, 20)


def test_audio_after_the_interruption_is_the_servers_mistake() -> None:
    """Nothing more of an interrupted reply may come."""
    model = PlayoutModel(RATE)
    feed(model, 0, 0, 100)
    model.receive(InterruptArrived("a"), 10 * MS)
    with pytest.raises(PlayoutError, match="flushed"):
        feed(model, 20, 100, 20)


def test_the_clock_does_not_go_back() -> None:
    """An instant in the past is refused."""
    model = PlayoutModel(RATE)
    model.advance(10 * MS)
    with pytest.raises(ValueError, match="went back"):
        model.advance(9 * MS)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 80), st.sampled_from(["audio", "pause", "resume", "nothing"])), max_size=60
    ),
    looks=st.lists(st.integers(0, 90), max_size=20),
)
def test_looking_often_changes_nothing(steps: list[tuple[int, str]], looks: list[int]) -> None:
    """Runs and reports depend on the arrivals alone, and the position never passes what came."""

    def play(*, is_watched: bool) -> tuple[list[PlayedRun], list[Report], int]:
        model, now, sent, reports = PlayoutModel(RATE), 0, 0, list[Report]()
        for number, (wait_ms, what) in enumerate(steps):
            if is_watched and looks:
                reports += model.advance((now + min(wait_ms, looks[number % len(looks)])) * MS)
            now += wait_ms
            if what == "audio":
                reports += feed(model, now, sent, 20)
                sent += 20
            elif what == "pause":
                reports += model.receive(PauseArrived("a"), now * MS)
            elif what == "resume":
                reports += model.receive(ResumeArrived("a", model.played_samples("a")), now * MS)
            else:
                reports += model.advance(now * MS)
            assert model.played_samples("a") <= ms(sent)
        reports += model.receive(FinishArrived("a"), now * MS)
        reports += model.advance((now + 10_000) * MS)
        return model.runs, reports, model.underruns

    assert play(is_watched=True) == play(is_watched=False)
