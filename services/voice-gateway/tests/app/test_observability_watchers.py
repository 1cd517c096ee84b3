"""Work that lasts as long as the process."""

import asyncio
import logging

import pytest
from voice_gateway.observability.logs import fields_of
from voice_gateway.observability.watchers import MAX_IN_A_ROW, RESTART_MS, GivenUpError, keep_going


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


async def _no_time(seconds: float) -> None:
    del seconds


async def test_work_that_fails_each_time_is_given_up() -> None:
    """A pod whose look-out is dead says that all is well for ever; one that leaves gets a successor."""
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        raise RuntimeError("a fault of ours")

    with pytest.raises(GivenUpError, match="load"):
        await keep_going("load", work, _no_time)
    assert runs == MAX_IN_A_ROW


async def test_what_is_given_up_within_is_given_up_without() -> None:
    """The look-out for all backends does not go on without that for one of them."""

    async def work() -> None:
        raise RuntimeError("a fault of ours")

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_going("one", work, _no_time))

    with pytest.raises(GivenUpError, match="all"):
        await keep_going("all", group, _no_time)
