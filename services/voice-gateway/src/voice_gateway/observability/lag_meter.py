"""How late the event loop is: everything else of the process waits at least so long.

A late alarm: with the core 98 % used its 99th percentile is still 10 ms, while replies are 80 ms late.
"""

import asyncio
from collections.abc import Awaitable, Callable

from voice_gateway.domain.instant import Instant

EVERY_S = 0.1
"""From one measurement to the next: 600 a minute make a 99th percentile, and cost nothing that can be measured."""


async def measure_lag(
    observe: Callable[[float], None],
    clock: Callable[[], Instant],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Measure until cancelled; `observe` gets seconds."""
    while True:
        asked = clock()
        await sleep(EVERY_S)
        observe(max(0.0, (clock() - asked) / 1e9 - EVERY_S))
