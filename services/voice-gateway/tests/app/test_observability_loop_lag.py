"""The lag of the event loop, as the log tells it."""

import asyncio
import logging
import time
from contextlib import suppress

import pytest
from voice_gateway.observability import loop_lag
from voice_gateway.observability.loop_lag import LoopLag, summary, watch_loop_lag


def test_a_summary_names_values_that_were_measured() -> None:
    """The 99th percentile is a lag that occurred, and of nothing there is no summary."""
    assert summary([]) is None
    assert summary([float(lag) for lag in range(200, 0, -1)]) == LoopLag(100.0, 198.0, 200.0, 200)


async def test_a_loop_that_was_held_is_told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What held the loop is in the line, once the minute is over and for what is left at the end."""
    caplog.set_level(logging.INFO)
    seen_s: list[float] = []
    monkeypatch.setattr(loop_lag, "EVERY_MS", 1)
    monkeypatch.setattr(loop_lag, "LOG_EVERY_S", 0.002)
    watching = asyncio.create_task(watch_loop_lag(seen_s.append))
    await asyncio.sleep(0)
    held_until_s = time.monotonic() + 0.03
    while time.monotonic() < held_until_s:
        pass
    async with asyncio.timeout(5):
        while not caplog.records:  # noqa: ASYNC110 - the log is what is watched
            await asyncio.sleep(0.001)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    first = caplog.records[0]
    assert first.message == "loop_lag"
    assert first.__dict__["max_ms"] >= 25
    assert first.__dict__["p50_ms"] <= first.__dict__["p99_ms"] <= first.__dict__["max_ms"]
    assert first.__dict__["samples"] == 2
    assert max(seen_s[:2]) * 1_000 == pytest.approx(first.__dict__["max_ms"], abs=0.01)
