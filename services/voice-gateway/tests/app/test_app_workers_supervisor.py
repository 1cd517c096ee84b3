"""How workers are kept: started, started again, asked, found hung, ended; in virtual time, with no process."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest
from app.worker_world import KILLED, World
from gateway_kit import virtual_time
from voice_gateway.app.workers import place
from voice_gateway.app.workers.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff
from voice_gateway.app.workers.supervisor import HURRIED_S, LEAVING_S, CannotStart
from voice_gateway.app.workers.worker import ANSWER_S, HUNG_LOOKS, LOOK_EVERY_S, START_S

GRACE_S = 30.0
HUNG_S = HUNG_LOOKS * (LOOK_EVERY_S + ANSWER_S)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run to its end in virtual time."""
    virtual_time.run(main)


def test_the_first_is_started_alone_then_the_others() -> None:
    """What is wrong for all is told by one; and nobody says that it listens before all do."""

    async def main() -> None:
        world = World(3)
        world.listens = False
        starting = asyncio.create_task(world.supervisor.start())
        await asyncio.sleep(1)
        assert [len(each) for each in world.processes] == [1, 0, 0]
        world.running(0).own.tell(place.LISTENING)
        await asyncio.sleep(1)
        assert [len(each) for each in world.processes] == [1, 1, 1]
        world.running(1).own.tell(place.LISTENING)
        await asyncio.sleep(1)
        assert not starting.done()
        assert not (await world.health())["is_ready"]
        world.running(2).own.tell(place.LISTENING)
        await starting
        assert (await world.health())["is_ready"]
        await world.supervisor.end()

    run(main())


def test_a_worker_that_served_may_die_while_others_start() -> None:
    """It is started again like any other, and the calls of the others go on."""

    async def main() -> None:
        world = World(3)
        world.listens = False
        starting = asyncio.create_task(world.supervisor.start())
        for index in (0, 1):
            await asyncio.sleep(1)
            world.running(index).own.tell(place.LISTENING)
        await asyncio.sleep(1)
        world.running(1).end(KILLED)
        await world.again(1, 2)
        world.running(1).end(1)
        await world.again(1, 3)
        assert [len(each) for each in world.processes] == [1, 3, 1]
        assert not starting.done()
        for index in (1, 2):
            world.running(index).own.tell(place.LISTENING)
        await starting
        await world.supervisor.end()

    run(main())


def test_how_a_worker_ends_that_never_served_is_no_failure_of_the_drain() -> None:
    """A signal to all may meet it before it knows what to do with one."""

    async def main() -> None:
        world = World()
        world.listens = world.ends_on_drain = False
        starting = asyncio.create_task(world.supervisor.start())
        await asyncio.sleep(1)
        draining = asyncio.create_task(world.supervisor.drain(GRACE_S))
        await asyncio.sleep(1)
        world.running(0).end(-15)
        assert await draining == 0
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    run(main())


@pytest.mark.parametrize(("status", "code"), [(2, 2), (1, 1), (0, 1), (KILLED, 1)])
def test_a_worker_that_cannot_start_ends_the_whole(status: int, code: int) -> None:
    """With its own exit code; it is not tried again and again."""

    async def main() -> None:
        world = World()
        world.early_status = status
        with pytest.raises(CannotStart) as raised:
            await world.supervisor.start()
        assert raised.value.status == code
        assert [len(each) for each in world.processes] == [1, 0]
        await world.supervisor.end()

    run(main())


def test_a_worker_that_never_listens_ends_the_whole(caplog: pytest.LogCaptureFixture) -> None:
    """It is killed after a time in which any would have started."""

    async def main() -> None:
        world = World()
        world.listens = False
        with pytest.raises(CannotStart):
            await world.supervisor.start()
        await world.supervisor.end()

    run(main())
    (told,) = [each for each in caplog.records if each.message == "worker does not answer and is killed"]
    assert told.__dict__["silent_s"] == pytest.approx(START_S, abs=0.1)


def test_a_worker_that_dies_is_started_again_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    """Which, how, and how many calls are lost; its counters stay, its gauges go, and no sum of counters falls."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        await asyncio.sleep(2)
        world.count = 5
        told = await world.told()
        assert (told["a_total"], told["b"]) == (10, 2)
        world.listens = False
        world.running(1).end(-11)
        await world.again(1, 2)
        told = await world.told()
        assert (told["a_total"], told["b"], told["voicegateway_worker_deaths_total"]) == (10, 1, 1)
        assert told['voicegateway_workers{state="starting"}'] == 1
        assert (await world.health())["is_ready"]
        world.running(1).own.tell(place.LISTENING)
        await asyncio.sleep(0.1)
        world.count = 7
        told = await world.told()
        assert (told["a_total"], told["b"]) == (19, 2)
        await world.supervisor.end()

    run(main())
    (line,) = [each for each in caplog.records if each.message == "worker ended and is started again"]
    fields = line.__dict__
    assert (line.levelno, fields["of_worker"], fields["signal"]) == (logging.ERROR, 1, "SIGSEGV")
    assert (fields["sessions_lost"], fields["again_in_s"]) == (11, FIRST_S)


@pytest.mark.parametrize(
    ("status", "told"),
    [(0, ("exit_status", 0)), (3, ("exit_status", 3)), (-15, ("signal", "SIGTERM")), (-40, ("signal", "40"))],
)
def test_how_a_worker_ended_is_told(status: int, told: tuple[str, object], caplog: pytest.LogCaptureFixture) -> None:
    """A worker that ends by itself, well or not, is started again like any other."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.running(0).end(status)
        await world.again(0, 2)
        await world.supervisor.end()

    run(main())
    (line,) = [each for each in caplog.records if each.message == "worker ended and is started again"]
    assert line.__dict__[told[0]] == told[1]


def test_a_worker_that_dies_at_once_is_no_hot_loop() -> None:
    """Nor is a system that has no room for a process: a minute of either is a few tries."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.early_status = 1
        world.running(0).end(1)
        await asyncio.sleep(60)
        assert 8 <= len(world.processes[0]) <= 14
        world.cannot_fork = True
        world.running(1).end(1)
        await asyncio.sleep(60)
        assert len(world.processes[1]) == 1
        world.cannot_fork, world.early_status = False, None
        await asyncio.sleep(LONGEST_S + 1)
        assert (await world.health())["is_ready"]
        assert (await world.told())['voicegateway_workers{state="running"}'] == 2
        await world.supervisor.end()

    run(main())


def test_waits_double_up_to_a_bound_and_begin_anew() -> None:
    """After a worker that ran for long the next try comes soon."""
    backoff = Backoff()
    waits = [backoff.after(0.0) for _ in range(1_000)]
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert max(waits) == waits[-1] == LONGEST_S
    assert backoff.after(STEADY_S) == FIRST_S


def test_a_worker_that_hangs_is_left_out_named_and_at_last_killed(caplog: pytest.LogCaptureFixture) -> None:
    """The others are told of in time; counters stay; then it is started again."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        assert (await world.told())["a_total"] == 2
        world.hangs = True
        began_s = asyncio.get_running_loop().time()
        page = await world.health()
        assert asyncio.get_running_loop().time() - began_s <= ANSWER_S
        assert (page["is_ready"], [each["state"] for each in page["workers"]]) == (False, ["running", "silent"])
        assert page["sessions"] == 10
        told = await world.told()
        assert (told["a_total"], told["b"], told['voicegateway_workers{state="silent"}']) == (2, 1, 1)
        await asyncio.sleep(HUNG_S + 2 * ANSWER_S)
        world.hangs = False
        await world.again(1, 2)
        assert len(world.processes[0]) == 1
        await asyncio.sleep(LOOK_EVERY_S + ANSWER_S)  # the new one hung for a moment, too
        assert (await world.health())["is_ready"]
        await world.supervisor.end()

    run(main())
    (told,) = [each for each in caplog.records if each.message == "worker does not answer and is killed"]
    assert (told.__dict__["of_worker"], told.__dict__["silent_s"]) == (1, pytest.approx(HUNG_S, abs=0.1))


def test_who_is_known_to_be_silent_is_not_asked_again() -> None:
    """Whoever probes or scrapes has an answer at once, and learns soon that it speaks again."""

    async def main() -> None:
        world = World(3)
        await world.supervisor.start()
        world.hangs = True
        await asyncio.sleep(LOOK_EVERY_S + ANSWER_S + 0.1)
        began_s = asyncio.get_running_loop().time()
        assert [each["state"] for each in (await world.health())["workers"]] == ["running", "silent", "running"]
        assert (await world.told())['voicegateway_workers{state="silent"}'] == 1
        assert place.split(await world.running(0).own.ask(place.OTHERS, 60))[1] is None
        assert asyncio.get_running_loop().time() - began_s < ANSWER_S / 2
        world.hangs = False
        await asyncio.sleep(LOOK_EVERY_S + ANSWER_S + 0.1)
        assert (await world.health())["is_ready"]
        assert len(world.processes[1]) == 1
        await world.supervisor.end()

    run(main())


def test_a_worker_that_has_hung_up_is_not_silent(caplog: pytest.LogCaptureFixture) -> None:
    """No call reaches one that is about to end, so the others stay ready; one that then stays is killed."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.running(1).own.close()
        await asyncio.sleep(0.1)
        page = await world.health()
        assert (page["is_ready"], [each["state"] for each in page["workers"]]) == (True, ["running", "starting"])
        assert (await world.told())['voicegateway_workers{state="silent"}'] == 0
        await world.again(1, 2)
        await world.supervisor.end()

    run(main())
    (told,) = [each for each in caplog.records if each.message == "worker does not answer and is killed"]
    assert told.__dict__["silent_s"] == pytest.approx(HUNG_LOOKS * LOOK_EVERY_S, abs=0.1)


def test_a_worker_is_told_what_the_others_do() -> None:
    """Each but itself, and of who is silent that it is."""

    async def main() -> None:
        world = World(3)
        await world.supervisor.start()
        ask = world.running(0).own.ask
        assert place.split(await ask(place.OTHERS, 60)) == {1: b"1 works", 2: b"2 works"}
        world.hangs = True
        assert place.split(await ask(place.OTHERS, 60)) == {1: None, 2: b"2 works"}
        await world.supervisor.end()

    run(main())


def test_all_drain_and_the_exit_code_is_that_of_one_process() -> None:
    """0 if all ended well, 1 if one did not."""

    async def main() -> None:
        for status in (0, 1):
            world = World()
            await world.supervisor.start()
            world.ends_on_drain = False
            draining = asyncio.create_task(world.supervisor.drain(GRACE_S))
            await asyncio.sleep(1)
            assert world.orders == [(0, place.DRAIN), (1, place.DRAIN)]
            assert (await world.health())["is_draining"]
            assert not (await world.health())["is_ready"]
            world.running(0).end(0)
            world.running(1).end(status)
            assert await draining == status
            assert [len(each) for each in world.processes] == [1, 1]

    run(main())


def test_a_drain_has_an_end() -> None:
    """A worker that does not leave is killed, and that is a failure."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.ends_on_drain = False
        began_s = asyncio.get_running_loop().time()
        assert await world.supervisor.drain(GRACE_S) == 1
        assert asyncio.get_running_loop().time() - began_s <= GRACE_S + LEAVING_S + 1
        await world.supervisor.end()
        assert all(each[-1].ended.done() for each in world.processes)

    run(main())


def test_a_worker_that_waits_to_be_started_again_holds_up_no_drain() -> None:
    """And one that is being started is told to leave as soon as it can hear."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.early_status = 1
        world.running(0).end(1)
        await asyncio.sleep(30)
        began_s = asyncio.get_running_loop().time()
        assert await world.supervisor.drain(GRACE_S) == 0
        assert asyncio.get_running_loop().time() - began_s < 1

    run(main())


def test_whoever_is_in_a_hurry_is_obeyed() -> None:
    """A second order ends the drain of all."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.ends_on_drain = False
        draining = asyncio.create_task(world.supervisor.drain(GRACE_S))
        await asyncio.sleep(1)
        world.supervisor.hurry()
        assert await draining == 0
        assert world.orders[2:] == [(0, place.STOP), (1, place.STOP)]

    run(main())


def test_who_hangs_holds_up_nobody_who_is_in_a_hurry(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that does not hear the second order is killed a few seconds later, and that is a failure."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        world.ends_on_drain = world.ends_on_stop = False
        draining = asyncio.create_task(world.supervisor.drain(GRACE_S))
        await asyncio.sleep(1)
        world.running(0).end(0)
        world.supervisor.hurry()
        began_s = asyncio.get_running_loop().time()
        assert await draining == 1
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(HURRIED_S, abs=0.1)
        await world.supervisor.end()

    run(main())
    (told,) = [each for each in caplog.records if each.message == "workers outlived the drain and are killed"]
    assert told.__dict__["pids"] == [100]


def test_who_ask_at_once_are_told_the_same() -> None:
    """Answers of a worker are taken in the order of its questions, so that no counter is told lower than before."""

    async def main() -> None:
        world = World()
        await world.supervisor.start()
        one, other = await asyncio.gather(world.supervisor.metrics(), world.supervisor.metrics())
        assert one is other
        assert await world.supervisor.metrics() is not one
        await world.supervisor.end()

    run(main())
