"""What `voice-gateway top` shows, in which order, and what stands out."""

from dataclasses import replace

import pytest
from gateway_kit.overviews import CALL, OVERVIEW, SPANS, TURN, address, backend
from voice_gateway.app.top.rows import SLOW_MS, Measured, address_rows, cells, duration, floors, plain, typical, verdict
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.events import LatencySpan
from voice_gateway.domain.overview.values import AddressSeen, BackendSeen, FloorSeen, TurnSeen


def marked(*backends: BackendSeen, turns: tuple[TurnSeen, ...] = ()) -> list[tuple[str, bool]]:
    """Each address in the order of the screen, and whether it is marked as slow."""
    rows = address_rows(replace(OVERVIEW, backends=backends, turns=turns))
    return [(row.seen.status.address, row.is_slow) for row in rows]


def test_a_backend_that_is_slow_by_half_a_second_stands_first() -> None:
    """The person on call reads backend and address of what is slow before anything else."""
    slow = backend(Backend.TTS, address("10.0.0.3:1", p50_ms=600, p95_ms=640))
    quick = backend(Backend.LLM, address("10.0.0.2:1", p50_ms=90, p95_ms=95))
    assert marked(quick, slow) == [("10.0.0.3:1", True), ("10.0.0.2:1", False)]
    rows = address_rows(replace(OVERVIEW, backends=(quick, slow)))
    assert verdict(rows, ()) == ("slow: tts 10.0.0.3:1: first output p50 600 ms, p95 640 ms",)


@pytest.mark.parametrize(
    ("other_ms", "is_slow"),
    [(SLOW_MS, True), (SLOW_MS - 1, True), (200, True), (199, False), (101, False)],
)
def test_an_address_is_slow_by_itself_or_beside_its_peers(other_ms: int, is_slow: bool) -> None:  # noqa: FBT001
    """Beside one that takes 100 ms, twice as long and 100 ms more is slow; 400 ms is slow beside anybody."""
    peers = backend(Backend.LLM, address("10.0.0.1:1", p50_ms=100), address("10.0.0.2:1", p50_ms=other_ms))
    assert dict(marked(peers)) == {"10.0.0.1:1": False, "10.0.0.2:1": is_slow}


def test_a_few_milliseconds_more_are_not_slow() -> None:
    """Beside one that takes 5 ms, one of 20 ms takes four times as long, and nobody loses anything by it."""
    peers = backend(Backend.TTS, address("10.0.0.1:1", p50_ms=5), address("10.0.0.2:1", p50_ms=20))
    assert marked(peers) == [("10.0.0.2:1", False), ("10.0.0.1:1", False)]


def test_one_without_a_peer_and_without_calls_is_not_slow() -> None:
    """An address that nobody has called yet says nothing, and comes last."""
    silent = backend(Backend.LLM, address("10.0.0.1:1"), address("10.0.0.2:1", p50_ms=399))
    assert marked(silent) == [("10.0.0.2:1", False), ("10.0.0.1:1", False)]


def test_recognition_is_judged_by_what_turns_wait_for_it() -> None:
    """Recognition has no first output: the median of `asr_final` stands for it, of the turns that had one."""
    asr = backend(Backend.ASR, address("10.0.0.1:1"))
    waits = tuple(replace(TURN, spans=(LatencySpan("asr_final", 480, ms),)) for ms in (510, 530, 520))
    none = replace(TURN, spans=(LatencySpan("endpointing", 0, 480),))
    overview = replace(OVERVIEW, backends=(asr,), turns=(*waits, none))
    (row,) = address_rows(overview)
    assert (row.measured, row.is_slow) == (Measured(520, 530, 3), True)
    told = ("slow: asr 10.0.0.1:1: asr_final of the last turns p50 520 ms, p95 530 ms",)
    assert verdict((row,), overview.turns) == told
    (unknown,) = address_rows(replace(overview, turns=(none,)))
    assert (unknown.measured, unknown.is_slow) == (None, False)


def test_recognition_of_many_addresses_is_judged_as_one() -> None:
    """Nobody knows which address a turn had: no row has a number or a mark, and one line names the backend."""
    asr = backend(Backend.ASR, address("10.0.0.1:1"), address("10.0.0.2:1"))
    llm = backend(Backend.LLM, address("10.0.0.3:1", p50_ms=450, p95_ms=470))
    waits = tuple(replace(TURN, spans=(LatencySpan("asr_final", 480, ms),)) for ms in (950, 900, 880))
    rows = address_rows(replace(OVERVIEW, backends=(asr, llm), turns=waits))
    assert [(row.backend, row.measured is None, row.is_slow) for row in rows] == [
        (Backend.LLM, False, True),
        (Backend.ASR, True, False),
        (Backend.ASR, True, False),
    ]
    assert verdict(rows, waits) == (
        "slow: asr: asr_final p50 900 ms, p95 950 ms",
        "slow: llm 10.0.0.3:1: first output p50 450 ms, p95 470 ms",
    )
    assert verdict(rows, waits[:2]) == ("slow: llm 10.0.0.3:1: first output p50 450 ms, p95 470 ms",)


def leaving(seen: AddressSeen) -> AddressSeen:
    """The same address after its name no longer resolves to it."""
    return replace(seen, status=replace(seen.status, is_leaving=True))


def test_who_leaves_is_neither_judged_nor_a_measure() -> None:
    """An address that gets no more calls makes no other one slow, and is no reason to wake anybody."""
    gone = leaving(address("10.0.0.1:1", p50_ms=50))
    lost = leaving(address("10.0.0.3:1", state=AddressState.EJECTED))
    late = leaving(address("10.0.0.4:1", p50_ms=900))
    peers = backend(Backend.LLM, gone, address("10.0.0.2:1", p50_ms=300), lost, late)
    rows = address_rows(replace(OVERVIEW, backends=(peers,)))
    assert not any(row.is_slow or row.is_ejected for row in rows)
    assert verdict(rows, ()) == ()


@pytest.mark.parametrize(("measured", "is_slow"), [(2, False), (3, True)])
def test_two_slow_calls_are_no_slow_address(measured: int, is_slow: bool) -> None:  # noqa: FBT001
    """The first calls after a start are slow for everybody: an address is marked from the third on."""
    assert marked(backend(Backend.TTS, address("10.0.0.1:1", p50_ms=900, measured=measured))) == [
        ("10.0.0.1:1", is_slow)
    ]


def test_an_ejected_address_comes_before_a_slow_one() -> None:
    """What gets no calls at all is more urgent than what is slow, and says why."""
    ejected = address("10.0.0.9:1", state=AddressState.EJECTED)
    both = (backend(Backend.LLM, address("10.0.0.2:1", p50_ms=900, p95_ms=950)), backend(Backend.TTS, ejected))
    rows = address_rows(replace(OVERVIEW, backends=both))
    assert verdict(rows, ()) == (
        "ejected: tts 10.0.0.9:1: UNAVAILABLE",
        "slow: llm 10.0.0.2:1: first output p50 900 ms, p95 950 ms",
    )


def test_a_typical_turn_has_the_mean_of_each_span() -> None:
    """Spans that ran beside others are left out; one that half of the turns have counts half."""
    longer = replace(TURN, spans=(LatencySpan("endpointing", 0, 500), LatencySpan("hold", 500, 100)))
    mean = typical((TURN, longer))
    assert mean is not None
    assert [(span.name, span.start_ms, span.duration_ms) for span in mean.spans] == [
        ("endpointing", 0, 490),
        ("asr_final", 490, 10),
        ("hold", 500, 50),
        ("tts_first_audio", 550, 50),
    ]
    assert mean.total_ms == 600
    assert typical(()) is None


def test_a_bar_is_as_long_as_its_turn() -> None:
    """Of 60 characters for 1200 ms, a turn of 600 ms has 30, without a gap, and what is shorter than one has none."""
    assert [(span.name, length) for span, length in cells(TURN, 1_200, 60)] == [
        ("endpointing", 24),
        ("asr_final", 1),
        ("tts_first_audio", 5),
    ]
    assert sum(length for _, length in cells(TURN, 600, 59)) == 59
    assert [span.name for span, _ in cells(TURN, 600, 12)] == ["endpointing", "asr_final", "tts_first_audio"]
    assert [span.name for span, _ in cells(TURN, 6_000, 10)] == ["tts_first_audio"]
    assert len(SPANS) == 4


def test_floors_are_counted() -> None:
    """How many calls are in each state, those that none has included."""
    calls = [replace(CALL, floor=floor) for floor in (FloorSeen.USER, FloorSeen.AGENT, FloorSeen.AGENT)]
    assert floors(calls) == "nobody 0, user 1, agent 2, contested 0"


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (999, "0 s"),
        (59_999, "59 s"),
        (300_000, "5 min"),
        (75_000, "1 min 15 s"),
        (7_500_000, "2 h 5 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_a_time_is_told_in_two_units(ms: int, told: str) -> None:
    """Nobody divides by 3600000 in the head."""
    assert duration(ms) == told


def test_a_label_cannot_command_the_terminal() -> None:
    """A client that calls itself by an escape sequence paints nothing on the screen of who watches."""
    assert plain("line\x1b[2J\n4\u202e") == "line [2J 4 "
