"""One attack as a process: `python -m voicegateway_testkit.hostile ATTACK HOST:PORT`. Tells what came of it in JSON."""

import argparse
import asyncio
import json
import sys

from voicegateway_testkit.hostile.attacks import ATTACKS, Target, run


def main() -> None:
    """Read the command line and attack."""
    parser = argparse.ArgumentParser(prog="voicegateway_testkit.hostile", description=__doc__)
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("address", help="host:port of a gateway on this machine")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long at most (default: %(default)s)")
    given = parser.parse_args()
    host, _, port = given.address.rpartition(":")
    damage = asyncio.run(run(given.attack, Target(host, int(port), given.seconds)))
    sys.stdout.write(
        f"{json.dumps({'calls': damage.calls, 'messages': damage.messages, 'outcomes': +damage.outcomes})}\n"
    )


if __name__ == "__main__":
    main()
