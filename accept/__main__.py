"""Runs every real-time acceptance line and prints a table: `make accept`. Takes about 35 minutes, best alone.

Lines are `name | measured | limit | PASS or FAIL`. Exit status 1: at least one failed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = (
    ("recognition", "services/local-models/accept/asr.py"),
    ("conversation", "-m scripts.demo"),
    ("turn taking", "-m accept.converse"),
    ("hostile clients", "-m accept.hostile"),
    ("refusals", "-m bench refusals"),
    ("keepalive", "-m accept.keepalive"),
)


def main() -> int:
    """Run each program, copy its lines, and return the exit status."""
    verdicts = []
    for name, program in PROGRAMS:
        print(f"--- {name}: {program}", flush=True)
        begun = time.monotonic()
        # some fork while gRPC runs, to start a program: a line of gRPC's for each would stand in the table
        environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"}
        command = [sys.executable, *program.split()]
        status = subprocess.run(command, check=False, env=environment, cwd=ROOT).returncode  # noqa: S603  ours
        verdicts.append((name, time.monotonic() - begun, status))
    print("\nprogram | seconds | verdict")
    for name, seconds, status in verdicts:
        print(f"{name} | {seconds:.0f} | {'PASS' if status == 0 else 'FAIL'}")
    return int(any(status for _, _, status in verdicts))


if __name__ == "__main__":
    sys.exit(main())
