"""The bounded queue in front of the recogniser."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from local_models.engines.pool import InferencePool, JobState, PoolClosedError, PoolFullError, Priority
from local_models.engines.recognition import Samples


class Held:
    """A pool whose workers are both busy until `release()`, so that a test can arrange the queue."""

    def __init__(self, max_pending_jobs: int = 10) -> None:
        self.pool = InferencePool(max_pending_jobs=max_pending_jobs)
        self.order: list[str] = []
        self._gates = (threading.Event(), threading.Event())
        self._busy = threading.Barrier(3, timeout=10)

    async def occupy(self) -> None:
        for _ in self._gates:
            self.pool.submit(Priority.FINAL, self._block)
        await asyncio.to_thread(self._busy.wait)

    def _block(self) -> None:
        takes_any_job = threading.current_thread().name.endswith(Priority.INTERIM.name)
        self._busy.wait()
        self._gates[0 if takes_any_job else 1].wait(timeout=10)

    def note(self, name: str) -> str:
        self.order.append(name)
        return name

    def release_one(self) -> None:
        """The worker that takes any job goes on; the other one stays busy, so that order can be seen."""
        self._gates[0].set()

    def release(self) -> None:
        for gate in self._gates:
            gate.set()


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    held = Held()
    await held.occupy()
    yield held
    held.release()
    held.pool.close()


async def test_the_most_urgent_job_runs_first(held: Held) -> None:
    """Finals overtake first passes, those overtake files, those overtake interims; equals keep their order."""
    wanted = [Priority.INTERIM, Priority.OFFLINE, Priority.FINAL, Priority.ENDPOINT, Priority.INTERIM]
    jobs = [
        held.pool.submit(priority, partial(held.note, f"{index} {priority.name}"))
        for index, priority in enumerate(wanted)
    ]
    held.release_one()
    await asyncio.gather(*(job.future for job in jobs))
    assert held.order == ["2 FINAL", "3 ENDPOINT", "1 OFFLINE", "0 INTERIM", "4 INTERIM"]


async def test_more_than_the_bound_is_refused_at_once(held: Held) -> None:
    """The queue never grows past its bound, and a place that is given up can be taken."""
    jobs = [held.pool.submit(Priority.OFFLINE, lambda: None) for _ in range(10)]
    with pytest.raises(PoolFullError, match="10 inference jobs are waiting already"):
        held.pool.submit(Priority.FINAL, lambda: None)
    jobs[0].cancel()
    held.pool.submit(Priority.FINAL, lambda: None)
    assert held.pool.pending_jobs == 10


async def test_interims_never_take_the_last_places(held: Held) -> None:
    """Half of the queue is kept for what cannot be left out."""
    for _ in range(5):
        held.pool.submit(Priority.INTERIM, lambda: None)
    with pytest.raises(PoolFullError):
        held.pool.submit(Priority.INTERIM, lambda: None)
    held.pool.submit(Priority.FINAL, lambda: None)


async def test_a_cancelled_job_never_runs(held: Held) -> None:
    """Work that is void costs nothing once it is taken out of the queue."""
    job = held.pool.submit(Priority.FINAL, partial(held.note, "void"))
    other = held.pool.submit(Priority.INTERIM, partial(held.note, "other"))
    job.cancel()
    job.cancel()
    held.release_one()
    await other.future
    assert held.order == ["other"]
    assert job.future.cancelled()
    assert held.pool.pending_jobs == 0


async def test_a_promoted_job_overtakes_and_runs_once(held: Held) -> None:
    """Promotion moves a queued job forward without running it twice; demotion is no promotion."""
    late = held.pool.submit(Priority.INTERIM, partial(held.note, "late"))
    early = held.pool.submit(Priority.INTERIM, partial(held.note, "early"))
    early.promote(Priority.FINAL)
    early.promote(Priority.OFFLINE)
    assert early.priority is Priority.FINAL
    assert held.pool.pending_jobs == 2
    held.release_one()
    await asyncio.gather(late.future, early.future)
    assert held.order == ["early", "late"]


async def test_newer_work_takes_the_place_of_queued_work(held: Held) -> None:
    """A superseded interim decodes the newest audio in the older one's place."""
    job = held.pool.submit(Priority.INTERIM, partial(held.note, "old"))
    assert job.supersede(partial(held.note, "new"))
    held.release()
    assert await job.future == "new"
    assert not job.supersede(partial(held.note, "too late"))
    assert held.order == ["new"]


async def test_what_the_work_raises_reaches_the_one_who_waits(held: Held) -> None:
    """An engine's error is not lost in a thread, and the worker lives on."""

    def fail() -> None:
        raise ValueError("broken weights")

    held.release()
    with pytest.raises(ValueError, match="broken weights"):
        await held.pool.submit(Priority.FINAL, fail).future
    assert await held.pool.submit(Priority.FINAL, lambda: 7).future == 7


async def test_an_interim_never_occupies_both_workers() -> None:
    """While an interim and more interims are decoded, a final starts at once on the reserved worker."""
    pool, gate, started = InferencePool(max_pending_jobs=10), threading.Event(), threading.Event()

    def interim() -> None:
        started.set()
        gate.wait(timeout=10)

    jobs = [pool.submit(Priority.INTERIM, interim) for _ in range(3)]
    await asyncio.to_thread(started.wait, 10)
    assert await pool.submit(Priority.FINAL, lambda: "at once").future == "at once"
    assert [job.state for job in jobs] == [JobState.RUNNING, JobState.QUEUED, JobState.QUEUED]
    gate.set()
    await asyncio.wait([job.future for job in jobs])
    pool.close()


async def test_a_closed_pool_cancels_what_waits_and_takes_nothing_more(held: Held) -> None:
    """At shutdown nobody is left waiting for a decode that will not come."""
    job = held.pool.submit(Priority.FINAL, lambda: None)
    held.release()
    held.pool.close()
    await asyncio.wait([job.future])
    with pytest.raises(PoolClosedError):
        held.pool.submit(Priority.FINAL, lambda: None)


def test_a_decode_that_outlives_the_event_loop_harms_nobody() -> None:
    """At a hasty shutdown the worker finishes its job and leaves, though nobody is left to tell."""
    pool, gate = InferencePool(max_pending_jobs=1), threading.Event()

    async def hasty() -> None:
        pool.submit(Priority.FINAL, lambda: gate.wait(timeout=10))

    asyncio.run(hasty())
    gate.set()
    pool.close()
    assert not any(thread.is_alive() for thread in pool._threads)


def fail_with(audio: Samples) -> None:
    """As an engine does, which is given audio."""
    raise ValueError(f"{len(audio)} samples")


async def test_audio_goes_with_the_job_that_failed() -> None:
    """Up to 30 s of it, 2 MB, would stay until the collector comes."""
    pool = InferencePool(max_pending_jobs=1)
    audio = np.zeros(16_000, np.float32)
    given = weakref.ref(audio)
    gc.disable()
    try:
        job = pool.submit(Priority.FINAL, partial(fail_with, audio))
        with suppress(ValueError):
            await job.future
        pool.close()
        del job, audio
        assert given() is None
    finally:
        gc.enable()
