"""The command line: `voice-gateway serve`, `health`, `top`, `check-config` and `replay`."""

import argparse
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

GRPC_EXPERIMENTS: Final = "-event_engine_client,-event_engine_listener"
"""With gRPC's event engine a message passes through two threads on its way to our loop, without it through one. What
that saves, docs/adr/0052 tells."""


def main() -> int:
    """Run one verb; the exit code is 0 for a clean end, 1 for anything else but a wrong configuration or a journal that
    cannot be read: 2.
    """
    arguments = _parser().parse_args()
    # A spinning BLAS thread triples the CPU, and numpy reads this once, when it is imported:
    # that is why app is imported here and not above.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # gRPC writes a plain line among our JSON for each failed handshake: every port scan would fill the log.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
    # No process forks once it has made anything of gRPC; to be ready for it costs 2 % of the CPU (docs/adr/0052).
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    if arguments.verb == "top":
        from voice_gateway.app.top.command import top  # noqa: PLC0415 - see above; it needs less than the others

        return top(arguments.address, is_once=arguments.once)
    if arguments.verb == "serve":
        return _serve(arguments)
    from voice_gateway.app import commands  # noqa: PLC0415 - see above

    if arguments.verb == "replay":
        return commands.replay(arguments.files)
    if arguments.verb == "health":
        return commands.health(arguments.address)
    return commands.check_config(is_probed=arguments.probe)


def _serve(arguments: argparse.Namespace) -> int:
    """Serve alone, with workers, or as one of them; who starts workers imports nothing of gRPC."""
    from voice_gateway.app.workers import chosen  # noqa: PLC0415 - see `main`

    overrides = chosen.overrides(journal=arguments.journal, workers=arguments.workers)
    if arguments.worker is None and chosen.has_workers(overrides):
        from voice_gateway.app.workers.command import serve_with_workers  # noqa: PLC0415 - see `main`

        return serve_with_workers(arguments.ports_file, overrides)
    from voice_gateway.app import commands  # noqa: PLC0415 - see `main`

    if arguments.worker is not None:
        return commands.serve_as_worker(arguments.worker)
    return commands.serve(arguments.ports_file, overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voice-gateway",
        description="Streams speech both ways between clients and Riva ASR, an LLM and Riva TTS.",
        epilog="Settings come from environment variables; docs/reference/settings.md lists them.",
    )
    parser.add_argument("--version", action="version", version=f"voice-gateway {version('voice-gateway')}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="serve until SIGTERM")
    serve.add_argument(
        "--ports-file",
        type=Path,
        metavar="PATH",
        help='write {"grpc": port, "metrics": port} here once the ports are open',
    )
    serve.add_argument(
        "--journal", type=Path, metavar="DIR", help="keep a journal of each session, with what was said, in this folder"
    )
    serve.add_argument(
        "--workers", metavar="N", help="so many processes serve together, one for each core (default: WORKERS, or 1)"
    )
    serve.add_argument("--worker", help=argparse.SUPPRESS)  # how these are started: app/workers/place.py
    health = verbs.add_parser("health", help="ask a running gateway whether it is ready, and for whom it waits")
    health.add_argument(
        "--address", default="", metavar="HOST:PORT", help="its metrics port (default: METRICS_PORT on this host)"
    )
    top = verbs.add_parser("top", help="show what a running gateway does, each second until Ctrl+C")
    top.add_argument(
        "address",
        nargs="?",
        default="",
        metavar="HOST:PORT",
        help="its admin port (default: ADMIN_PORT on this host, or 50060)",
    )
    top.add_argument("--once", action="store_true", help="print one screen and end")
    replay = verbs.add_parser("replay", help="print recorded conversations and check that the core does the same again")
    replay.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a journal")
    check = verbs.add_parser("check-config", help="check the environment and print what it sets")
    check.add_argument(
        "--probe",
        action="store_true",
        help="ask each backend once, too, and say what would fail; the model writes a short reply",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
