"""Work that lasts as long as the process: a fault of ours in it is logged and ends no call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

RESTART_MS = 5_000
"""Work that fails is set going again after this."""
MAX_IN_A_ROW = 12
"""Failures, a minute of them: what nobody looks after any more says of itself that all is well."""
STEADY_S = 60.0
"""Work that went on for this time before it failed has not failed in a row."""

_log = logging.getLogger(__name__)


class GivenUpError(Exception):
    """Work that fails each time; nothing is to be done but to leave the process to its successor."""


async def keep_going(
    name: str, work: Callable[[], Awaitable[object]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Do `work` until cancelled; `name` is what the log calls it.

    Raises:
        GivenUpError: it has failed MAX_IN_A_ROW times, or work within it has.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began_s = loop.time()
        try:
            await work()
        except Exception as error:
            if isinstance(error, ExceptionGroup) and error.subgroup(GivenUpError):
                raise GivenUpError(name) from error
            _log.exception("watcher failed", extra={"watcher": name})
            failures = 1 if loop.time() - began_s >= STEADY_S else failures + 1
            if failures >= MAX_IN_A_ROW:
                raise GivenUpError(name) from error
        await sleep(RESTART_MS / 1_000)
