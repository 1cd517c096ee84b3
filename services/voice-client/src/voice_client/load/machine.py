"""How fast this machine is today, and what a process of it has used, as Linux tells in /proc."""

import os
import statistics
import time
from pathlib import Path
from typing import Final

ROUNDS: Final = 3_300
KEYS: Final = 97
REPEATS: Final = 21
"""The loop of docs/how-to/measure-the-gateway.md: about 1 ms on the machine by which that page's limits were set."""
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""utime and stime of /proc/PID/stat, counted after the command's name: proc_pid_stat(5)."""


def loop_ms() -> float:
    """Processor time of a fixed piece of pure Python: the median of some."""
    return statistics.median(_time_ms() for _ in range(REPEATS))


def cpu_s(pid: int) -> float:
    """CPU-seconds that a process has used, with all its threads; the grain is 10 ms.

    Raises:
        OSError: there is no such process.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Resident memory of a process.

    Raises:
        OSError: there is no such process, or it has ended.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise ProcessLookupError(f"process {pid} has ended")


def _time_ms() -> float:
    began_s = time.thread_time()
    counts: dict[str, int] = {}
    for number in range(ROUNDS):
        key = f"{number % KEYS}:{number}"
        counts[key] = counts.get(key, 0) + number * number % 7
    return (time.thread_time() - began_s) * 1_000
