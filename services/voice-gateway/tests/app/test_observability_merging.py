"""Metrics, health pages and overviews of several workers as those of one gateway."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from gateway_kit.overviews import CALL, OVERVIEW, TURN, address, backend
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as plain_text
from prometheus_client.openmetrics.exposition import generate_latest
from voice_gateway.domain.backend_status import AddressState, BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError, Reason
from voice_gateway.domain.overview.values import MAX_CALLS, LagSeen, RefusalsSeen, WorkerSeen
from voice_gateway.observability import metric_names as names
from voice_gateway.observability.health_page import render
from voice_gateway.observability.merging import health, overviews
from voice_gateway.observability.merging.health import WorkerHealth, WorkerState
from voice_gateway.observability.merging.metrics import MAX_PAST_ADDRESSES, NoMetrics, Sums, parsed
from voice_gateway.observability.metrics import Metrics

RUNNING, SILENT, STARTING = WorkerState.RUNNING, WorkerState.SILENT, WorkerState.STARTING


class Occupied:
    """A worker's sessions."""

    sessions, capacity = 5, 50

    def __init__(self, fullness: float) -> None:
        self.fullness = fullness


def page_of(registry: CollectorRegistry) -> str:
    """What it tells, in OpenMetrics."""
    return str(generate_latest(registry).decode())  # type: ignore[no-untyped-call]  # the library has no type there


def worker_page(fullness: float, ends_at_s: float, *failures: str) -> bytes:
    """The metrics of a worker, as it tells them."""
    metrics = Metrics()
    metrics.watch_admission(Occupied(fullness))
    metrics.watch_certificate(lambda: ends_at_s)
    metrics.loop_lagged(0.002)
    metrics.second_passed(1, (), 20)
    metrics.backend_seen(Backend.LLM, BackendStatus((address("a:1").status,), ()))
    for failed in failures:
        metrics.backend_failed(Backend.LLM, failed)
    return page_of(metrics.registry).encode()


def told(sums: Sums) -> dict[str, float]:
    """All series."""
    text = page_of(sums.registry())
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


FAILED = 'voicegateway_backend_errors_total{address="a:1",backend="llm"}'


def test_counters_and_histograms_are_summed_and_gauges_are_what_they_mean() -> None:
    """The fullest worker, the certificate that ends first, addresses that all know, tasks of all."""
    sums = Sums(2)
    sums.take((worker_page(0.5, 300.0, "a:1"), worker_page(0.9, 200.0, "a:1", "a:1")))
    series = told(sums)
    assert series[FAILED] == 3
    assert series["voicegateway_loop_lag_seconds_count"] == 2
    assert series['voicegateway_loop_lag_seconds_bucket{le="0.0025"}'] == 2
    assert series["voicegateway_loop_lag_seconds_sum"] == pytest.approx(0.004)
    assert series["voicegateway_sessions_capacity"] == 100
    assert series["voicegateway_fullness_ratio"] == 0.9
    assert series["voicegateway_certificate_expiry_timestamp_seconds"] == 200
    assert series['voicegateway_backend_addresses{backend="llm",state="healthy"}'] == 1
    assert series['voicegateway_backend_calls_in_progress{address="a:1",backend="llm"}'] == 4
    assert series["voicegateway_tasks"] == 40
    assert series["voicegateway_late_ticks_total"] == 2


def test_it_is_the_page_of_one_process_with_two_metrics_more() -> None:
    """Names, help and kinds are the same in both formats, so that alerts and dashboards go on."""
    sums = Sums(1)
    page = worker_page(0.5, 1.0)
    sums.take((page,))
    sums.count([(RUNNING, 1)])
    alone = [line for line in page.decode().splitlines() if line.startswith(("# HELP", "# TYPE"))]
    whole = [line for line in page_of(sums.registry()).splitlines() if line.startswith("# ")]
    assert whole[: len(alone)] == alone
    more = {line.split()[2] for line in whole[len(alone) : -1]}
    assert more == {each.name.removesuffix("_total") for each in names.OF_WORKERS}
    assert "# TYPE voicegateway_backend_errors_total counter" in plain_text(sums.registry()).decode()


def test_every_gauge_of_one_process_is_declared() -> None:
    """What the client library adds in another version must not be put together by chance."""
    from voice_gateway.observability.merging import metrics as module  # noqa: PLC0415  its table is its own

    gauges = {family.name for family in parsed(worker_page(0.1, 1.0)) if family.type == "gauge"}
    assert gauges <= set(module._ACROSS)


def test_what_a_worker_counted_stays_when_it_is_dead_or_silent() -> None:
    """A sum of counters never falls; gauges of who does not answer are of another moment, and left out."""
    sums = Sums(2)
    sums.take((worker_page(0.5, 1.0, "a:1"), worker_page(0.5, 1.0, "a:1")))
    sums.take((worker_page(0.5, 1.0, "a:1"), None))
    assert (told(sums)[FAILED], told(sums)["voicegateway_sessions_capacity"]) == (2, 50)
    for _ in range(2):
        sums.died(1)
        sums.take((worker_page(0.5, 1.0, "a:1"), None))
        assert (told(sums)[FAILED], told(sums)["voicegateway_sessions_capacity"]) == (2, 50)
    sums.take((worker_page(0.5, 1.0, "a:1"), worker_page(0.5, 1.0, "a:1", "a:1")))
    assert told(sums)[FAILED] == 4
    assert told(sums)["voicegateway_worker_deaths_total"] == 2


def test_what_is_no_page_is_as_good_as_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The others are told of, and the log has which one it was."""
    sums = Sums(2)
    sums.take((worker_page(0.5, 1.0), b"# TYPE a counter\na_total many\n# EOF\n"))
    assert told(sums)["voicegateway_sessions_capacity"] == 50
    assert caplog.records[0].__dict__["of_worker"] == 1
    with pytest.raises(NoMetrics):
        parsed(b"\xff")


def test_the_dead_are_remembered_within_a_bound() -> None:
    """Workers that die, and backends that move, for weeks take no more memory."""
    sums = Sums(1)
    lines = "".join(f'x_total{{address="a:{number}"}} 1\n' for number in range(MAX_PAST_ADDRESSES + 5))
    sums.take((f"# TYPE x counter\n{lines}# TYPE y counter\ny_total 2\n# EOF\n".encode(),))
    sums.died(0)
    kept = [series for series in told(sums) if series.startswith("x_total")]
    assert len(kept) == MAX_PAST_ADDRESSES
    assert 'x_total{address="a:4"}' not in kept
    assert told(sums)["y_total"] == 2


def test_what_was_counted_of_an_address_in_use_is_never_forgotten() -> None:
    """A stable address came first, and a sum that falls would be taken for a restart."""
    sums = Sums(2)
    page = "# TYPE x counter\n{}# EOF\n"
    stable = 'x_total{address="stable:1"} 60\n'
    past = "".join(f'x_total{{address="a:{number}"}} 1\n' for number in range(MAX_PAST_ADDRESSES + 5))
    sums.take((page.format(stable + past).encode(), page.format(stable).encode()))
    sums.died(0)
    series = told(sums)
    assert series['x_total{address="stable:1"}'] == 120
    assert 'x_total{address="a:4"}' not in series
    assert 'x_total{address="a:5"}' in series


def test_the_newest_exemplar_leads_to_a_trace() -> None:
    """Of two workers that measured the same, the trace that was last."""
    line = '# TYPE h histogram\nh_bucket{{le="+Inf"}} 1 # {{trace_id="{}"}} 1 {}\nh_count 1\nh_sum 1\n# EOF\n'
    sums = Sums(3)
    sums.take((line.format("old", 10).encode(), line.format("new", 20).encode(), b"# EOF\n"))
    assert 'h_bucket{le="+Inf"} 2.0 # {trace_id="new"} 1.0 20' in page_of(sums.registry())


# --- health ---


def health_page(**changes: Any) -> dict[str, Any]:
    """A worker's page."""
    seen = {"llm": {"is_healthy": True, **asdict(BackendStatus((address("a:1").status,), ()))}}
    page = {
        "is_ready": True,
        "is_draining": False,
        "is_unready_because_full": False,
        "sessions": 5,
        "capacity": 50,
        "fullness": 0.1,
        "waits_for": [],
        "backends": seen,
    }
    return {**page, **changes}


@pytest.mark.parametrize(
    ("workers", "has_started", "is_ready"),
    [
        ([(RUNNING, True), (RUNNING, True)], True, True),
        ([(RUNNING, True), (RUNNING, False)], True, False),
        ([(RUNNING, True), (STARTING, None)], True, True),
        ([(RUNNING, True), (STARTING, None)], False, False),
        ([(RUNNING, True), (SILENT, None)], True, False),
        ([(STARTING, None), (STARTING, None)], True, False),
    ],
    ids=["all", "one unready", "one died", "at the start", "one hangs", "all died"],
)
def test_ready_is_when_whoever_listens_is_ready(
    workers: list[tuple[WorkerState, bool | None]],
    has_started: bool,  # noqa: FBT001
    is_ready: bool,  # noqa: FBT001
) -> None:
    """A worker that is away gets no call, so its absence refuses none to the others."""
    seen = [WorkerHealth(state, None if ready is None else health_page(is_ready=ready)) for state, ready in workers]
    page = health.merged(seen, has_started=has_started, is_draining=False, version="1.2.3")
    assert health.written(page)[0] is is_ready
    assert len(render(page)[1:]) >= len(workers)


FULL = {"is_ready": False, "is_unready_because_full": True, "fullness": 1.0, "sessions": 50}


@pytest.mark.parametrize(
    ("pages", "verdict", "occupancy"),
    [
        ([FULL, {}], "ready", "sessions: 55 of 100"),
        ([FULL, FULL], "not ready: it is full, or was a moment ago", "sessions: 100 of 100: newcomers are refused"),
        ([FULL | {"waits_for": ["llm"]}, {}], "not ready: it waits for llm", "sessions: 55 of 100"),
    ],
    ids=["one", "all", "one that also waits"],
)
def test_a_full_worker_turns_nobody_away_from_the_others(
    pages: list[dict[str, Any]], verdict: str, occupancy: str
) -> None:
    """The gateway is full, and says that newcomers are refused, when all of its workers are."""
    seen = [WorkerHealth(RUNNING, health_page(**changes)) for changes in pages]
    page = health.merged(seen, has_started=True, is_draining=False, version="1.2.3")
    assert render(page)[:2] == [verdict, occupancy]
    assert health.written(page)[0] is (verdict == "ready")


def test_the_pages_are_put_together() -> None:
    """Sums, the worst of what all see, and each worker for itself, as the page and in words."""
    ejected = asdict(BackendStatus((address("a:1", state=AddressState.EJECTED).status,), ()))
    other = health_page(
        is_ready=False, sessions=50, fullness=1.0, waits_for=["llm"], backends={"llm": {"is_healthy": False, **ejected}}
    )
    seen = [WorkerHealth(RUNNING, health_page()), WorkerHealth(RUNNING, other), WorkerHealth(SILENT, None)]
    page = health.merged(seen, has_started=True, is_draining=False, version="1.2.3")
    assert (page["sessions"], page["capacity"], page["fullness"], page["version"]) == (55, 100, 0.1, "1.2.3")
    (found,) = page["backends"]["llm"]["addresses"]
    assert (found["state"], found["calls"], page["backends"]["llm"]["is_healthy"]) == ("ejected", 4, False)
    assert render(page)[:5] == [
        "not ready: it waits for llm, and worker 2 is silent",
        "sessions: 55 of 100",
        "worker 0: running, ready, sessions: 5 of 50, 10% full",
        "worker 1: running, not ready, sessions: 50 of 50, 100% full: newcomers are refused",
        "worker 2: silent",
    ]


# --- overviews ---


def test_overviews_are_put_together() -> None:
    """The oldest calls and the newest turns of all, sums, and the worst of lag and fullness."""
    call, turn = replace(CALL, session_id="ff", age_ms=90_000), replace(TURN, session_id="ff", ago_ms=100)
    other = replace(
        OVERVIEW,
        uptime_ms=9_000_000,
        is_ready=False,
        sessions=4,
        fullness_ratio=0.5,
        calls=(call,),
        turns=(turn,),
        refusals=(RefusalsSeen("AT_CAPACITY", "cpu", 3), RefusalsSeen("DRAINING", "", 20)),
        loop_lag=LagSeen(p50_us=50, p99_us=9_000),
        cpu_percent=10.0,
        resident_bytes=1,
        backends=(backend(Backend.LLM, address("10.0.0.2:8000", p50_ms=80, p95_ms=160, measured=30)),),
    )
    whole = overviews.merged(OVERVIEW, ((0, OVERVIEW), (1, other), (2, None)))
    assert (whole.uptime_ms, whole.is_ready, whole.is_draining) == (9_000_000, False, False)
    assert (whole.sessions, whole.capacity, whole.fullness_ratio) == (5, 200, 0.5)
    assert (whole.calls, whole.turns) == ((call, CALL), (turn, TURN))
    assert whole.refusals == (RefusalsSeen("DRAINING", "", 21), RefusalsSeen("AT_CAPACITY", "cpu", 10))
    assert whole.loop_lag == LagSeen(p50_us=120, p99_us=9_000)
    assert (whole.cpu_percent, whole.resident_bytes) == (44.4, 125_829_121)
    assert whole.workers == (
        WorkerSeen(0, True, 1, 100, 0.25, 34.4),
        WorkerSeen(1, True, 4, 100, 0.5, 10.0),
        WorkerSeen(2, False),
    )
    (llm,) = (each for each in whole.backends if each.backend is Backend.LLM)
    (seen,) = llm.addresses
    assert (seen.status.calls, seen.first_outputs, seen.first_output_p50_ms, seen.first_output_p95_ms) == (
        4,
        40,
        70,
        135,
    )


def test_an_address_is_as_bad_as_the_worker_sees_it_that_lost_it() -> None:
    """With the failures of all; where nothing was measured nothing is made up."""
    ejected = replace(
        OVERVIEW, loop_lag=None, backends=(backend(Backend.ASR, address("a:1", state=AddressState.EJECTED)),)
    )
    healthy = replace(OVERVIEW, loop_lag=None, backends=(backend(Backend.ASR, address("a:1")),))
    whole = overviews.merged(healthy, ((0, healthy), (1, ejected)))
    (seen,) = whole.backends[0].addresses
    assert (seen.status.state, seen.failures, seen.first_output_p50_ms) == (AddressState.EJECTED, 5, 0)
    assert whole.loop_lag is None


def test_what_is_told_of_many_workers_is_bounded() -> None:
    """As that of one: an answer has room for so many calls and turns."""
    many = replace(OVERVIEW, calls=(CALL,) * MAX_CALLS, turns=(TURN,) * 100)
    whole = overviews.merged(many, ((0, many), (1, many)))
    assert (len(whole.calls), len(whole.turns)) == (MAX_CALLS, 100)


def test_reasons_of_refusals_are_those_of_the_contract() -> None:
    """The same name from two workers is one row."""
    error = GatewayError(Reason.DRAINING, "leaving")
    seen = replace(OVERVIEW, refusals=(RefusalsSeen(error.reason.value, "", 1),))
    assert overviews.merged(seen, ((0, seen), (1, seen))).refusals == (RefusalsSeen("DRAINING", "", 2),)
