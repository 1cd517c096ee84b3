"""The verb `voice-gateway top`."""

import asyncio
import os
import pty
import signal
import sys
from dataclasses import replace

import pytest
from app.gateway_process import BOUND_S, outcome
from gateway_kit.loopback import listening
from gateway_kit.overviews import CALL, OVERVIEW, telling
from gateway_kit.replicas import free_port
from voice_gateway.app.servers import admin_server
from voice_gateway.app.top import command
from voice_gateway.domain.overview.values import Overview
from voice_gateway.transports.grpc_admin.client import OverviewUnknown

LEAVE_SCREEN = b"\x1b[?1049l"
"""What gives a terminal back."""


async def test_once_prints_one_screen_and_ends() -> None:
    """A script gets the screen as plain text of a fixed width, from the port of the environment."""
    async with listening(admin_server(telling(OVERVIEW))) as address:
        code, out, err = await outcome("top", "--once", ADMIN_PORT=address.rpartition(":")[2])
    assert (code, err) == (0, [])
    assert out[0].startswith("voice-gateway 1.2.3  ready")
    assert not any("\x1b" in line or len(line) > command.PIPE_WIDTH for line in out)


async def test_a_gateway_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    """Nobody at the port: no traceback, no empty screen."""
    address = f"127.0.0.1:{free_port()}"
    code, out, err = await outcome("top", "--once", address)
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


@pytest.mark.parametrize("address", ["50060", ":50060", "localhost", "localhost:", "localhost:0", "localhost:65536"])
def test_an_address_has_host_and_port(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who forgets one of both is told at once, not that nobody answers."""
    assert command.top(address, is_once=True) == 2
    assert capsys.readouterr().err == f"voice-gateway: the address must be HOST:PORT (it is '{address}')\n"


async def test_without_a_terminal_it_takes_once() -> None:
    """Into a pipe it would draw nothing for ever: it says what to do."""
    assert await outcome("top", "127.0.0.1:1") == (2, [], [f"voice-gateway: {command.NO_TERMINAL}"])


async def test_a_terminal_without_columns_and_letters_gets_a_screen() -> None:
    """COLUMNS=0 is no width, and a label of other letters is told as far as the output can."""
    other = replace(OVERVIEW, calls=(replace(CALL, client_label="линия"),))
    async with listening(admin_server(telling(other))) as address:
        narrow = {"COLUMNS": "0", "LINES": "0", "FORCE_COLOR": "1", "TERM": "xterm"}
        code, out, err = await outcome("top", "--once", address, PYTHONIOENCODING="latin-1", **narrow)
    assert (code, err) == (0, [])
    assert "?????" in out[-1]


async def test_an_output_that_is_full_is_one_line_and_exit_code_1() -> None:
    """A full disk is told as such, without a traceback at the end of the process."""
    async with listening(admin_server(telling(OVERVIEW))) as address, asyncio.timeout(BOUND_S):
        full = os.open("/dev/full", os.O_WRONLY)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice_gateway", "top", "--once", address),
            env={"PATH": os.environ["PATH"]},
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(full)
        _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"voice-gateway: cannot write the screen: No space left on device\n")


def test_a_gateway_that_stops_and_comes_back_is_watched_on() -> None:
    """Who restarts a gateway sees the last screen, since when there is no answer and why, and then the new one."""
    back = replace(OVERVIEW, version="1.2.4")
    answers = iter((None, None, back))
    drawn: list[tuple[str, str]] = []
    clock_s = [100.0]

    def look() -> Overview:
        answer = next(answers)
        if answer is None:
            raise OverviewUnknown("h:1 does not answer")
        return answer

    def wait() -> None:
        if len(drawn) == 4:
            raise KeyboardInterrupt
        clock_s[0] += 3

    with pytest.raises(KeyboardInterrupt):
        command.watch(
            OVERVIEW, look, lambda seen, trouble: drawn.append((seen.version, trouble)), wait, lambda: clock_s[0]
        )
    assert drawn == [
        ("1.2.3", ""),
        ("1.2.3", "no answer for 3 s: h:1 does not answer"),
        ("1.2.3", "no answer for 6 s: h:1 does not answer"),
        ("1.2.4", ""),
    ]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_ctrl_c_ends_it_cleanly(ending: signal.Signals) -> None:
    """On a terminal it draws until Ctrl+C, or until it is ended, then gives the screen back, without a traceback and
    with exit code 0.
    """
    async with listening(admin_server(telling(OVERVIEW))) as address, asyncio.timeout(BOUND_S):
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
        process.send_signal(ending)
        while LEAVE_SCREEN not in drawn:
            drawn += await asyncio.to_thread(os.read, ours, 65_536)
        _, err = await process.communicate()
        os.close(ours)
    assert (process.returncode, err) == (0, b"")
