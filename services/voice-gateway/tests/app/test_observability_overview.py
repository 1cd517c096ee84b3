"""What is collected for whoever watches the process."""

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from gateway_kit.backend_watch import FakeWatch
from gateway_kit.phone_call import AGREEMENT
from voice_gateway.domain import events
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import Backend, GatewayError, Limit, Reason, Refused, Unavailable
from voice_gateway.domain.events import InterruptCause, LatencySpan, ReplyKind, ReplyOutcome, TurnReport
from voice_gateway.domain.ids import ReplyId, SentenceId, SessionId, TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.overview.values import FloorSeen, LagSeen, RefusalsSeen, TurnSeen
from voice_gateway.observability.listeners import SharedWatch
from voice_gateway.observability.overview import addresses, calls
from voice_gateway.observability.overview.collector import MAX_LAGS, Collector
from voice_gateway.observability.overview.lookout import resident_bytes
from voice_gateway.session.ports import BackendWatch, Telemetry

ONE = ReplyId(1)
SPEAKS, SILENT = events.SpeechStarted(0), events.SpeechEnded(8_000)
SAYS = events.ReplyText(ONE, TurnId(1), ReplyKind.ANSWER, SentenceId(1), "The code is 4711.")
PAUSED, RESUMED = events.ReplyPaused(ONE), events.ReplyResumed(ONE, 100)
INTERRUPTED = events.ReplyInterrupted(ONE, InterruptCause.USER_SPEECH)
FINISHED = events.ReplyFinished(ONE, TurnId(1), ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 44_100)
WORDS = events.Transcript(TurnId(1), "what is my code", is_final=True)
SPANS = (LatencySpan("endpointing", 0, 480), LatencySpan("playout", 480, 20))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = Instant(7_000_000_000)

    def __call__(self) -> Instant:
        """This instant."""
        return self.now

    def passes(self, ms: int) -> None:
        """So much later."""
        self.now = after_ms(self.now, ms)


def collecting(*, has_text: bool = False) -> tuple[Collector, Clock]:
    """A collector of one call, that of AGREEMENT."""
    clock = Clock()
    collector = Collector(clock, has_text=has_text)
    collector.session_started(AGREEMENT)
    return collector, clock


def report(turn: int = 1) -> TurnReport:
    """A turn that took half a second."""
    return TurnReport(TurnId(turn), ReplyId(turn), 500, SPANS)


@pytest.mark.parametrize(
    ("told", "floor"),
    [
        ((), FloorSeen.NOBODY),
        ((SPEAKS,), FloorSeen.USER),
        ((SPEAKS, SILENT), FloorSeen.NOBODY),
        ((SPEAKS, SILENT, WORDS, SAYS), FloorSeen.AGENT),
        ((SAYS, SPEAKS), FloorSeen.CONTESTED),
        ((SAYS, PAUSED), FloorSeen.CONTESTED),
        ((SAYS, SPEAKS, PAUSED, SILENT), FloorSeen.CONTESTED),
        ((SAYS, SPEAKS, PAUSED, SILENT, RESUMED), FloorSeen.AGENT),
        ((SAYS, SPEAKS, PAUSED, INTERRUPTED), FloorSeen.USER),
        ((SAYS, FINISHED), FloorSeen.NOBODY),
        ((SAYS, replace(FINISHED, reply=ReplyId(9))), FloorSeen.AGENT),
        ((SAYS, PAUSED, INTERRUPTED, replace(SAYS, reply=ReplyId(2))), FloorSeen.AGENT),
    ],
)
def test_the_floor_is_read_from_what_the_client_is_told(told: Iterable[events.Event], floor: FloorSeen) -> None:
    """Who has the floor follows speech, replies and pauses, and a reply that is over counts no more."""
    collector, clock = collecting()
    for event in told:
        collector.told(AGREEMENT, event)
    (call,) = collector.calls.seen(clock())
    assert call.floor is floor


def test_a_call_is_shown_from_its_beginning_to_its_end() -> None:
    """Who calls, by which door, for how long and how many turns were answered; nothing after the end."""
    clock = Clock()
    collector = Collector(clock, has_text=False)
    caller = Caller("ada", Proof.JWT, "192.0.2.1")
    agreed = replace(AGREEMENT, caller=caller, client_label="line 4")
    telemetry: Telemetry = collector
    telemetry.session_started(agreed)
    clock.passes(1_000)
    telemetry.told(agreed, report(1))
    clock.passes(500)
    telemetry.told(agreed, report(2))
    clock.passes(250)
    (call,) = collector.calls.seen(clock())
    assert (call.session_id, call.transport, call.account, call.client_label) == ("s1", "grpc_v1", "jwt:ada", "line 4")
    assert (call.age_ms, call.turns) == (1_750, 2)
    assert call.last_turn == TurnSeen("s1", 2, 250, 500, SPANS)
    telemetry.session_ended(agreed, None, 1_750, 2)
    assert collector.calls.seen(clock()) == ()
    assert [(turn.turn, turn.ago_ms) for turn in collector.calls.turns_seen(clock())] == [(2, 250), (1, 750)]


def everything(*roots: object) -> str:
    """All that can be reached from these, written out."""
    found, waiting, seen = [""], list(roots), set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        found.append(repr(each))
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, deque | list | tuple) else ()
        waiting += vars(each).values() if hasattr(each, "__dict__") else ()
        waiting += (getattr(each, name, None) for name in getattr(type(each), "__slots__", ()))
    return "\n".join(found)


def test_no_word_is_kept_unless_it_may_be_told() -> None:
    """What was said is nowhere in the collector, the system prompt included."""
    silent, clock = collecting()
    talking, _ = collecting(has_text=True)
    for collector in (silent, talking):
        for event in (WORDS, SAYS):
            collector.told(AGREEMENT, event)
    (call,) = silent.calls.seen(clock())
    assert (call.user_text, call.agent_text) == ("", "")
    for words in ("what is my code", "4711", AGREEMENT.persona.system_prompt):
        assert words in everything(AGREEMENT, WORDS, SAYS)
        assert words not in everything(silent)
    (call,) = talking.calls.seen(clock())
    assert (call.user_text, call.agent_text) == ("what is my code", "The code is 4711.")


def test_what_is_kept_is_bounded() -> None:
    """Turns, texts, addresses and lags have a bound each, the oldest go first, and what nobody knows is left alone."""
    collector, clock = collecting(has_text=True)
    for turn in range(1, calls.MAX_TURNS + 3):
        collector.told(AGREEMENT, report(turn))
    collector.told(AGREEMENT, replace(WORDS, text="x" * (calls.MAX_TEXT_CHARS + 1)))
    collector.told(replace(AGREEMENT, session_id=SessionId("gone")), SPEAKS)
    turns = collector.calls.turns_seen(clock())
    assert (len(turns), turns[0].turn, turns[-1].turn) == (calls.MAX_TURNS, calls.MAX_TURNS + 2, 3)
    (call,) = collector.calls.seen(clock())
    assert len(call.user_text) == calls.MAX_TEXT_CHARS
    for host in range(addresses.MAX_ADDRESSES + 1):
        collector.backend_failed(Backend.LLM, f"10.0.0.{host}:80")
    assert collector.addresses.seen(Backend.LLM, status("10.0.0.0:80")).failures == 0
    assert collector.addresses.seen(Backend.LLM, status("10.0.0.1:80")).failures == 1
    for _ in range(MAX_LAGS + 1):
        collector.loop_lagged(0.001)
    assert len(collector._lags_ms) == MAX_LAGS


def status(address: str) -> AddressStatus:
    """A healthy address."""
    return AddressStatus(address, address, AddressState.HEALTHY, 1, False, 0, "", None)


def test_the_first_outputs_of_an_address_are_the_last_hundred() -> None:
    """Median and 95th percentile are those of the last 100 calls, by address, so that what is over is forgotten."""
    collector, _ = collecting()
    watch: BackendWatch = collector
    watch.backend_began(Backend.TTS, "10.0.0.3:1", 60.0)
    for after_ms_ in range(1, 101):
        watch.backend_began(Backend.TTS, "10.0.0.3:1", after_ms_ / 1_000)
    watch.backend_began(Backend.LLM, "10.0.0.3:1", 0.7)
    watch.backend_failed(Backend.TTS, "10.0.0.3:1")
    watch.backend_skipped(Backend.TTS, "oddity")
    watch.backend_seen(Backend.TTS, BackendStatus((), ()))
    seen = collector.addresses.seen(Backend.TTS, status("10.0.0.3:1"))
    assert (seen.first_outputs, seen.first_output_p50_ms, seen.first_output_p95_ms, seen.failures) == (100, 50, 95, 1)
    unknown = collector.addresses.seen(Backend.ASR, status("10.0.0.3:1"))
    assert (unknown.first_outputs, unknown.first_output_p50_ms, unknown.failures) == (0, 0, 0)


def test_the_first_outputs_of_an_address_are_those_of_five_minutes() -> None:
    """An address that was slow and is spared since is not called slow for ever."""
    collector, clock = collecting()
    collector.backend_began(Backend.TTS, "10.0.0.3:1", 2.0)
    clock.passes(200_000)
    collector.backend_began(Backend.TTS, "10.0.0.3:1", 0.1)
    clock.passes(100_001)
    seen = collector.addresses.seen(Backend.TTS, status("10.0.0.3:1"))
    assert (seen.first_outputs, seen.first_output_p50_ms) == (1, 100)
    clock.passes(200_000)
    assert collector.addresses.seen(Backend.TTS, status("10.0.0.3:1")).first_outputs == 0


def test_refusals_are_those_of_the_last_five_minutes() -> None:
    """Refusals are counted by reason and limit, the most frequent first, and forgotten after five minutes."""
    collector, clock = collecting()
    full = Refused(Reason.AT_CAPACITY, Limit.CPU, "full", 1_000)
    draining = Unavailable(Reason.DRAINING, "leaving")
    refused: tuple[GatewayError, ...] = (draining, full, full)
    for error in refused:
        collector.session_refused(error)
    clock.passes(60_000)
    collector.session_refused(draining)
    collector.session_refused(draining)
    both = (RefusalsSeen("DRAINING", "", 3), RefusalsSeen("AT_CAPACITY", "cpu", 2))
    assert collector.refusals.seen(clock()) == both
    clock.passes(3 * 60_000)
    assert collector.refusals.seen(clock()) == both
    clock.passes(60_000)
    assert collector.refusals.seen(clock()) == (RefusalsSeen("DRAINING", "", 2),)
    clock.passes(60_000)
    assert collector.refusals.seen(clock()) == ()


def test_loop_lag_is_told_in_microseconds() -> None:
    """Median and 99th percentile of the last minute; nothing before the first measurement."""
    collector, _ = collecting()
    assert collector.loop_lag() is None
    for lag_us in range(1, 101):
        collector.loop_lagged(lag_us / 1_000_000)
    assert collector.loop_lag() == LagSeen(p50_us=50, p99_us=99)


def test_resident_memory_is_read_from_the_kernel(tmp_path: Path) -> None:
    """The second number of statm in pages; 0 where there is no such file."""
    statm = tmp_path / "statm"
    assert resident_bytes(statm) == 0
    statm.write_text("9000 300 200 1 0 800 0\n", encoding="ascii")
    assert resident_bytes(statm) == 300 * os.sysconf("SC_PAGE_SIZE")


def test_every_watch_is_told_of_everything() -> None:
    """Metrics miss nothing because somebody else watches too."""

    class Watch(FakeWatch):
        """Keeps refusals too."""

        refused: tuple[GatewayError, ...] = ()

        def session_refused(self, error: GatewayError) -> None:
            """Keep."""
            self.refused = (*self.refused, error)

    both = Watch(), Watch()
    shared = SharedWatch(*both)
    error = Unavailable(Reason.DRAINING, "leaving")
    seen = BackendStatus((), ())
    shared.session_refused(error)
    shared.backend_failed(Backend.ASR, "10.0.0.1:1")
    shared.backend_began(Backend.ASR, "10.0.0.1:1", 0.1)
    shared.backend_skipped(Backend.ASR, "oddity")
    shared.backend_seen(Backend.ASR, seen)
    for watch in both:
        assert watch.refused == (error,)
        assert watch.failures == [(Backend.ASR, "10.0.0.1:1")]
        assert watch.began == [(Backend.ASR, "10.0.0.1:1", 0.1)]
        assert watch.skipped == [(Backend.ASR, "oddity")]
        assert watch.seen == [(Backend.ASR, seen)]
