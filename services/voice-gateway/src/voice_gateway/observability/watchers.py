"""Work that lasts as long as the process: a fault of ours in it is logged and ends nothing else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

RESTART_MS = 5_000
"""Work that fails is set going again after this."""

_log = logging.getLogger(__name__)


async def keep_going(
    name: str, work: Callable[[], Awaitable[object]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Do `work` until cancelled; `name` is what the log calls it."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001  whatever it is, no call shall end for it
            _log.exception("watcher failed", extra={"watcher": name})
        await sleep(RESTART_MS / 1_000)
