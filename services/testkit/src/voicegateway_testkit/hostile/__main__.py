"""One attack as a process: `python -m voicegateway_testkit.hostile ATTACK HOST:PORT`. Tells what came of it in JSON."""

import argparse
import asyncio
import json
import os
import sys

from voicegateway_testkit.hostile.attacks import ATTACKS, Target, run


def main() -> None:
    """Read the command line and attack."""
    parser = argparse.ArgumentParser(prog="voicegateway_testkit.hostile", description=__doc__)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("address", help="host:port of a gateway on this machine")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long at most (default: %(default)s)")
    parser.add_argument("--waits", action="store_true", help="begin at the first line of standard input")
    given = parser.parse_args()
    _give_way()
    if given.waits:
        sys.stdin.readline()
    host, _, port = given.address.rpartition(":")
    damage = asyncio.run(run(given.attack, Target(host, int(port), given.seconds)))
    sys.stdout.write(
        f"{json.dumps({'calls': damage.calls, 'messages': damage.messages, 'outcomes': +damage.outcomes})}\n"
    )


def _give_way() -> None:
    """Run only where nobody else wants to, before gRPC makes threads: who measures on this core must not be late."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
