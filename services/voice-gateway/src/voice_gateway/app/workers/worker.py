"""One worker as its parent sees it: started, listening, silent, ended."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import Answer, Channel, Gone, Silent
from voice_gateway.observability.merging.health import Page, WorkerHealth, WorkerState

LOOK_EVERY_S: Final = 1.0
ANSWER_S: Final = 2.0
"""Time for an answer. The event loop of a worker may stand still for a tenth of that at worst."""
START_S: Final = 120.0
"""A worker that does not listen by then does not start. It takes about 2 s."""
HUNG_LOOKS: Final = 10
"""A worker that has left so many looks without answer is ended, as Kubernetes ends a container by its liveness probe.
They take 30 s, or 10 s where it has hung up and runs on; they are counted, not timed, because a machine that stood
still for a minute blames nobody."""

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
    has_listened: bool


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
        """What it said of its health last; None before it has."""
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
                    _log.error("worker was not watched", extra={"of_worker": self.index}, exc_info=result)
        ended = Ended(status, self._sessions(), loop.time() - began_s, self.is_listening)
        self.state, self.page, self._process = WorkerState.STARTING, None, None
        self._listening.clear()
        return ended

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
        """Its answer; None if it is not known to run, or says nothing within ANSWER_S.

        Who is known to be silent is not asked: each question would take that time.
        """
        if self._process is None or self.state is not WorkerState.RUNNING:
            return None
        try:
            return await self._process.channel.ask(name, ANSWER_S)
        except Silent:
            return None

    async def look(self) -> WorkerHealth:
        """How it is: asked now, unless it is known to be silent, which `_watch` finds over."""
        if self._process is not None and self.state is WorkerState.RUNNING:
            return await self._look_at(self._process)
        return WorkerHealth(self.state, None)

    async def _look_at(self, process: Running) -> WorkerHealth:
        """How the process that runs is, asked now; one that has hung up is about to end, and no call reaches it."""
        page: Page | None = None
        state = WorkerState.RUNNING
        try:
            page = json.loads(await process.channel.ask(place.HEALTH, ANSWER_S))
        except Gone:
            state = WorkerState.STARTING
        except Silent:
            state = WorkerState.SILENT
        if process is not self._process:  # it has ended meanwhile
            return WorkerHealth(WorkerState.STARTING, None)
        self.state, self.page = state, page or self.page
        return WorkerHealth(state, page)

    def _sessions(self) -> int:
        """That it had when it was seen last."""
        return self.page["sessions"] if self.page else 0

    async def _listens(self, _: bytes) -> bytes:
        self.state = WorkerState.RUNNING
        self._listening.set()
        return b""

    async def _watch(self, process: Running) -> None:
        """End a process that does not come to listen, or is silent for too long."""
        now_s = asyncio.get_running_loop().time
        heard_s = now_s()
        try:
            async with asyncio.timeout(START_S):
                await self._listening.wait()
        except TimeoutError:
            self._end_hung(process, now_s() - heard_s)
            return
        heard_s, silent_looks = now_s(), 0
        while silent_looks < HUNG_LOOKS:
            await asyncio.sleep(LOOK_EVERY_S)
            if (await self._look_at(process)).page is None:
                silent_looks += 1
            else:
                heard_s, silent_looks = now_s(), 0
        self._end_hung(process, now_s() - heard_s)

    def _end_hung(self, process: Running, silent_s: float) -> None:
        fields = {"of_worker": self.index, "pid": process.pid, "silent_s": round(silent_s, 1)}
        _log.error("worker does not answer and is killed", extra=fields)
        process.kill()
