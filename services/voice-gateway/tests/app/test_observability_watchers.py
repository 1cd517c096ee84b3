"""Work that lasts as long as the process."""

import asyncio
import logging

import pytest
from voice_gateway.observability.logs import fields_of
from voice_gateway.observability.watchers import RESTART_MS, keep_going


async def test_work_that_fails_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A fault in reading the load, a certificate or an issuer's keys must not end every call of the process."""
    slept_ms: list[float] = []
    runs = 0
    goes_on = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept_ms.append(seconds * 1_000)

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("a fault of ours")
        goes_on.set()
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(keep_going("load", work, sleep))
        await goes_on.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert slept_ms == [RESTART_MS, RESTART_MS]
    assert [(record.getMessage(), fields_of(record)) for record in caplog.records] == [
        ("watcher failed", {"watcher": "load"}),
        ("watcher failed", {"watcher": "load"}),
    ]
