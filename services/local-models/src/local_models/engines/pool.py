"""The one bounded queue in front of the recogniser: two worker threads that take the most urgent job first.

One worker takes any job; the other only what somebody waits for (`Priority.ENDPOINT` and above), so that an interim or
a file in progress never delays a final. Two, because each decode runs on one thread: Moonshine is no faster on two
(5 s of speech: 159 ms on one thread, 184 ms on two, which spin), while two decodes side by side take 114 ms each
(measured 2026-11-21). Not more, because the machine this is made for has two cores.

Order: lower `Priority` first, then first come first served. A queued job can be cancelled, promoted, or given newer
work to do in its place; a running one cannot be stopped, but nobody hears its result once it is cancelled.
"""

import asyncio
import heapq
import itertools
import threading
import traceback
from collections.abc import Callable
from enum import Enum, IntEnum
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")


class Priority(IntEnum):
    """What may overtake what. Somebody is waiting for a FINAL; nobody misses an INTERIM that never came."""

    FINAL = 0
    ENDPOINT = 1
    OFFLINE = 2
    INTERIM = 3


class PoolFullError(RuntimeError):
    """As many jobs are waiting as this process will carry: the caller must refuse, not wait."""


class PoolClosedError(RuntimeError):
    """The pool has been closed; the process is going down."""


class JobState(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    OVER = "over"


class Job(Generic[T]):
    """A handle on submitted work. All methods are for the event loop's thread."""

    __slots__ = ("_loop", "_pool", "_work", "future", "priority", "state")

    def __init__(self, pool: "InferencePool", priority: Priority, work: Callable[[], T]) -> None:
        self._pool = pool
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.priority = priority
        self.state = JobState.QUEUED
        self.future: asyncio.Future[T] = self._loop.create_future()

    def cancel(self) -> None:
        """Take it out of the queue, or let nobody hear its result if it is already running. Idempotent."""
        self._pool.withdraw(self)
        self.future.cancel()

    def promote(self, priority: Priority) -> None:
        """Make a queued job more urgent; no effect on one that runs or is over."""
        self._pool.promote(self, priority)

    def supersede(self, work: Callable[[], T]) -> bool:
        """Give a queued job newer work in its place in the queue; False when it is too late for that."""
        return self._pool.supersede(self, work)

    def run(self) -> TracebackType | None:
        """Do the work on the calling (worker) thread and hand the outcome to the event loop.

        Returns the frames of work that failed, for the caller to clear. They hold the audio and this job, the job its
        future, the future the error, and the error the frames.
        """
        try:
            result = self._work()
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to the one who awaits the future
            frames = error.__traceback__  # those of this thread; whoever awaits the future adds others
            self._post(self._fail, error)
            return frames
        self._post(self._succeed, result)
        return None

    def _post(self, settle: Callable[..., None], outcome: object) -> None:
        try:
            self._loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            # a closed loop means that the process is going down and nobody is left to tell

    def _succeed(self, result: T) -> None:
        self.state = JobState.OVER
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: Exception) -> None:
        self.state = JobState.OVER
        if not self.future.done():
            self.future.set_exception(error)


WORKERS: Final = (Priority.INTERIM, Priority.ENDPOINT)
"""The least urgent job that each worker takes. Engines must bear as many calls at once as there are workers."""


class InferencePool:
    """The workers and their bounded priority queue. `close()` it before the event loop ends."""

    def __init__(self, *, max_pending_jobs: int, name: str = "inference") -> None:
        self._max_pending_jobs = max_pending_jobs
        self._changed = threading.Condition()
        self._heap: list[tuple[Priority, int, Job[Any]]] = []
        self._pending = 0
        self._tickets = itertools.count()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(least,), name=f"{name}-{least.name}", daemon=True)
            for least in WORKERS
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pending_jobs(self) -> int:
        """Jobs that wait for a worker; the running ones are not counted."""
        with self._changed:
            return self._pending

    def submit(self, priority: Priority, work: Callable[[], T]) -> Job[T]:
        """Queue `work`; await the returned job's `future`. Raises PoolFullError or PoolClosedError at once."""
        job = Job(self, priority, work)
        with self._changed:
            if self._closed:
                raise PoolClosedError("the inference pool is closed")
            # interims may fill only half of the queue, so that they never take a final's place
            places = self._max_pending_jobs // (2 if priority is Priority.INTERIM else 1)
            if self._pending >= places:
                raise PoolFullError(f"{self._pending} inference jobs are waiting already")
            self._push(job)
            self._pending += 1
            self._changed.notify_all()
        return job

    def withdraw(self, job: Job[T]) -> None:
        """Forget a queued job. Its heap entry is skipped when it comes up."""
        with self._changed:
            if job.state is JobState.QUEUED:
                job.state = JobState.OVER
                self._pending -= 1

    def promote(self, job: Job[T], priority: Priority) -> None:
        """Queue the job again further ahead; the older entry is skipped when it comes up."""
        with self._changed:
            if job.state is JobState.QUEUED and priority < job.priority:
                job.priority = priority
                self._push(job)
                self._changed.notify_all()

    def supersede(self, job: Job[T], work: Callable[[], T]) -> bool:
        """Swap the work of a queued job, which keeps its place."""
        with self._changed:
            if job.state is not JobState.QUEUED:
                return False
            job._work = work  # noqa: SLF001 - a job and its pool are one mechanism; the lock lives here
            return True

    def close(self) -> None:
        """Refuse new jobs, cancel the queued ones, wait for the running ones. For the event loop's thread."""
        with self._changed:
            self._closed = True
            waiting = [job for _, _, job in self._heap if job.state is JobState.QUEUED]
            self._changed.notify_all()
        for job in waiting:
            job.cancel()
        for thread in self._threads:
            thread.join()

    def _push(self, job: Job[T]) -> None:
        heapq.heappush(self._heap, (job.priority, next(self._tickets), job))

    def _next(self, least: Priority) -> Job[Any] | None:
        with self._changed:
            while True:
                while self._heap and (self._heap[0][0] <= least or self._heap[0][2].state is not JobState.QUEUED):
                    _, _, job = heapq.heappop(self._heap)
                    if job.state is JobState.QUEUED:
                        job.state = JobState.RUNNING
                        self._pending -= 1
                        return job
                if self._closed:
                    return None
                self._changed.wait()

    def _serve(self, least: Priority) -> None:
        while (job := self._next(least)) is not None:
            traceback.clear_frames(job.run())
            del job  # a finished job holds its audio: do not keep it until the next one comes
