"""One timer for all calls: a slot for each millisecond of a frame, with the calls whose frames are due then."""

import asyncio
import time
from typing import Final, Protocol

from voice_client.load.playout import NS_PER_MS, NS_PER_S
from voice_client.load.script import FRAME_MS

SLOT_NS: Final = NS_PER_MS
SLOTS: Final = FRAME_MS


class Ticked(Protocol):
    """Who sends frames."""

    def tick(self, due_ns: int, now_ns: int) -> None:
        """A frame is due; it is `now_ns` by now."""


class TimerWheel:
    """Turns once in the length of a frame."""

    def __init__(self) -> None:
        self._slots: list[list[Ticked]] = [[] for _ in range(SLOTS)]
        self._zero_ns = time.monotonic_ns()

    def add(self, member: Ticked, phase: int) -> None:
        """Tick a member from its next slot on; `phase` is which of the slots."""
        self._slots[phase % SLOTS].append(member)

    async def run(self) -> None:
        """Turn until cancelled."""
        slot = 0
        while True:
            slot += 1
            members, due_ns = self._slots[slot % SLOTS], self._zero_ns + slot * SLOT_NS
            if not members and slot % SLOTS:
                continue  # nobody's frame is due: sleep on to the next slot, and once a turn in any case
            # a timer with a grain of 1 ms may ring early; a slot that is late already is served at once
            while (wait_ns := due_ns - time.monotonic_ns()) > 0:  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(max(wait_ns, SLOT_NS) / NS_PER_S)
            now_ns = time.monotonic_ns()
            for member in members:
                member.tick(due_ns, now_ns)
            if slot % SLOTS == 0:
                await asyncio.sleep(0)  # a wheel that cannot keep up still lets others run
