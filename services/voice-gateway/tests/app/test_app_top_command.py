"""The verb `voice-gateway top`."""

import asyncio
import os
import pty
import signal
import sys

import pytest
from app.gateway_process import BOUND_S, outcome
from gateway_kit.loopback import listening
from gateway_kit.overviews import OVERVIEW
from gateway_kit.replicas import free_port
from voice_gateway.app.servers import admin_server
from voice_gateway.app.top import command


async def test_once_prints_one_screen_and_ends() -> None:
    """A script gets the screen as plain text of a fixed width, from the port of the environment."""
    async with listening(admin_server(lambda: OVERVIEW)) as address:
        code, out, err = await outcome("top", "--once", ADMIN_PORT=address.rpartition(":")[2])
    assert (code, err) == (0, [])
    assert out[0].startswith("voice-gateway 1.2.3  ready")
    assert not any("\x1b" in line or len(line) > command.PIPE_WIDTH for line in out)


async def test_a_gateway_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    """Nobody at the port: no traceback, no empty screen."""
    address = f"127.0.0.1:{free_port()}"
    code, out, err = await outcome("top", address)
    assert (code, out) == (1, [])
    assert err == [
        f"voice-gateway: {address} does not answer: is a gateway there, with ADMIN_PORT set, and the port forwarded?"
    ]


async def test_a_wrong_port_is_exit_code_2() -> None:
    """A mistake in the environment is told as every other."""
    code, _, err = await outcome("top", ADMIN_PORT="high")
    assert (code, err) == (2, ["voice-gateway: ADMIN_PORT must be a whole number from 0 to 65535 (it is 'high')"])


async def test_without_rich_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway that was installed without the extra `top` says how to get it."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert command.top("127.0.0.1:1", is_once=True) == 1
    assert capsys.readouterr().err == f"voice-gateway: {command.NO_RICH}\n"


async def test_ctrl_c_ends_it_cleanly() -> None:
    """On a terminal it draws until Ctrl+C, then gives the screen back, without a traceback and with exit code 0."""
    async with listening(admin_server(lambda: OVERVIEW)) as address, asyncio.timeout(BOUND_S):
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice_gateway", "top", address),
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(theirs)
        drawn = b""
        while b"jwt:ada" not in drawn:
            drawn += await asyncio.to_thread(os.read, ours, 65_536)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        os.close(ours)
    assert (process.returncode, err) == (0, b"")
