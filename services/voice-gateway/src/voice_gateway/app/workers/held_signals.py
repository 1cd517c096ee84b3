"""Signals that a worker cannot take yet wait for it.

A signal to the whole group, as systemd and a terminal send it, meets a worker also while it still imports its modules.
There it would end it, with a traceback or an exit status that means a failure. So a worker starts with these signals
blocked, which the start of a program keeps, and takes them when it knows what to do with them.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HELD: Final = frozenset({signal.SIGTERM, signal.SIGINT})


@contextmanager
def held_for_children() -> Iterator[None]:
    """Processes that are started in the block start with them blocked; here they come a moment later.

    Blocks of several tasks may overlap where each starts its process before it waits for anything.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        take()


def take() -> None:
    """Let them come, also those that wait."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
