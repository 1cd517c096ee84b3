"""A record as tables of text: the same in the terminal and in the HTML page."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from voice_client.load.gates import Gate
from voice_client.load.knee import Knee
from voice_client.load.report.record import Record
from voice_client.load.scores import ServerCost, Spread, Summary

UNKNOWN: Final = "not told"
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Table:
    """Headings, and rows of as many cells. `bad_rows` are those that somebody should look at."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bad_rows: frozenset[int] = frozenset()


def tables(record: Record) -> list[Table]:
    """All of it."""
    found = [times_table(record.main), counts_table(record.main)]
    if record.main.server != ServerCost():
        found.append(server_table(record))
    found.append(tool_table(record))
    if record.knee is not None:
        found.insert(0, knee_table(record, record.knee))
    if record.gates:
        found.append(gates_table(record.gates))
    return found


def times_table(run: Summary) -> Table:
    """How long callers waited."""
    obeyed = f"{run.silence.count} interruptions"
    if run.ignored_interruptions:
        obeyed += f", {run.ignored_interruptions} more ignored"
    rows = [_times("voice to voice", run.voice_to_voice, f"{run.turns} turns")]
    if run.added is not None:
        rows.append(_times("added to the floor", run.added, "from when the last frame left"))
    if run.silence.count or run.ignored_interruptions:
        rows.append(_times("time to silence", run.silence, obeyed))
    bad_rows = frozenset({len(rows) - 1} if run.ignored_interruptions else ())
    return Table(
        f"{_calls(run.calls)} for {run.seconds:.0f} s", ("ms", "p50", "p95", "p99", "of"), tuple(rows), bad_rows
    )


def counts_table(run: Summary) -> Table:
    """What went wrong for callers."""
    counted = [
        ("turns unanswered", run.unanswered, f"of {run.turns}", True),
        ("turns cut in on", run.cut_in_on, "by a reply that did not wait for the last word", False),
        ("gaps heard", run.gaps, f"{run.gap_ms:.0f} ms in all" if run.gaps else "", True),
        ("reply frames late", run.late_audio_frames, f"of {run.audio_frames}", True),
        ("calls failed", run.failed_calls, _reasons(run.failed), True),
    ]
    if run.notices:
        counted.append(("troubles told", sum(run.notices.values()), _reasons(run.notices), False))
    if run.said_words:
        share = run.lost_words / run.said_words
        counted.append(("words lost", run.lost_words, f"of {run.said_words} said ({share:.1%})", False))
    rows = tuple((name, str(count), note) for name, count, note, _ in counted)
    bad_rows = frozenset(at for at, (_, count, _, is_fault) in enumerate(counted) if count and is_fault)
    return Table("What callers noticed", ("", "", ""), rows, bad_rows)


def server_table(record: Record) -> Table:
    """What the run cost the server."""
    server = record.main.server
    if server.trouble:
        return Table("What it cost the server", ("", ""), (("not told", server.trouble),), frozenset({0}))
    echoes = ""
    if server.cpu_s_per_call_minute is not None and record.echo is not None and record.echo.cpu_s_per_call_minute:
        echoes = f"{server.cpu_s_per_call_minute / record.echo.cpu_s_per_call_minute:.2f} echoes"
    rows = (
        ("CPU per call", _told(server.cpu_s_per_call_minute, ".3f", "CPU-s a minute"), echoes),
        ("memory", _told(server.resident_mib, ".1f", "MiB"), ""),
        ("memory per call", _told(server.resident_mib_per_call, ".2f", "MiB"), "more than before the calls"),
        ("event loop late, p99", _told(server.loop_lag_p99_ms, ".1f", "ms"), ""),
        ("calls it admits", _told(server.capacity_sessions, ".0f", ""), ""),
        ("full", _told(server.fullness_ratio, ".0%", ""), "at the end of the run"),
        ("calls it refused", _told(server.refused_sessions, ".0f", ""), ""),
    )
    return Table("What it cost the server", ("", "", ""), rows)


def tool_table(record: Record) -> Table:
    """What the figures are to be read against."""
    run, echo = record.main, record.echo
    rows = []
    if echo is not None:
        trip = f"round trip p50 {_ms(echo.round_trip.p50_ms)}, p95 {_ms(echo.round_trip.p95_ms)} ms"
        rows.append((f"bare echo, {_calls(echo.calls)}", f"{echo.cpu_s_per_call_minute:.3f} CPU-s a minute", trip))
    rows += [
        ("this machine", f"{record.loop_ms:.2f} ms a loop", f"{record.cores} cores"),
        ("this tool", _told(run.tool_cpu_s_per_call_minute, ".3f", "CPU-s a minute"), "for each call"),
        ("own frames late", f"{run.late_share:.2%}", f"{run.late_frames} of {run.frames}"),
        ("own frames held up", f"{run.held_up_frames}", "not taken in time by the server"),
    ]
    bad = frozenset() if run.is_in_time else frozenset({len(rows) - 2})
    return Table("What to read it against", ("", "", ""), tuple(rows), bad)


def knee_table(record: Record, knee: Knee) -> Table:
    """All numbers of calls that were tried."""
    runs = sorted(record.runs, key=lambda run: run.calls)
    rows = tuple(
        (
            str(run.calls),
            _ms(run.voice_to_voice.p50_ms),
            _ms(run.voice_to_voice.p95_ms),
            _ms(run.after_frame.p95_ms - knee.floor_ms),
            f"{run.unanswered} of {run.turns}",
            str(run.gaps),
            _told(run.server.cpu_s_per_call_minute, ".3f", ""),
            "; ".join(knee.faults[run.calls]) or "good",
        )
        for run in runs
    )
    bad = frozenset(at for at, run in enumerate(runs) if knee.faults[run.calls])
    headings = ("calls", "p50", "p95", "p95 over floor", "unanswered", "gaps", "CPU-s a call-minute", "")
    return Table(knee_line(knee), headings, rows, bad)


def knee_line(knee: Knee) -> str:
    """What the search found, in a sentence."""
    more = "" if knee.is_certain else " or more (beyond that it could not be measured)"
    return f"Knee: {_calls(knee.calls)}{more}, within {knee.limit_ms:g} ms over a floor of {knee.floor_ms:.0f} ms"


def gates_table(gates: Iterable[Gate]) -> Table:
    """The limits of the command line."""
    judged = tuple(gates)
    rows = tuple(
        (
            gate.name,
            f"{gate.measured:g}" if math.isfinite(gate.measured) else _ms(gate.measured),
            f"at most {gate.limit:g}",
            "kept" if gate.is_kept else "FAILED",
        )
        for gate in judged
    )
    return Table("Gates", ("", "", "", ""), rows, frozenset(at for at, one in enumerate(judged) if not one.is_kept))


def _times(name: str, of: Spread, note: str) -> tuple[str, str, str, str, str]:
    return name, _ms(of.p50_ms), _ms(of.p95_ms), _ms(of.p99_ms), note


def _ms(value_ms: float) -> str:
    if math.isnan(value_ms):
        return "-"
    return NEVER if math.isinf(value_ms) else f"{value_ms:.1f}"


def _told(value: float | None, spec: str, unit: str) -> str:
    return UNKNOWN if value is None else f"{value:{spec}} {unit}".rstrip()


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
