"""The command line: `voice-client talk`, `voice-client capabilities` and `voice-client load`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from voicegateway.v1 import audio_pb2, voice_gateway_service_pb2

from voice_client.errors import ExitStatus, VoiceClientError
from voice_client.event_loop import loop_factory
from voice_client.link import Target, fetch_capabilities
from voice_client.load.command import load, show_comparison
from voice_client.load.options import LOAD_STATUSES, add_arguments, load_options
from voice_client.load.screen import Screen
from voice_client.modes import TalkOptions, talk
from voice_client.screen import printable
from voice_client.session import start_message
from voice_client.terminal import Terminal

DEFAULT_SERVER = "localhost:50051"
TOKEN_VARIABLE = "VOICE_CLIENT_TOKEN"  # noqa: S105  the name of a variable; arguments can be read by everybody
EXIT_STATUSES = (
    f"environment: {TOKEN_VARIABLE} is the bearer token that the server asks for, if it does; "
    "exit status: 0 well; 2 wrong usage; 3 server unreachable; 4 TLS; 5 the server ended the call with an error; "
    "6 no answer in time; 7 no sound device; 8 a file or standard input cannot be used; "
    "9 the server broke the contract; 130 left by Ctrl-C before the recordings were through"
)


def parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    safety = argparse.ArgumentParser(add_help=False)
    safety.add_argument("--tls", action="store_true", help="encrypt; the server's certificate is checked")
    safety.add_argument("--ca", type=Path, metavar="FILE", help="PEM roots to check it against, not the system's")
    server = argparse.ArgumentParser(add_help=False, parents=[safety])
    server.add_argument("--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help="default %(default)s")
    root = argparse.ArgumentParser(prog="voice-client", description=__doc__, epilog=EXIT_STATUSES)
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser("capabilities", parents=[server], help="what the server can do", epilog=EXIT_STATUSES)
    talking = commands.add_parser("talk", parents=[server], help="talk to the server", epilog=EXIT_STATUSES)
    talking.add_argument("--language", default="", metavar="BCP-47", help="default: the server's")
    talking.add_argument("--voice", default="", metavar="NAME", help="default: the server's")
    talking.add_argument("--system-prompt", metavar="TEXT", help="default: the server's")
    source = talking.add_mutually_exclusive_group()
    source.add_argument("--wav", type=Path, action="append", metavar="FILE", help="say this file; again for more turns")
    source.add_argument("--text", action="store_true", help="read turns from standard input, one a line")
    talking.add_argument("--out", type=Path, metavar="FILE", help="keep what was played as WAV (--wav, --text)")
    talking.add_argument("--stereo", action="store_true", help="--out with the user left and the agent right")
    talking.add_argument("--fast", action="store_true", help="send --wav as fast as the server takes it")
    talking.add_argument("--verbose", action="store_true", help="show the session id and underruns")
    loading = commands.add_parser("load", parents=[safety], help="measure a gateway under load", epilog=LOAD_STATUSES)
    add_arguments(loading)
    return root


def main() -> int:
    """Run the command of this process."""
    try:
        argv = sys.argv[1:]
        if argv[:1] != ["load"]:
            return asyncio.run(run(argv))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(run(argv))
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; without this the interpreter complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.FILE


async def run(argv: Sequence[str]) -> ExitStatus:
    """Run a command; returns the exit status, after one line on standard error if something went wrong.

    Raises:
        SystemExit: argparse's, for wrong usage and for --help.
    """
    options = parser()
    arguments = options.parse_args(argv)
    if arguments.ca and not arguments.tls:
        options.error("--ca needs --tls")
    address = arguments.address if arguments.command == "load" else arguments.server
    target = Target(address, tls=arguments.tls, ca_file=arguments.ca, token=os.environ.get(TOKEN_VARIABLE, "").strip())
    try:
        if arguments.command == "load":
            return await _load(options, arguments, target)
        if arguments.command == "capabilities":
            return await _capabilities(target)
        return await talk(_talk_options(options, arguments, target), Terminal(sys.stdout), sys.stdin)
    except VoiceClientError as error:
        sys.stdout.flush()
        sys.stderr.write(f"voice-client: {printable(str(error))}\n")
        return error.status


def _talk_options(options: argparse.ArgumentParser, arguments: argparse.Namespace, target: Target) -> TalkOptions:
    if arguments.out and not (arguments.wav or arguments.text):
        options.error("--out needs --wav or --text")
    if arguments.stereo and not arguments.out:
        options.error("--stereo needs --out")
    if arguments.fast and not arguments.wav:
        options.error("--fast needs --wav")
    start = start_message(language=arguments.language, voice=arguments.voice, system_prompt=arguments.system_prompt)
    return TalkOptions(
        target,
        start,
        wavs=tuple(arguments.wav or ()),
        is_typed=arguments.text,
        out=arguments.out,
        is_stereo=arguments.stereo,
        is_fast=arguments.fast,
        is_verbose=arguments.verbose,
    )


async def _load(options: argparse.ArgumentParser, arguments: argparse.Namespace, target: Target) -> ExitStatus:
    screen = Screen(Console(), Console(stderr=True))
    if arguments.compare:
        return show_comparison(arguments.compare, screen)
    return await load(load_options(options, arguments, target), screen)


async def _capabilities(target: Target) -> ExitStatus:
    sys.stdout.write("\n".join(_capability_lines(await fetch_capabilities(target))) + "\n")
    return ExitStatus.OK


def _encoding_name(number: int) -> str:
    known = audio_pb2.AudioEncoding.DESCRIPTOR.values_by_number.get(number)
    return known.name.removeprefix("AUDIO_ENCODING_") if known else f"encoding {number}"


def _capability_lines(answer: voice_gateway_service_pb2.GetCapabilitiesResponse) -> list[str]:
    limits = answer.limits
    frames = f"{limits.preferred_frame_ms} ms frames preferred"
    bounds = f"{limits.max_message_bytes} bytes a message, {limits.max_ahead_ms} ms ahead"
    facts = [
        ("server", answer.server_version),
        ("encodings", ", ".join(map(_encoding_name, answer.encodings))),
        ("rates in", ", ".join(f"{rate} Hz" for rate in answer.input_sample_rates_hz)),
        ("rates out", ", ".join(f"{rate} Hz" for rate in answer.output_sample_rates_hz)),
        ("features", ", ".join(answer.features) or "none"),
        ("limits", f"{bounds}, {limits.max_text_chars} characters a typed turn, {frames}"),
        *((one.language_code, ", ".join(one.voices)) for one in answer.languages),
    ]
    return [f"{printable(name) + ':':<11}{printable(value)}" for name, value in facts]
