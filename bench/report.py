"""What `make bench` measured, against its targets. No clock, no process: values in, lines out."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_LATE_SHARE = 0.005
"""A run is valid only if fewer client frames than this left over 10 ms late: the load itself would be what is slow."""
MIDDLE, TAIL, FAR_TAIL = 50, 95, 99
HEADINGS = (
    "sessions",
    "turns",
    "unanswered",
    "added p50",
    "p95",
    "first turns p50",
    "p95",
    "loop lag p99",
    "CPU-s per session-minute",
    "bare echo",
    "MiB per session",
    "audio frames late",
    "client frames late",
    "run",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One measured value; one without a limit is told and not judged."""

    name: str
    measured: float
    unit: str
    limit: float | None = None
    is_valid: bool = True
    """Whether the run was what it claims to be."""

    @property
    def verdict(self) -> str:
        """PASS, FAIL or INVALID; empty for one that is not judged."""
        if self.limit is None:
            return "" if self.is_valid else "INVALID"
        if not self.is_valid:
            return "INVALID"
        return "PASS" if self.measured <= self.limit else "FAIL"


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One number of sessions. A turn that was not answered took infinitely long."""

    sessions: int
    first_added_ms: tuple[float, ...]
    """Of each session's first turn, over the serial floor."""
    added_ms: tuple[float, ...]
    """Of all other turns."""
    loop_lag_p99_ms: float
    cpu_s: float
    """CPU-seconds of the gateway for each session and minute."""
    echo_cpu_s: float
    """The same of the bare echo."""
    resident_mib: float
    """Resident memory above idle for each session."""
    audio_frames: int
    late_audio_frames: int
    late_share: float
    """Share of client frames that left late."""

    @property
    def is_valid(self) -> bool:
        """Whether the load was what it claims to be."""
        return self.late_share < MAX_LATE_SHARE

    @property
    def turns(self) -> int:
        """All turns, first ones too."""
        return len(self.first_added_ms) + len(self.added_ms)

    @property
    def unanswered(self) -> int:
        """Turns without a reply."""
        return sum(math.isinf(added_ms) for added_ms in self.first_added_ms + self.added_ms)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of the values do not exceed; of none, infinity."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)] if values else math.inf


def load_table(runs: Sequence[LoadRun], floor_ms: int, window_ms: int) -> list[str]:
    """Every number of sessions on a line."""
    return [
        f"serial floor: {window_ms} ms window + {floor_ms} ms of the backends; added is what comes on top, in ms",
        " | ".join(HEADINGS),
        *map(_row, runs),
    ]


def judged(lines: Iterable[Line]) -> tuple[list[str], bool]:
    """The lines with their verdicts, and whether there is nothing but PASS among them."""
    told, is_good = ["what | measured | limit | verdict"], True
    for line in lines:
        limit = "" if line.limit is None else f"{line.limit:g} {line.unit}"
        told.append(f"{line.name} | {line.measured:.4g} {line.unit} | {limit} | {line.verdict}")
        is_good = is_good and line.verdict in ("", "PASS")
    return told, is_good


def _row(run: LoadRun) -> str:
    later, first = run.added_ms, run.first_added_ms
    numbers = (percentile(values, percent) for values in (later, first) for percent in (MIDDLE, TAIL))
    cells = (
        f"{run.sessions}",
        f"{run.turns}",
        f"{run.unanswered}",
        *(f"{number:.1f}" for number in numbers),
        f"{run.loop_lag_p99_ms:.1f}",
        f"{run.cpu_s:.2f}",
        f"{run.echo_cpu_s:.2f}",
        f"{run.resident_mib:.2f}",
        f"{run.late_audio_frames} of {run.audio_frames}",
        f"{run.late_share:.2%}",
        "valid" if run.is_valid else "INVALID",
    )
    return " | ".join(cells)


def load_lines(run: LoadRun) -> list[Line]:
    """Issue 4, acceptance 3; other numbers of sessions have no targets."""
    p50, p95 = percentile(run.added_ms, MIDDLE), percentile(run.added_ms, TAIL)

    def line(name: str, measured: float, unit: str, limit: float) -> Line:
        return Line(f"N = {run.sessions}: {name}", measured, unit, limit, run.is_valid)

    unanswered = line("unanswered", run.unanswered, "turns", 0)
    match run.sessions:
        case 1 | 10:
            return [unanswered, line("added p50", p50, "ms", 5), line("added p95", p95, "ms", 15)]
        case 50:
            return [
                unanswered,
                line("added p95", p95, "ms", 15),
                line("CPU per session-minute", run.cpu_s, "s", 0.6),
                line("memory per session", run.resident_mib, "MiB", 1),
                line("audio frames late", run.late_audio_frames, "frames", 0),
            ]
        case 100:
            return [
                unanswered,
                line("added p95", p95, "ms", 30),
                line("CPU per session-minute", run.cpu_s, "s", 0.5),
            ]
    return []


def speculation_lines(trigger: str, latencies_ms: Sequence[float], window_ms: int, late_share: float) -> list[Line]:
    """Voice to voice on the waveform; design, section 8.

    Args:
        trigger: what raises suspicion in this run.
        latencies_ms: for each turn, from its last speech sample to the reply's first; infinite if not answered.
        window_ms: silence that ends a turn: who answers earlier has not waited for the end to be confirmed.
        late_share: share of client frames that left late.
    """
    is_valid = late_share < MAX_LATE_SHARE

    def line(name: str, measured: float, unit: str, limit: float) -> Line:
        return Line(f"speculation, {trigger}: {name}", measured, unit, limit, is_valid)

    return [
        line(f"unanswered of {len(latencies_ms)}", sum(map(math.isinf, latencies_ms)), "turns", 0),
        line("answered within the window", sum(latency < window_ms for latency in latencies_ms), "turns", 0),
        line("voice to voice p50", percentile(latencies_ms, MIDDLE), "ms", 450),
        line("voice to voice p95", percentile(latencies_ms, TAIL), "ms", 465),
    ]


def barge_in_lines(last_frame_ms: Sequence[float], onset_ms: int, late_share: float) -> list[Line]:
    """From the first speech sample of an interruption to the last reply frame."""
    is_valid = late_share < MAX_LATE_SHARE
    name = f"barge-in, first speech sample to last frame, {len(last_frame_ms)} times"
    return [
        Line(f"{name}: p50", percentile(last_frame_ms, MIDDLE), "ms", is_valid=is_valid),
        Line(f"{name}: p95", percentile(last_frame_ms, TAIL), "ms", onset_ms + 60, is_valid),
    ]


def interrupt_lines(last_frame_ms: Sequence[float], heard_error_ms: Sequence[float]) -> list[Line]:
    """The client's own `interrupt`, which is certain at once, and what counts as heard after it."""
    name = f"heard error, client reports, {len(heard_error_ms)} times"
    return [
        Line("interrupt to last frame: p95", percentile(last_frame_ms, TAIL), "ms", 60),
        Line(f"{name}: p50", percentile(heard_error_ms, MIDDLE), "ms"),
        Line(f"{name}: worst", max(heard_error_ms, default=math.inf), "ms", 20),
    ]


def estimate_lines(heard_error_ms: Sequence[float]) -> list[Line]:
    """The same of clients that never report: told and not judged."""
    name = f"heard error, estimated, {len(heard_error_ms)} times"
    return [
        Line(f"{name}: p50", percentile(heard_error_ms, MIDDLE), "ms"),
        Line(f"{name}: p95", percentile(heard_error_ms, TAIL), "ms"),
        Line(f"{name}: worst", max(heard_error_ms, default=math.inf), "ms"),
    ]
