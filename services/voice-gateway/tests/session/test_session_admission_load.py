"""Which load lets nobody in, and how it is measured."""

import asyncio
from functools import reduce
from pathlib import Path

import pytest
from gateway_kit import virtual_time
from voice_gateway.domain.caller import UNKNOWN
from voice_gateway.domain.errors import Limit, Reason, Refused
from voice_gateway.domain.instant import Instant
from voice_gateway.session.admission.gate import ALWAYS_ADMITTED, Admission, AdmissionSettings
from voice_gateway.session.admission.load import SUSTAINED, Excess, Load, LoadLimits, Pressure, judge
from voice_gateway.session.admission.sampler import EVERY_MS, LoadSampler, usable_cores
from voice_gateway.session.pacer import Pacer

NOW = Instant(0)
LIMITS = LoadLimits(max_cpu_percent=80, max_added_ms=40)
IDLE, BUSY, LATE = Load(1, 0), Load(80, 1), Load(20, 40)
NEARLY = Load(79.9, 39.9)
"""Below the limits, but not so far that anybody would be admitted again."""


def verdict(*loads: Load, limits: LoadLimits = LIMITS) -> Pressure:
    """What is thought after these measurements."""
    return reduce(lambda before, load: judge(before, load, limits), loads, Pressure())


def admission(sessions: int, *loads: Load, capacity: int = 50) -> Admission:
    """So many sessions, and then these measurements."""
    made = Admission(AdmissionSettings(capacity, LIMITS))
    for _ in range(sessions):
        made.take(UNKNOWN, NOW)
    for load in loads:
        made.observe(load)
    return made


@pytest.mark.parametrize(("load", "excess"), [(BUSY, Excess.CPU), (LATE, Excess.ADDED_LATENCY)])
def test_load_that_lasts_is_too_much(load: Load, excess: Excess) -> None:
    """The third measurement in a row refuses newcomers; two of three, or a burst again and again, do not."""
    assert verdict(*[load] * (SUSTAINED - 1)).excess is None
    assert verdict(*[load] * SUSTAINED).excess is excess
    assert verdict(load, load, NEARLY, load, load, NEARLY).excess is None


def test_relief_must_be_real_and_last() -> None:
    """Just below the limit is no relief, or each newcomer would tip it over again."""
    full = [BUSY] * SUSTAINED
    assert verdict(*full, *[NEARLY] * 100).excess is Excess.CPU
    assert verdict(*full, IDLE, IDLE, BUSY, IDLE, IDLE).excess is Excess.CPU
    assert verdict(*full, *[IDLE] * SUSTAINED).excess is None


def test_a_relieved_measure_does_not_hide_the_other() -> None:
    """Nobody is admitted while one of the two is too much."""
    assert verdict(*[BUSY] * SUSTAINED, *[LATE] * 100).excess is Excess.CPU


@pytest.mark.parametrize("limits", [LoadLimits(0, 0), LoadLimits(0, 41), LoadLimits(81, 0)])
def test_a_measure_that_is_off_refuses_nobody(limits: LoadLimits) -> None:
    """0 turns each off by itself."""
    assert verdict(*[Load(80, 40)] * 100, limits=limits).excess is None
    assert verdict(Load(1e9, 1e9), limits=LoadLimits(0, 0)).share == 0


@pytest.mark.parametrize(("load", "limit"), [(BUSY, Limit.CPU), (LATE, Limit.ADDED_LATENCY)])
def test_a_loaded_server_refuses_newcomers_by_name(load: Load, limit: Limit) -> None:
    """AT_CAPACITY with a time to come again, although there are places; relief lets in again."""
    made = admission(ALWAYS_ADMITTED, *[load] * SUSTAINED)
    with pytest.raises(Refused) as refused:
        made.take(UNKNOWN, NOW)
    assert (refused.value.reason, refused.value.limit) == (Reason.AT_CAPACITY, limit)
    assert refused.value.retry_after_ms
    for _ in range(SUSTAINED):
        made.observe(IDLE)
    made.take(UNKNOWN, NOW)


def test_a_single_caller_is_never_refused_for_load() -> None:
    """A laptop whose models take both cores still answers its one user, and the next three."""
    made = admission(0, *[Load(400, 5_000)] * 100)
    assert made.fullness == 0
    for _ in range(ALWAYS_ADMITTED):
        made.take(UNKNOWN, NOW)
    with pytest.raises(Refused):
        made.check(UNKNOWN, NOW)


def test_fullness_is_what_an_autoscaler_needs() -> None:
    """0 when empty, 1 exactly when newcomers are refused, and between them whatever is nearest to its limit."""
    assert admission(0).fullness == 0
    assert admission(25).fullness == 0.5
    assert admission(5, Load(60, 0)).fullness == 0.75
    assert admission(5, Load(0, 30)).fullness == 0.75
    assert admission(25, Load(8, 4)).fullness == 0.5
    assert admission(49, BUSY).fullness == 0.99
    assert admission(10, *[BUSY] * SUSTAINED).fullness == 1
    assert admission(10, *[BUSY] * SUSTAINED, Load(75, 0)).fullness == 1
    assert admission(50).fullness == 1


def test_a_small_server_is_full_with_fewer_than_are_always_admitted() -> None:
    """Load is forgiven to the first sessions, a lack of places to nobody."""
    made = admission(2, capacity=2)
    with pytest.raises(Refused) as refused:
        made.take(UNKNOWN, NOW)
    assert refused.value.limit is Limit.SESSIONS


@pytest.mark.parametrize(
    ("written", "cores"),
    [
        ("max 100000\n", 1.0),
        ("50000 100000\n", 0.5),
        ("400000 100000\n", 1.0),
        ("nonsense", 1.0),
        ("1 0", 1.0),
        ("0 100000", 1.0),
        (None, 1.0),
    ],
)
def test_a_limit_below_one_core_is_known(tmp_path: Path, written: str | None, cores: float) -> None:
    """Half a core that is granted is all of what there is; more than one is of no use, and no limit is one core."""
    file = tmp_path / "cpu.max"
    if written is not None:
        file.write_text(written)
    assert usable_cores(file) == cores


def test_cpu_is_measured_against_what_is_granted() -> None:
    """0.3 s of CPU in a second are 30 % of a core and 60 % of half of one; what was before does not count."""
    cpu_s, clock_s = iter([10.0, 10.3, 10.3]), iter([100.0, 101.0, 101.0])
    sampler = LoadSampler(lambda: (), cores=0.5, cpu_s=lambda: next(cpu_s), clock_s=lambda: next(clock_s))
    assert sampler.sample().cpu_percent == pytest.approx(60)
    assert sampler.sample() == Load(0, 0)


def test_one_late_tick_in_ten_is_no_latency() -> None:
    """The 90th percentile of a second's lateness is what counts; without ticks nobody waits."""
    late = iter([[50.0, *[1.0] * 9], [50.0, 50.0, *[1.0] * 8], []])
    sampler = LoadSampler(lambda: next(late), cores=1)
    assert [sampler.sample().added_ms for _ in range(3)] == [1, 50, 0]


def test_ticks_that_come_a_frame_late_are_counted() -> None:
    """Of 20, 20.1 and 60 ms the last two are more than a frame: clients whose lead is short hear them."""
    sampler = LoadSampler(lambda: [20.0, 20.1, 60.0, 1.0], cores=1)
    assert sampler.sample().late_ticks == 2


def test_the_pacer_tells_how_late_its_ticks_are() -> None:
    """A loop that is held for 70 ms from 10 ms before a tick is seen in it and in those that it came instead of: of 60,
    40 and 20 ms; each is told once.
    """

    class Ticked:
        def tick(self, now: Instant) -> None:
            """Nothing to do."""

    async def main() -> None:
        loop, pacer, ticked = asyncio.get_running_loop(), Pacer(), Ticked()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        pacer.add(ticked)
        loop.call_later(0.05, loop.hold, 0.07)
        await asyncio.sleep(0.2)
        pacer.remove(ticked)
        late_ms = [late for late in pacer.take_lateness_ms() if late > 15]
        assert len(late_ms) == 3
        assert all(late >= least for late, least in zip(late_ms, (59, 39, 19), strict=True))
        assert pacer.take_lateness_ms() == ()

    virtual_time.run(main())


def test_a_rhythm_of_stalls_is_not_hidden_by_the_ticks_between() -> None:
    """Twice a second the loop stands still for 200 ms: 20 of 50 ticks are late, and the measure says so,
    though only two ticks in that second came late.
    """

    class Ticked:
        def tick(self, now: Instant) -> None:
            """Nothing to do."""

    async def main() -> None:
        loop, pacer, ticked = asyncio.get_running_loop(), Pacer(), Ticked()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        sampler = LoadSampler(pacer.take_lateness_ms, cores=1)
        pacer.add(ticked)
        for begins_s in (0.21, 0.71):
            loop.call_later(begins_s, loop.hold, 0.2)
        await asyncio.sleep(1)
        pacer.remove(ticked)
        assert sampler.sample().added_ms > 100

    virtual_time.run(main())


def test_the_load_is_measured_every_second() -> None:
    """Measurements come for as long as the process serves."""
    seen: list[Load] = []

    async def observe(load: Load) -> None:
        seen.append(load)

    async def main() -> None:
        task = asyncio.create_task(LoadSampler(lambda: (3.0,), cores=1).watch(observe))
        await asyncio.sleep(3.5 * EVERY_MS / 1_000)
        task.cancel()
        await asyncio.wait({task})
        assert [load.added_ms for load in seen] == [3, 3, 3]

    virtual_time.run(main())
