"""What another process has used of the machine, as Linux tells in /proc."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields utime and stime of /proc/PID/stat, counted after the command's name: proc_pid_stat(5)."""


def cpu_s(pid: int) -> float:
    """Gives the CPU-seconds a process has used, all of its threads; the grain is 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Gives a process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has no memory: it has ended")
