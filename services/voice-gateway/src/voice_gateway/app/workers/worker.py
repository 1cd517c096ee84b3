"""One worker as its parent sees it: started, listening, silent, ended."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import Answer, Channel, Silent
from voice_gateway.observability.merging.health import Page, WorkerHealth, WorkerState

LOOK_EVERY_S: Final = 1.0
ANSWER_S: Final = 2.0
"""Time for an answer. The event loop of a worker may stand still for a tenth of that at worst."""
START_S: Final = 120.0
"""A worker that does not listen by then does not start. It takes about 2 s."""
HUNG_LOOKS: Final = 10
"""A worker that has left so many looks without answer is ended, as Kubernetes ends a container by its liveness probe.
They take 30 s; they are counted, not timed, because a machine that stood still for a minute blames nobody."""

_log = logging.getLogger(__name__)


class Running(Protocol):
    """A process and the channel to it, see `launch.Process`."""

    channel: Channel

    @property
    def pid(self) -> int:
        """Its id."""

    async def wait(self) -> int:
        """Its exit status."""

    def kill(self) -> None:
        """End it at once."""


Start = Callable[[Mapping[str, Answer]], Awaitable[Running]]
"""Starts the worker's process."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a worker's process ended."""

    status: int
    """The negative number of a signal that ended it."""
    sessions: int
    """That it had when it was seen last."""
    ran_s: float


class Worker:
    """One of them; its process may end and be started again."""

    def __init__(self, index: int, start: Start, tell_others: Callable[[int], Awaitable[bytes]]) -> None:
        """Nothing runs yet.

        Args:
            index: from 0.
            start: starts its process.
            tell_others: what all others do, for this one; see `place.OTHERS`.
        """
        self.index = index
        self.state = WorkerState.STARTING
        self.page: Page | None = None
        """What it said of its health last; None unless it answers."""
        self._start = start
        self._answers = {place.LISTENING: self._listens, place.OTHERS: lambda _: tell_others(index)}
        self._process: Running | None = None
        self._listening = asyncio.Event()
        self._order = ""
        """What it was told to do, which one that is being started is told, too."""

    @property
    def is_listening(self) -> bool:
        """Whether the process that runs now serves."""
        return self._listening.is_set()

    async def listens(self) -> None:
        """Return when it serves."""
        await self._listening.wait()

    @property
    def pid(self) -> int | None:
        """That of its process."""
        return None if self._process is None else self._process.pid

    async def run(self) -> Ended:
        """Start a process and see it through to its end.

        Raises:
            OSError: the system has no room for it.
        """
        loop = asyncio.get_running_loop()
        self.state, self.page = WorkerState.STARTING, None
        self._listening.clear()
        began_s = loop.time()
        process = self._process = await self._start(self._answers)
        if self._order:
            process.channel.tell(self._order)
        others = [asyncio.ensure_future(work) for work in (process.channel.run(), self._watch(process))]
        try:
            status = await process.wait()
        finally:
            process.kill()
            process.channel.close()
            for task in others:
                task.cancel()
            for result in await asyncio.gather(*others, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("worker was not watched", extra={"worker": self.index}, exc_info=result)
        sessions = self._sessions()
        self.state, self.page, self._process = WorkerState.STARTING, None, None
        self._listening.clear()
        return Ended(status, sessions, loop.time() - began_s)

    def order(self, name: str) -> None:
        """Tell it to drain or to stop."""
        self._order = name
        if self._process is not None:
            self._process.channel.tell(name)

    def kill(self) -> None:
        """End its process at once."""
        if self._process is not None:
            self._process.kill()

    async def ask(self, name: str) -> bytes | None:
        """Its answer; None if it does not listen yet, or says nothing within ANSWER_S."""
        if self._process is None or not self.is_listening:
            return None
        try:
            return await self._process.channel.ask(name, ANSWER_S)
        except Silent:
            return None

    async def look(self) -> WorkerHealth:
        """How it is, asked now."""
        told = await self.ask(place.HEALTH)
        if self._process is None or not self.is_listening:
            return WorkerHealth(WorkerState.STARTING, None)
        page = None if told is None else json.loads(told)
        if page is not None:
            self.page = page
        self.state = WorkerState.SILENT if page is None else WorkerState.RUNNING
        return WorkerHealth(self.state, page)

    def _sessions(self) -> int:
        """That it had when it was seen last."""
        return self.page["sessions"] if self.page else 0

    async def _listens(self, _: bytes) -> bytes:
        self.state = WorkerState.RUNNING
        self._listening.set()
        return b""

    async def _watch(self, process: Running) -> None:
        """End a process that does not come to listen, or is silent for too long."""
        try:
            async with asyncio.timeout(START_S):
                await self._listening.wait()
        except TimeoutError:
            self._end_hung(process, START_S)
            return
        silent_looks = 0
        while silent_looks < HUNG_LOOKS:
            await asyncio.sleep(LOOK_EVERY_S)
            silent_looks = silent_looks + 1 if (await self.look()).page is None else 0
        self._end_hung(process, HUNG_LOOKS * (LOOK_EVERY_S + ANSWER_S))

    def _end_hung(self, process: Running, after_s: float) -> None:
        fields = {"worker": self.index, "pid": process.pid, "silent_s": after_s}
        _log.error("worker does not answer and is killed", extra=fields)
        process.kill()
