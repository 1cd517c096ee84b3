"""Keeps workers: starts them, starts them again, asks them, ends them. It knows nothing of calls."""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from voice_gateway.app.workers import place
from voice_gateway.app.workers.backoff import Backoff
from voice_gateway.app.workers.worker import Ended, Start, Worker
from voice_gateway.observability.merging.health import WorkerState, merged, written
from voice_gateway.observability.merging.metrics import Registry, Sums

LEAVING_S: Final = 15.0
"""Beyond the grace: for last writes, last spans, and what is left of cancelled calls."""
HURRIED_S: Final = 8.0
"""After the order to end at once: for last writes and last spans. Who has not ended by then hangs."""
NO_ROOM_STATUS: Final = 1

_log = logging.getLogger("voice_gateway.workers")


class CannotStart(Exception):  # noqa: N818  said as the fact it is
    """A worker ended before it served for the first time; it has said why itself.

    Attributes:
        status: with which the whole is to end.
    """

    def __init__(self, worker: int, status: int) -> None:
        super().__init__(f"worker {worker} ended with {status} before it served")
        self.status = status if status > 0 else 1


class Supervisor:
    """All workers of one gateway."""

    def __init__(self, starts: Sequence[Start], version: str) -> None:
        """`starts` has who starts each worker."""
        self._workers = [Worker(index, start, self._tell_others) for index, start in enumerate(starts)]
        self._version = version
        self._sums = Sums(len(starts))
        self._collecting: asyncio.Future[Registry] | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._has_started = False
        self._leaving = asyncio.Event()
        self._killing: asyncio.TimerHandle | None = None
        """What ends those that were told to hurry and hang."""
        self._statuses: list[int] = []
        """Of workers that served, and ended as the gateway did."""

    async def start(self) -> None:
        """Start the first, and when it serves the others: what is wrong for all is said once.

        Raises:
            CannotStart: one has ended and never served.
        """
        for some in (self._workers[:1], self._workers[1:]):
            self._keepers += [asyncio.create_task(self._keep(each), name=f"worker {each.index}") for each in some]
            await self._first_of_keepers_or(asyncio.gather(*(each.listens() for each in some)))
        self._has_started = True

    async def failed(self) -> None:
        """Wait for what must not be: who keeps a worker has failed. Raises that."""
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        for keeper in done:
            keeper.result()

    async def drain(self, grace_s: float) -> int:
        """Have all finish their calls and end; return the exit code, 0 if all ended well."""
        self._leaving.set()
        _log.info("draining", extra={"workers": len(self._workers), "grace_s": grace_s})
        self._order(place.DRAIN)
        done, late = await asyncio.wait(self._keepers, timeout=grace_s + LEAVING_S)
        if late:
            self._kill_late()
            return 1
        for keeper in done:
            keeper.result()
        return int(any(self._statuses))

    def hurry(self) -> None:
        """Have those that drain end now; who hangs is killed a little later."""
        self._leaving.set()
        self._order(place.STOP)
        self._killing = asyncio.get_running_loop().call_later(HURRIED_S, self._kill_late)

    async def end(self) -> None:
        """Kill what is left."""
        self._leaving.set()
        if self._killing is not None:
            self._killing.cancel()
        for worker in self._workers:
            worker.kill()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    # --- what others ask -----------------------------------------------------------------------------------------

    async def health(self) -> tuple[bool, bytes]:
        """Whether the gateway is ready, and its page."""
        looks = await asyncio.gather(*(each.look() for each in self._workers))
        page = merged(looks, has_started=self._has_started, is_draining=self._leaving.is_set(), version=self._version)
        return written(page)

    async def metrics(self) -> Registry:
        """The metrics of all. Who asks while others do gets the same: answers are taken in the order of questions."""
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.ensure_future(self._collect())
        return await asyncio.shield(self._collecting)

    async def _collect(self) -> Registry:
        processes = [each.pid for each in self._workers]
        answers = await asyncio.gather(*(each.ask(place.METRICS) for each in self._workers))
        # what a process told that has ended meanwhile belongs to the dead, whose counts were taken
        same = [each.pid == pid for each, pid in zip(self._workers, processes, strict=True)]
        self._sums.take([answer if is_same else None for answer, is_same in zip(answers, same, strict=True)])
        states = Counter(each.state for each in self._workers)
        self._sums.count((state.value, states[state]) for state in WorkerState)
        return self._sums.registry()

    async def _tell_others(self, asker: int) -> bytes:
        """What all but one do, for that one."""
        others = [each for each in self._workers if each.index != asker]
        told = await asyncio.gather(*(each.ask(place.OVERVIEW) for each in others))
        return place.joined({each.index: answer for each, answer in zip(others, told, strict=True)})

    # --- keeping them --------------------------------------------------------------------------------------------

    async def _keep(self, worker: Worker) -> None:
        """Start a worker, and again whenever it ends, until the gateway leaves."""
        backoff = Backoff()
        has_listened = False
        while True:
            ended = await self._see_through(worker)
            if self._leaving.is_set():
                if ended.has_listened:  # what happens to one that starts while all leave is no failure
                    self._statuses.append(ended.status)
                return
            has_listened = has_listened or ended.has_listened
            if not has_listened:
                raise CannotStart(worker.index, ended.status)
            self._sums.died(worker.index)
            wait_s = backoff.after(ended.ran_s)
            _log.error("worker ended and is started again", extra=_told(worker, ended, wait_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._leaving.wait()
                return

    async def _see_through(self, worker: Worker) -> Ended:
        try:
            return await worker.run()
        except OSError as error:
            _log.error("worker cannot be started", extra={"of_worker": worker.index, "reason": str(error)})
            return Ended(NO_ROOM_STATUS, 0, 0.0, has_listened=False)

    async def _first_of_keepers_or(self, awaited: "asyncio.Future[Any]") -> None:
        """Wait for something; raises what a keeper raises meanwhile."""
        try:
            await asyncio.wait([awaited, *self._keepers], return_when=asyncio.FIRST_COMPLETED)
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()
        finally:
            awaited.cancel()
            await asyncio.gather(awaited, return_exceptions=True)

    def _kill_late(self) -> None:
        """Kill those that drain for too long."""
        if pids := [each.pid for each in self._workers if each.pid is not None]:
            _log.error("workers outlived the drain and are killed", extra={"pids": pids})
        for worker in self._workers:
            worker.kill()

    def _order(self, name: str) -> None:
        for worker in self._workers:
            worker.order(name)


def _told(worker: Worker, ended: Ended, wait_s: float) -> dict[str, object]:
    how = {"exit_status": ended.status} if ended.status >= 0 else {"signal": _name(-ended.status)}
    return {"of_worker": worker.index, **how, "sessions_lost": ended.sessions, "again_in_s": wait_s}


def _name(number: int) -> str:
    """That of a signal; of most real-time signals there is none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
