"""The one clock work of the process."""

import asyncio
from typing import Any

from gateway_kit import virtual_time
from voice_gateway.domain.instant import Instant
from voice_gateway.session.pacer import Pacer


class Counting:
    """Counts its ticks."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self, now: Instant) -> None:
        """Count."""
        del now
        self.ticks += 1


class Failing(Counting):
    """Fails at every tick."""

    def tick(self, now: Instant) -> None:
        """Count, and fail."""
        super().tick(now)
        raise ValueError("out of order")


def test_one_that_fails_silences_no_other() -> None:
    """A tick that raises is handed to the loop's log; the others, and its own next ticks, still come."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        pacer, failing, counting = Pacer(), Failing(), Counting()
        pacer.add(failing)
        pacer.add(counting)
        await asyncio.sleep(0.1)
        pacer.remove(failing)
        pacer.remove(counting)
        assert counting.ticks == failing.ticks == len(told) > 1
        assert isinstance(told[0]["exception"], ValueError)

    virtual_time.run(main())
