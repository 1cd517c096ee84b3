"""Two records of `--json` side by side."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from voice_client.load.report.tables import NEVER, Table

NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    path: tuple[str, ...]
    """From the record, or, where it begins with `main`, from its main run."""
    spec: str = ".1f"


_LINES: Final = (
    _Line("calls", ("main", "calls"), "d"),
    _Line("turns", ("main", "turns"), "d"),
    _Line("turns unanswered", ("main", "unanswered"), "d"),
    _Line("voice to voice p50, ms", ("main", "voice_to_voice", "p50_ms")),
    _Line("voice to voice p95, ms", ("main", "voice_to_voice", "p95_ms")),
    _Line("voice to voice p99, ms", ("main", "voice_to_voice", "p99_ms")),
    _Line("added p50, ms", ("main", "added", "p50_ms")),
    _Line("added p95, ms", ("main", "added", "p95_ms")),
    _Line("time to silence p50, ms", ("main", "silence", "p50_ms")),
    _Line("time to silence p95, ms", ("main", "silence", "p95_ms")),
    _Line("gaps heard", ("main", "gaps"), "d"),
    _Line("reply audio late, frames", ("main", "late_audio_frames"), "d"),
    _Line("words lost", ("main", "lost_words"), "d"),
    _Line("CPU per call, CPU-s a minute", ("main", "server", "cpu_s_per_call_minute"), ".3f"),
    _Line("memory, MiB", ("main", "server", "resident_mib")),
    _Line("event loop late p99, ms", ("main", "server", "loop_lag_p99_ms")),
    _Line("bare echo, CPU-s a minute", ("echo", "cpu_s_per_call_minute"), ".3f"),
    _Line("this machine, ms a loop", ("loop_ms",), ".2f"),
    _Line("knee, calls", ("knee", "calls"), "d"),
)


def compare(first: Mapping[str, Any], second: Mapping[str, Any], first_name: str, second_name: str) -> Table:
    """The numbers of both, and the second by the first; a line that neither has is left out."""
    rows = [_row(line, _find(first, line.path), _find(second, line.path)) for line in _LINES]
    kept = tuple(row for row in rows if row[1:3] != (NOTHING, NOTHING))
    cpu = ("CPU per call, in echoes", *(_echoes(record) for record in (first, second)))
    if None not in cpu:
        kept += (_row(_Line(str(cpu[0]), (), ".2f"), cpu[1], cpu[2]),)
    return Table(f"{first_name} and {second_name}", ("", first_name, second_name, "ratio"), kept)


def _row(line: _Line, first: Any, second: Any) -> tuple[str, str, str, str]:
    is_both = all(value is not None and math.isfinite(value) for value in (first, second))
    ratio = f"{second / first:.2f}" if is_both and first else ""
    return (line.name, _shown(first, line.spec), _shown(second, line.spec), ratio)


def _echoes(record: Mapping[str, Any]) -> float | None:
    """CPU by that of the echo of the same sitting: what compares figures of different machines."""
    cpu_s = _find(record, ("main", "server", "cpu_s_per_call_minute"))
    echo_cpu_s = _find(record, ("echo", "cpu_s_per_call_minute"))
    return cpu_s / echo_cpu_s if cpu_s is not None and echo_cpu_s else None


def _find(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """None: not known; infinite: a percentile of what came to an end too seldom."""
    found: Any = record
    for name in path:
        outer = found
        found = found["runs"][found["main"]] if found is record and name == "main" else found.get(name)
        if found is None:
            return math.inf if outer.get("count") else None
    return found


def _shown(value: Any, spec: str) -> str:
    if value is None:
        return NOTHING
    return f"{value:{spec}}" if math.isfinite(value) else NEVER
