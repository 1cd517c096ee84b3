"""All three backends as one process, for a pod: `python -m voicegateway_testkit --words "..." --answer "..."`."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from voicegateway_testkit.fakes.served import PORTS, ServedFakes


@dataclass(frozen=True, slots=True)
class Arguments:
    """What everybody says, and what is answered."""

    words: str
    answer: str


def parse(arguments: Sequence[str] | None = None) -> Arguments:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="voicegateway_testkit", description=__doc__)
    parser.add_argument("--words", required=True, help="what each utterance says; ` | ` marks a pause within it")
    parser.add_argument("--answer", required=True, help="what the language model answers to everything")
    given = parser.parse_args(arguments)
    return Arguments(given.words, given.answer)


async def serve(given: Arguments) -> None:
    """Serves until SIGTERM or SIGINT, then breaks off what is open, as a pod that is lost does."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ServedFakes(given.words, given.answer, "0.0.0.0", PORTS):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(parse()))
