"""What `voice-gateway top` does: asks a running gateway once a second and draws the screen."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from voice_gateway import config
from voice_gateway.domain.overview.values import Overview
from voice_gateway.transports.grpc_admin.client import AdminClient, OverviewUnknown

if TYPE_CHECKING:
    from rich.console import Console

EVERY_S: Final = 1.0
EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
MAX_PORT: Final = 65_535
PIPE_WIDTH, PIPE_HEIGHT = 120, 60
"""Of a screen that goes into a file or a program, or where the terminal has none."""
NO_RICH = "`top` draws with rich, which is not installed: pip install 'voice-gateway[top]'"
NO_TERMINAL = "this is no terminal: use --once"


def top(address: str, *, is_once: bool) -> int:
    """Show what the gateway at `address` does until Ctrl+C, or once; return the exit code.

    Without an `address` it is the gateway of this environment, on this host.
    """
    try:
        _top(address, is_once=is_once)
    except KeyboardInterrupt:
        return 0
    except config.ConfigError as error:
        return _failed(*error.mistakes, code=EXIT_MISCONFIGURED)
    except OverviewUnknown as error:
        return _failed(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "rich":
            raise
        return _failed(NO_RICH)
    except OSError as error:
        _drop_output()
        return _failed(f"cannot write the screen: {error.strerror}")
    return 0


def _failed(*lines: str, code: int = EXIT_FAILED) -> int:
    sys.stderr.write("".join(f"voice-gateway: {line}\n" for line in lines))
    return code


def _drop_output() -> None:
    """What standard output still holds would fail again when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _top(address: str, *, is_once: bool) -> None:
    where = address or f"127.0.0.1:{config.admin_port()}"
    if not _is_host_and_port(where):
        raise config.ConfigError((f"the address must be HOST:PORT (it is {where!r})",))
    console = _console()
    if not is_once and (not sys.stdout.isatty() or not console.is_terminal or console.is_dumb_terminal):
        raise config.ConfigError((NO_TERMINAL,))
    with AdminClient(where) as client:
        (_print if is_once else _live)(client.look, console)


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - rich comes with the extra `top` alone

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a label may have letters that the output's encoding has not
    console = Console()
    if not console.is_terminal:
        return Console(width=PIPE_WIDTH, height=PIPE_HEIGHT)
    if min(console.size) < 1:
        return Console(width=console.width or PIPE_WIDTH, height=console.height or PIPE_HEIGHT)
    return console


def _print(look: Callable[[], Overview], console: "Console") -> None:
    from voice_gateway.app.top.screen import screen  # noqa: PLC0415 - needs rich

    console.print(screen(look(), console.width, console.height))


def _live(look: Callable[[], Overview], console: "Console") -> None:
    from rich.live import Live  # noqa: PLC0415 - see above

    from voice_gateway.app.top.screen import screen  # noqa: PLC0415 - see above

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # as Ctrl+C, which gives the terminal back
    first = look()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw(seen: Overview, trouble: str) -> None:
            live.update(screen(seen, console.width, console.height, trouble), refresh=True)

        watch(first, look, draw, lambda: time.sleep(EVERY_S), time.monotonic)


def watch(
    seen: Overview,
    look: Callable[[], Overview],
    draw: Callable[[Overview, str], None],
    wait: Callable[[], None],
    now_s: Callable[[], float],
) -> None:
    """Draw what was `seen` and each later look; while there is no answer, the last one and since when."""
    answered_s, trouble = now_s(), ""
    while True:
        draw(seen, trouble)
        wait()
        try:
            seen, trouble = look(), ""
            answered_s = now_s()
        except OverviewUnknown as error:
            trouble = f"no answer for {now_s() - answered_s:.0f} s: {error}"
