"""The monotonic clock of the running event loop, as the core reads it. Tests give the loop a virtual one."""

import asyncio

from voice_gateway.domain.instant import NS_PER_S, Instant


def now() -> Instant:
    """This instant; rounded, so that a timer set for an instant never rings before it."""
    return Instant(round(asyncio.get_running_loop().time() * NS_PER_S))


def loop_time(instant: Instant) -> float:
    """The same instant in the loop's seconds, for `call_at`."""
    return instant / NS_PER_S
