"""What Ctrl-C means: the first interrupts the agent, a second soon after, or one in silence, leaves."""

import enum
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Long enough to press twice on purpose, short enough that an interruption is not remembered as half a goodbye.
LEAVE_WINDOW_MS = 2000


class CtrlC(enum.Enum):
    INTERRUPT = enum.auto()
    LEAVE = enum.auto()


class CtrlCRule:
    """Decides press by press. Pure: the time is an argument, in ms of any monotonic clock."""

    def __init__(self) -> None:
        self._interrupted_at_ms: int | None = None

    def press(self, now_ms: int, *, is_speaking: bool) -> CtrlC:
        since_ms = None if self._interrupted_at_ms is None else now_ms - self._interrupted_at_ms
        if not is_speaking or (since_ms is not None and since_ms <= LEAVE_WINDOW_MS):
            return CtrlC.LEAVE
        self._interrupted_at_ms = now_ms
        return CtrlC.INTERRUPT


@contextmanager
def sigint(handler: Callable[[], None]) -> Iterator[None]:
    """Route SIGINT to `handler`, called in the main thread between two bytecodes: it must only hand on."""
    previous = signal.signal(signal.SIGINT, lambda *_: handler())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
