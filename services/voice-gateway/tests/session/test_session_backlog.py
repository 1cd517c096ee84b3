"""Whether input comes faster than real time: measured by itself, and what follows from it in a session."""

from dataclasses import dataclass, field

import pytest
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.session.backlog import Backlog
from voice_gateway.turn.inputs import BacklogBegan, CaughtUp

BEGAN = "began"


@dataclass
class Line:
    """A client's audio at 1 sample per ms, so that positions are ms; `told` are the edges, with when they came."""

    backlog: Backlog = field(default_factory=Backlog)
    now_ns: int = 7_000_000_000_000
    received_ms: int = 0
    unread_ms: int = 0
    told: list[tuple[int, str | int]] = field(default_factory=list)
    """(ms since the beginning, BEGAN or the position that was caught up with)."""

    def send(self, audio_ms: int, *, gap_ms: int = 0) -> None:
        """A message that comes now; it is read at once, but for `unread_ms`."""
        edges = self.backlog.heard(
            audio_ns=audio_ms * NS_PER_MS,
            gap_ns=gap_ms * NS_PER_MS,
            unread_ns=self.unread_ms * NS_PER_MS,
            received_samples=self.received_ms,
            now=Instant(self.now_ns),
        )
        at_ms = (self.now_ns - 7_000_000_000_000) // NS_PER_MS
        for edge in edges:
            self.told.append((at_ms, BEGAN if isinstance(edge, BacklogBegan) else edge.at_samples))
        self.received_ms += gap_ms + audio_ms

    def wait(self, milliseconds: int) -> None:
        """Nothing comes."""
        self.now_ns += milliseconds * NS_PER_MS

    def stream(self, milliseconds: int, *, frame_ms: int = 20, frame_ns: int = 0) -> None:
        """Messages of `frame_ms`, one each `frame_ns`; without that in real time."""
        for _ in range(milliseconds // frame_ms):
            self.now_ns += frame_ns or frame_ms * NS_PER_MS
            self.send(frame_ms)


@pytest.mark.parametrize("pre_roll_ms", [500, 2_000, 10_000])
@pytest.mark.parametrize("frame_ms", [20, 100])
def test_pre_roll_is_a_backlog_until_half_a_second_after_it(pre_roll_ms: int, frame_ms: int) -> None:
    """What was recorded before the connection was pushed; from 500 ms later on all is live, whatever came first."""
    line = Line()
    line.send(pre_roll_ms)
    line.stream(3_600, frame_ms=frame_ms)
    # the message that comes at 500 ms tells that nothing was gained; before it 500 ms less one message had come
    assert line.told == [(0, BEGAN), (500, pre_roll_ms + 500 - frame_ms)]


@pytest.mark.parametrize("frame_ms", [10, 20, 100, 480])
def test_real_time_is_no_backlog(frame_ms: int) -> None:
    """A client that sends what it records has none, also in long messages."""
    line = Line()
    line.stream(60_000, frame_ms=frame_ms)
    assert line.told == []


@pytest.mark.parametrize("jump_ms", [1_000, 3_600_000])
def test_a_jump_of_the_clock_is_no_audio(jump_ms: int) -> None:
    """The client's clock goes on with a gap and nobody waited for it: nothing was pushed."""
    line = Line()
    line.stream(5_000)
    line.send(20, gap_ms=jump_ms)
    line.stream(5_000)
    assert line.told == []


def test_a_jump_makes_room_for_no_push() -> None:
    """A gap counts as little as it lasted: audio that is pushed after it is a backlog as before it."""
    line = Line()
    line.stream(5_000)
    line.wait(20)
    line.send(20, gap_ms=3_600_000)
    line.stream(1_000, frame_ns=1)
    # the lead is where it was; each message of 20 ms gains 20 ms, and the 25th is the one with which it is 500 ms
    assert line.told == [(5_020, BEGAN)]


@pytest.mark.parametrize("ppm", [200, -200, 10_000])
def test_an_hour_of_drift_is_no_backlog(ppm: int) -> None:
    """A sound card that runs 200 ppm fast gains 720 ms in an hour, which is followed; so is one at 1 %."""
    line = Line()
    line.stream(3_600_000, frame_ns=20_000_000 * 1_000_000 // (1_000_000 + ppm))
    assert line.told == []


@pytest.mark.parametrize("stall_ms", [200, 2_000, 30_000])
def test_what_a_network_held_back_is_live(stall_ms: int) -> None:
    """A burst that only fills what is owed gains nothing, however long it was owed."""
    line = Line()
    line.stream(10_000)
    line.wait(stall_ms)
    line.stream(stall_ms, frame_ns=1)
    line.stream(10_000)
    assert line.told == []


def test_jitter_of_each_message_is_no_backlog() -> None:
    """Messages that come up to 450 ms late, several at once, only come to where input would be without that."""
    line = Line()
    for late_ms in (0, 400, 40, 120, 450, 0, 0, 280, 0, 30) * 1_000:
        recorded_ns = 7_000_000_000_000 + (line.received_ms + 20) * NS_PER_MS
        line.now_ns = max(line.now_ns, recorded_ns + late_ms * NS_PER_MS)
        line.send(20)
    assert line.told == []


def test_silence_that_is_not_sent_is_no_backlog() -> None:
    """A client that sends nothing in silence, and a frame of comfort noise now and then, fills time that has passed."""
    line = Line()
    for pause_ms in (3_000, 200, 60_000, 400):
        line.stream(1_000)
        line.wait(pause_ms)
        line.send(20, gap_ms=pause_ms - 20)
    assert line.told == []


def test_a_recording_is_a_backlog_while_it_is_pushed() -> None:
    """12.8 times real time in messages of 64 ms, the older contract's load client: from its ninth message on."""
    line = Line()
    line.stream(12_800, frame_ms=64, frame_ns=5_000_000)
    # each message gains 64 - 5 - 0.25 ms = 58.75 ms, the first 63.75: the ninth makes it 533.75 ms, after 45 ms
    assert line.told == [(45, BEGAN)]


def test_a_pushed_recording_is_over_when_more_comes_later() -> None:
    """Nobody can tell before that it was all; then what was pushed is told by its end, also if that was long ago, and
    the next recording is one too: from its tenth message on, since its first is what the pause has room for.
    """
    line = Line()
    line.stream(6_400, frame_ms=64, frame_ns=5_000_000)
    line.wait(9_000)
    line.stream(6_400, frame_ms=64, frame_ns=5_000_000)
    assert line.told == [(45, BEGAN), (9_505, 6_400), (9_550, BEGAN)]


@pytest.mark.parametrize("message_ms", [600, 1_000, 2_000])
def test_long_messages_in_real_time_are_live_behind_the_first(message_ms: int) -> None:
    """A client that sends a second at a time gains nothing, though each message comes whole."""
    line = Line()
    line.stream(20_000, frame_ms=message_ms)
    assert line.told == [(message_ms, BEGAN), (2 * message_ms, message_ms)]


def test_live_speech_after_a_pushed_recording_is_live() -> None:
    """The first frame after a pause is: the backlog ended with what had been pushed."""
    line = Line()
    line.stream(6_400, frame_ms=64, frame_ns=5_000_000)
    line.wait(4_000)
    line.stream(10_000)
    assert line.told == [(45, BEGAN), (4_520, 6_400)]


def test_a_backlog_lasts_until_it_was_read() -> None:
    """While the reader holds up what is pushed it comes in real time, and is no less a recording."""
    line = Line()
    line.send(5_000)
    line.unread_ms = 500
    line.stream(20_000)
    assert line.told == [(0, BEGAN)]
    line.unread_ms = 480
    line.stream(1_000)
    assert line.told[1:] == [(20_500, 25_480)]


def test_an_outage_of_recognition_is_no_backlog() -> None:
    """Audio that nobody reads, but that came in real time, is live."""
    line = Line(unread_ms=20_000)
    line.stream(20_000)
    assert line.told == []


def test_a_slow_push_is_one() -> None:
    """Half as fast again as real time is too fast, and does not come to an end by being steady."""
    line = Line()
    line.stream(12_000, frame_ms=20, frame_ns=13_333_333)
    ((_, began),) = line.told
    assert began == BEGAN


def test_the_edges_alternate() -> None:
    """A backlog that goes on is told once."""
    line = Line()
    for _ in range(3):
        line.send(2_000)
        line.stream(1_000)
    assert [what == BEGAN for _, what in line.told] == [True, False] * 3


def test_facts_are_what_the_core_takes() -> None:
    """The edges are facts of the core, the second with a position of the input clock."""
    backlog = Backlog()
    quiet = {"gap_ns": 0, "unread_ns": 0}
    assert backlog.heard(audio_ns=10**9, received_samples=0, now=Instant(0), **quiet) == [BacklogBegan()]
    assert backlog.heard(audio_ns=10**7, received_samples=16_000, now=Instant(10**9), **quiet) == [CaughtUp(16_000)]
