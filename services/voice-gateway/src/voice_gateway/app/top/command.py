"""What `voice-gateway top` does: asks a running gateway once a second and draws the screen."""

import sys
import time
from collections.abc import Callable
from typing import Final

from voice_gateway import config
from voice_gateway.domain.overview.values import Overview
from voice_gateway.transports.grpc_admin.client import AdminClient, OverviewUnknown

EVERY_S: Final = 1.0
EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
PIPE_WIDTH, PIPE_HEIGHT = 120, 60
"""Of a screen that goes into a file or a program."""
NO_RICH = "`top` draws with rich, which is not installed: pip install 'voice-gateway[top]'"


def top(address: str, *, is_once: bool) -> int:
    """Show what the gateway at `address` does until Ctrl+C, or once; return the exit code.

    Without an `address` it is the gateway of this environment, on this host.
    """
    try:
        with AdminClient(address or f"127.0.0.1:{config.admin_port()}") as client:
            _show(client.look, is_once=is_once)
    except config.ConfigError as error:
        sys.stderr.write("".join(f"voice-gateway: {mistake}\n" for mistake in error.mistakes))
        return EXIT_MISCONFIGURED
    except OverviewUnknown as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "rich":
            raise
        sys.stderr.write(f"voice-gateway: {NO_RICH}\n")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 0
    return 0


def _show(look: Callable[[], Overview], *, is_once: bool) -> None:
    # rich comes with the extra `top` alone
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from voice_gateway.app.top.screen import screen  # noqa: PLC0415

    console = Console()
    if is_once:
        if not console.is_terminal:
            console = Console(width=PIPE_WIDTH, height=PIPE_HEIGHT)
        console.print(screen(look(), console.width, console.height))
        return
    seen = look()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(seen, console.width, console.height), refresh=True)
            time.sleep(EVERY_S)
            seen = look()
