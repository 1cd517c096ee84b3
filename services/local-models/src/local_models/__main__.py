"""Command line of local-models."""

import os

# Before anything imports numpy: a spinning BLAS thread triples the CPU use of small models.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence

from local_models.app import StartError, run
from local_models.settings import SETTINGS, SettingsError, read_settings

EXIT_START_FAILED = 1
EXIT_BAD_SETTINGS = 2

_DESCRIPTION = """\
Small speech and language engines on the CPU of a laptop, behind the protocols of NVIDIA Riva (gRPC) and of
OpenAI chat completions (HTTP). No GPU, no key, no network."""
_EPILOG = """\
Every setting may come from the environment instead: --ttft-ms is LOCAL_MODELS_TTFT_MS. Flags win.

examples:
  local-models serve
  local-models serve --riva-port 0 --openai-port 0 --ports-file ports.json
  local-models serve --ttft-ms 120 --token-ms 20     (paced like a real model)
  local-models serve --llm gguf --gguf-path model.gguf"""


def build_parser() -> argparse.ArgumentParser:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="local-models", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=style, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run both servers until SIGTERM or Ctrl-C (see: local-models serve --help)",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=style,
        allow_abbrev=False,
    )
    for setting in SETTINGS:
        default = "" if setting.default is None else f" (default {setting.default})"
        serve.add_argument(setting.flag, metavar=setting.metavar, help=setting.help + default)
    return parser


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run the command; gives the exit status: 0 after a clean stop, 1 when a start failed, 2 for bad settings."""
    flags = vars(build_parser().parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG when imported
    try:
        settings = read_settings(flags, environment)
    except SettingsError as error:
        for problem in error.problems:
            print(f"local-models: {problem}", file=sys.stderr)  # noqa: T201 - a command line talks to its terminal
        return EXIT_BAD_SETTINGS
    try:
        run(settings)
    except StartError as error:
        print(f"local-models: {error}", file=sys.stderr)  # noqa: T201 - a command line talks to its terminal
        return EXIT_START_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
