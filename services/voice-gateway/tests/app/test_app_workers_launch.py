"""How a worker's process is started: where it looks for its modules, and which signals wait for it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from voice_gateway.app.workers import held_signals, launch

MASK = "import signal as s, sys; sys.exit(sorted(s.pthread_sigmask(s.SIG_BLOCK, ())) == [s.SIGINT, s.SIGTERM])"
"""Ends with 1 if these two are blocked, and no others."""


async def test_modules_of_the_current_directory_are_not_run(tmp_path: Path) -> None:
    """Whoever may write where the gateway is started does not decide what its workers run."""
    (tmp_path / "argparse.py").write_text("raise SystemExit(7)\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *launch.COMMAND,
        "--help",
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_signals_wait_until_a_worker_can_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are started at once have them blocked, and the process that starts them has not."""
    monkeypatch.setattr(launch, "COMMAND", (sys.executable, "-c", MASK))
    started = await asyncio.gather(*(launch.launch(index, 3, {}, {}) for index in range(3)))
    assert [await process.wait() for process in started] == [1, 1, 1]
    for process in started:
        process.channel.close()
    assert not held_signals.HELD & set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def test_a_signal_that_waited_comes() -> None:
    """A worker that is told to leave while it starts leaves as soon as it knows how."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with held_signals.held_for_children():
            signal.raise_signal(signal.SIGTERM)
            assert seen == []
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
