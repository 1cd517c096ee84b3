"""What `make bench` measured, against its targets. No clock, no process: values in, lines out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_LATE_SHARE = 0.005
"""A run is valid only if fewer client frames than this left over 10 ms late: the load itself would be what is slow."""
MIDDLE, TAIL = 50, 95
INTERRUPT_MS = 60
"""From an onset that is certain, as the client's own `interrupt` is, to the last frame."""
HEARD_ERROR_MS = 20
HEADINGS = (
    "sessions",
    "turns",
    "unanswered",
    "added p50",
    "p95",
    "first turns p50",
    "p95",
    "CPU-s per session-minute",
    "bare echo",
    "MiB per session",
    "audio frames late",
    "client frames late",
    "run",
)


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One number of sessions. A turn that was not answered took infinitely long."""

    sessions: int
    first_added_ms: tuple[float, ...]
    """Of each session's first turn, over the serial floor."""
    added_ms: tuple[float, ...]
    """Of all other turns."""
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


@dataclass(frozen=True, slots=True)
class Interruptions:
    """One value for each interruption."""

    last_frame_ms: tuple[float, ...]
    """From the client's `interrupt` to the last audio of the reply."""
    heard_error_ms: tuple[float, ...]
    """Between what the gateway says was heard and what the player played."""


@dataclass(frozen=True, slots=True)
class _Target:
    name: str
    measured: float
    limit: float
    unit: str


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def report(
    runs: Sequence[LoadRun], interruptions: Interruptions, floor_ms: int, window_ms: int
) -> tuple[list[str], bool]:
    """The tables, and whether every target was met by a valid run."""
    lines = [
        f"serial floor: {window_ms} ms window + {floor_ms} ms of the backends; added is what comes on top, in ms",
        "",
        " | ".join(HEADINGS),
    ]
    lines += [_line(run) for run in runs]
    lines += ["", "target | measured | limit | verdict"]
    is_good = True
    for target, is_valid in _judged(runs, interruptions):
        is_met = target.measured <= target.limit
        verdict = ("PASS" if is_met else "FAIL") if is_valid else "INVALID"
        is_good = is_good and verdict == "PASS"
        lines.append(
            f"{target.name} | {target.measured:.4g} {target.unit} | {target.limit:g} {target.unit} | {verdict}"
        )
    return lines, is_good and all(run.is_valid for run in runs)


def _line(run: LoadRun) -> str:
    later, first = run.added_ms, run.first_added_ms
    numbers = (percentile(values, percent) for values in (later, first) for percent in (MIDDLE, TAIL))
    cells = (
        f"{run.sessions}",
        f"{run.turns}",
        f"{run.unanswered}",
        *(f"{number:.1f}" for number in numbers),
        f"{run.cpu_s:.2f}",
        f"{run.echo_cpu_s:.2f}",
        f"{run.resident_mib:.2f}",
        f"{run.late_audio_frames} of {run.audio_frames}",
        f"{run.late_share:.2%}",
        "valid" if run.is_valid else "INVALID",
    )
    return " | ".join(cells)


def _judged(runs: Sequence[LoadRun], interruptions: Interruptions) -> Iterator[tuple[_Target, bool]]:
    for run in runs:
        for target in _targets(run):
            yield target, run.is_valid
    yield (
        _Target("interrupt to last frame, p95", percentile(interruptions.last_frame_ms, TAIL), INTERRUPT_MS, "ms"),
        True,
    )
    yield _Target("heard error, worst", max(interruptions.heard_error_ms), HEARD_ERROR_MS, "ms"), True


def _targets(run: LoadRun) -> list[_Target]:
    """Issue 4, acceptance 3; other numbers of sessions have none."""
    p50, p95 = percentile(run.added_ms, MIDDLE), percentile(run.added_ms, TAIL)
    unanswered = _Target(f"N = {run.sessions}: unanswered", run.unanswered, 0, "turns")

    def added(percent: int, measured: float, limit: float) -> _Target:
        return _Target(f"N = {run.sessions}: added p{percent}", measured, limit, "ms")

    def cpu(limit: float) -> _Target:
        return _Target(f"N = {run.sessions}: CPU per session-minute", run.cpu_s, limit, "s")

    match run.sessions:
        case 1 | 10:
            return [unanswered, added(MIDDLE, p50, 5), added(TAIL, p95, 15)]
        case 50:
            return [
                unanswered,
                added(TAIL, p95, 15),
                cpu(0.6),
                _Target("N = 50: memory per session", run.resident_mib, 1, "MiB"),
                _Target("N = 50: audio frames late", run.late_audio_frames, 0, "frames"),
            ]
        case 100:
            return [unanswered, added(TAIL, p95, 30), cpu(0.5)]
    return []
