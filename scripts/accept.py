"""Runs every real-time acceptance line and prints a table: `make accept`. Takes about twelve minutes, best alone.

Lines are `name | measured | limit | PASS or FAIL`. Exit status 1: at least one failed.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = (
    ("recognition", "services/local-models/accept/asr.py"),
    ("conversation", "scripts/demo.py"),
    ("turn taking", "scripts/accept_converse.py"),
    ("keepalive", "scripts/accept_keepalive.py"),
)


def main() -> int:
    """Run each program, copy its lines, and return the exit status."""
    verdicts = []
    for name, program in PROGRAMS:
        print(f"--- {name}: {program}", flush=True)
        begun = time.monotonic()
        status = subprocess.run([sys.executable, str(ROOT / program)], check=False).returncode  # noqa: S603  ours
        verdicts.append((name, time.monotonic() - begun, status))
    print("\nprogram | seconds | verdict")
    for name, seconds, status in verdicts:
        print(f"{name} | {seconds:.0f} | {'PASS' if status == 0 else 'FAIL'}")
    return int(any(status for _, _, status in verdicts))


if __name__ == "__main__":
    sys.exit(main())
