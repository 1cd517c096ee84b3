"""The screen of `voice-gateway top`, as text of a fixed width."""

from dataclasses import replace
from io import StringIO

from gateway_kit.overviews import CALL, OVERVIEW, TURN, address, backend
from rich.console import Console
from voice_gateway.app.top.screen import screen
from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Backend, Limit, Reason
from voice_gateway.domain.overview.values import FloorSeen, Overview, RefusalsSeen, WorkerSeen

WIDTH, HEIGHT = 100, 40
LINES = """\
voice-gateway 1.2.3  ready  up 2 h 5 min  calls 1 of 100, 25 % full
CPU 34 %  memory 120 MiB  loop lag p50 0.1 ms, p99 2.3 ms
Backends, the slowest first
     backend address        state   calls p50 ms p95 ms of failures last failure
     tts     10.0.0.3:50051 healthy     2    100    130 10        0
     llm     10.0.0.2:8000  healthy     2     40     60 10        0
     asr     10.0.0.1:50051 healthy     2     20     20  1        0
Last turns: ms from the last word to the first sound
session          turn  ms where they went
mean of 1             600 |endpointing 480                                        |a|tts_first_a
79cdef0b1687d043    3 600 |endpointing 480                                        |a|tts_first_a
Refused in the last 5 min: 7 AT_CAPACITY cpu, 1 DRAINING
Floor: nobody 0, user 0, agent 1, contested 0
Calls, the oldest first
session          floor        age turns last ms door    account label
79cdef0b1687d043 agent 1 min 15 s     3     600 grpc_v1 jwt:ada line 4
""".splitlines()


def drawn(overview: Overview, height: int = HEIGHT, width: int = WIDTH, trouble: str = "") -> list[str]:
    """The lines of a screen."""
    console = Console(width=width, height=height, record=True, file=StringIO())
    console.print(screen(overview, width, height, trouble))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_one_screen_has_everything() -> None:
    """Process, backends, turns with their spans by name, refusals and calls, each with its unit, in this order."""
    assert drawn(OVERVIEW) == LINES


def test_each_worker_has_its_part_of_a_line() -> None:
    """Where several serve it is seen which one is busy, and that one says nothing; else there is no such line."""
    workers = (WorkerSeen(0, True, 3, 50, 0.06, 12.4), WorkerSeen(1, False))
    lines = drawn(replace(OVERVIEW, workers=workers))
    assert lines[2] == "workers  0: 3 of 50, CPU 12 %  1: silent"
    assert [*lines[:2], *lines[3:]] == LINES


def test_the_slow_address_is_named_on_the_first_lines() -> None:
    """With synthesis slowed by 500 ms, backend and address stand in the verdict and first in the table, marked."""
    slow = backend(Backend.TTS, address("10.0.0.3:50051", p50_ms=600, p95_ms=640))
    lines = drawn(replace(OVERVIEW, backends=(*OVERVIEW.backends[:2], slow)))
    assert lines[2] == "slow: tts 10.0.0.3:50051: first output p50 600 ms, p95 640 ms"
    assert lines[5].split()[:3] == ["SLOW", "tts", "10.0.0.3:50051"]
    assert sum("SLOW" in line for line in lines) == 1


def test_a_process_that_takes_no_calls_says_so() -> None:
    """Not ready and draining are told apart, and what was not measured is a dash."""
    unready = replace(OVERVIEW, is_ready=False, loop_lag=None, turns=(), refusals=(), calls=())
    assert "not ready" in drawn(unready)[0]
    assert "draining" in drawn(replace(unready, is_draining=True))[0]
    assert "loop lag -" in drawn(unready)[1]
    assert drawn(unready)[-4:] == [
        "Last turns: ms from the last word to the first sound: none",
        "Refused in the last 5 min: none",
        "Floor: nobody 0, user 0, agent 0, contested 0",
        "Calls, the oldest first: none",
    ]


def test_a_long_list_is_cut_and_counted() -> None:
    """Many addresses, turns, refusals and calls fit one screen, and it says how many more there are."""
    ejected = [address(f"10.0.0.{host}:80", state=AddressState.EJECTED) for host in range(10)]
    overview = replace(
        OVERVIEW,
        backends=(backend(Backend.LLM, *ejected),),
        turns=(TURN,) * 200,
        refusals=tuple(RefusalsSeen(Reason.AT_CAPACITY, limit, 1) for limit in Limit),
        calls=(CALL,) * 100,
    )
    lines = drawn(overview)
    assert len(lines) == HEIGHT
    assert "and 7 more addresses that are slow or ejected" in lines
    assert "and 2 more addresses" in lines
    assert "1 AT_CAPACITY added_latency, 4 others" in " ".join(lines)
    assert lines[-1] == "and 94 more calls"


def test_calls_that_were_not_told_are_counted_too() -> None:
    """The answer holds the oldest calls alone: the screen says so, and how many it leaves out of all."""
    lines = drawn(replace(OVERVIEW, sessions=250, calls=(CALL,) * 200))
    shown = sum(line.startswith(CALL.session_id) for line in lines[lines.index("Calls, the oldest first") :])
    assert lines[-1] == f"and {250 - shown} more calls"
    assert any(line.startswith("Floor of the 200 oldest calls: ") for line in lines)


def test_a_small_terminal_shows_every_part() -> None:
    """On 80x24, with the most of everything and no answer, nothing is scrolled away: floor and calls are seen."""
    ejected = [address(f"10.0.0.{host}:80", state=AddressState.EJECTED) for host in range(11)]
    overview = replace(
        OVERVIEW,
        backends=(backend(Backend.LLM, *ejected),),
        turns=(TURN,) * 20,
        refusals=tuple(RefusalsSeen(Reason.AT_CAPACITY, limit, 1) for limit in Limit),
        calls=(CALL,) * 5,
    )
    lines = drawn(overview, height=24, width=80, trouble="no answer for 3 s: " + "nobody " * 20)
    assert len(lines) <= 24
    assert lines[0].startswith("no answer for 3 s: nobody")
    assert "Floor: nobody 0, user 0, agent 5, contested 0" in lines
    assert "and 8 more addresses" in lines
    assert sum(line.startswith("79cdef0b1687d043    3 600") for line in lines) == 3
    assert sum("1 min 15 s" in line for line in lines) == 1
    assert lines[-1] == "and 4 more calls"


def test_a_screen_without_columns_is_no_crash() -> None:
    """A terminal that says it has no columns costs nobody the command."""
    screen(OVERVIEW, 0, 0)


def test_words_are_a_column_only_where_they_are_told() -> None:
    """Without ADMIN_TEXT there is no empty column; with it, what was said last stands beside the call, harmless."""
    assert not any("user said" in line for line in drawn(OVERVIEW))
    said = replace(CALL, floor=FloorSeen.CONTESTED, user_text="[bold]stop\x1b[2J", agent_text="Certainly.")
    lines = drawn(replace(OVERVIEW, calls=(said,)), width=140)
    assert lines[-2].endswith("user said      agent said")
    assert lines[-1].endswith("[bold]stop [2J Certainly.")


def test_long_texts_give_way_to_what_is_looked_for() -> None:
    """Who is called by a long name, says or fails for long, costs no line its session, floor, address or numbers."""
    wordy = replace(CALL, account="x" * 80, client_label="y" * 80, user_text="a b " * 50, agent_text="c d " * 50)
    cause = replace(address("10.0.0.9:80").status, cause="no reason at all " * 12)
    failing = replace(address("10.0.0.9:80"), status=cause)
    lines = drawn(replace(OVERVIEW, calls=(wordy,), backends=(backend(Backend.LLM, failing),)), width=80)
    assert lines[4].split()[:3] == ["llm", "10.0.0.9:80", "healthy"]
    assert lines[-1].startswith("79cdef0b1687d043 agent 1 min 15 s     3     600 grpc_v1 x")
    assert len(lines) == len(LINES) - 2
