"""Section of `make bench` on traces: whether each turn of many calls is told whole, and what sampling a tenth costs."""

import itertools
import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from voicegateway.v1 import policy_pb2
from voicegateway_testkit.fakes.collector import CollectedSpan, FakeCollector
from voicegateway_testkit.load import make_track

from bench.load import WINDOW_MS, Backends, Callers, call, make_tracks
from bench.process import Bench
from bench.report import MAX_LATE_SHARE, Line, percentile

TRACED_CALLERS: Final = 10
CALLERS: Final = 30
"""Far from where a core is full: what is compared is what a call costs."""
PAIRS: Final = 5
MAX_MORE: Final = 3
"""Pairs that are measured again, because the callers were late in one of its runs."""
SAMPLED_SHARE: Final = 0.1
MAX_COST: Final = 1.03
"""CPU with a tenth of the calls sampled, in CPU without traces."""
TILING_MS: Final = 5
"""How far the spans of a turn may be from its time from voice to voice: the same."""
PREPARED: Final = policy_pb2.TurnPolicy(stop_history_ms=WINDOW_MS)
"""Replies are prepared early, so that there are more spans than answers."""


async def measure_traces(bench: Bench) -> tuple[list[str], list[Line]]:
    """Every turn of a run that is traced whole; then pairs of a gateway without traces and one that samples a tenth."""
    backends, collector = Backends(), FakeCollector()
    async with AsyncExitStack() as ends:
        await backends.start(ends)
        await ends.enter_async_context(collector)
        lines = await _measure_tiles(bench, backends, collector)
        pairs = await _measure_pairs(bench, backends, collector)
    ratios = [sampled.cpu_per_session_minute / plain.cpu_per_session_minute for plain, sampled in pairs]
    told = [f"traces: CPU with a tenth sampled, in CPU without: {', '.join(f'{ratio:.3f}' for ratio in ratios)}"]
    is_valid = all(map(_is_in_time, pairs))
    cost = Line(f"traces: median of {PAIRS} pairs", statistics.median(ratios), "times the CPU", MAX_COST, is_valid)
    return told, [*lines, cost, *_added(pairs)]


async def _run(bench: Bench, backends: Backends, sessions: int, environment: dict[str, str], seed: int) -> Callers:
    async with bench.gateway("traces", {**backends.environment, **environment}, journal=False) as gateway:
        await gateway.wait_ready()
        await call(gateway, 1, [make_track(1, 5_000, WINDOW_MS)], PREPARED)
        return await call(gateway, sessions, make_tracks(bench.seconds, WINDOW_MS, seed), PREPARED)


async def _measure_tiles(bench: Bench, backends: Backends, collector: FakeCollector) -> list[Line]:
    bench.say(f"traces: {TRACED_CALLERS} callers, all of them sampled")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}"}
    callers = await _run(bench, backends, TRACED_CALLERS, environment, seed=0)
    answered = 1 + sum(latency < float("inf") for turns in _latencies(callers) for latency in turns)
    turns = [turn for turn in collector.named("turn") if "voicegateway.voice_to_voice_ms" in turn.attributes]
    children = _by_parent(collector.spans)
    apart = [_untiled_ms(turn, children.get(turn.span_id, [])) for turn in turns]
    unasked = sum(not _has_request(turn, children) for turn in turns)
    collector.spans.clear()
    return [
        Line("traces: answered turns without a trace", answered - len(turns), "turns", 0),
        Line(f"traces: spans of {len(turns)} turns from voice to voice, worst", max(apart), "ms", TILING_MS),
        Line("traces: turns without a request below their reply", unasked, "turns", 0),
    ]


async def _measure_pairs(bench: Bench, backends: Backends, collector: FakeCollector) -> list[tuple[Callers, Callers]]:
    """Pairs whose callers were in time, and where too few are, as many as were measured."""
    pairs: list[tuple[Callers, Callers]] = []
    late: list[tuple[Callers, Callers]] = []
    while len(pairs) < PAIRS and len(late) < MAX_MORE:
        # by the number of its like: one that is measured again is measured in the same order
        pair = await _measure_pair(bench, backends, collector, len(pairs))
        (pairs if _is_in_time(pair) else late).append(pair)
    bench.say(f"traces: {len(late)} pairs were left out, because their callers were late")
    return pairs if len(pairs) == PAIRS else pairs + late


def _is_in_time(pair: tuple[Callers, Callers]) -> bool:
    return all(run.late_share < MAX_LATE_SHARE for run in pair)


async def _measure_pair(
    bench: Bench, backends: Backends, collector: FakeCollector, number: int
) -> tuple[Callers, Callers]:
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(SAMPLED_SHARE),
    }
    runs = []
    for environment in ({}, traced) if number % 2 == 0 else (traced, {}):
        bench.say(f"traces: pair {number + 1}, {'a tenth sampled' if environment else 'without'}")
        runs.append(await _run(bench, backends, CALLERS, environment, seed=number + 1))
        collector.spans.clear()
    return (runs[0], runs[1]) if number % 2 == 0 else (runs[1], runs[0])


def _latencies(callers: Callers) -> list[list[float]]:
    return callers.latencies_ms(lambda caller: caller.ended_ns)


def _added(pairs: Sequence[tuple[Callers, Callers]]) -> list[Line]:
    plain, sampled = (
        percentile([latency for run in runs for turns in _latencies(run) for latency in turns], 50)
        for runs in zip(*pairs, strict=True)
    )
    return [Line("traces: voice to voice p50 that a tenth sampled adds", sampled - plain, "ms")]


def _by_parent(spans: Sequence[CollectedSpan]) -> dict[str, list[CollectedSpan]]:
    children: dict[str, list[CollectedSpan]] = {}
    for span in spans:
        children.setdefault(span.parent_id, []).append(span)
    return children


def _untiled_ms(turn: CollectedSpan, children: Sequence[CollectedSpan]) -> float:
    """How far the tiles are from the turn's time from voice to voice: gaps, overlaps, what is missing or too much."""
    tiles = sorted(
        (each for each in children if each.attributes.get("voicegateway.is_overlapped") is False),
        key=lambda each: each.start_ns,
    )
    total_ms = float(turn.attributes["voicegateway.voice_to_voice_ms"])
    if not tiles:
        return total_ms
    apart_ns = sum(abs(following.start_ns - this.end_ns) for this, following in itertools.pairwise(tiles))
    whole_ms = (tiles[-1].end_ns - tiles[0].start_ns) / 1_000_000
    return apart_ns / 1_000_000 + abs(whole_ms - total_ms)


def _has_request(turn: CollectedSpan, children: dict[str, list[CollectedSpan]]) -> bool:
    replies = [each for each in children.get(turn.span_id, []) if each.name == "reply"]
    return any(each.name.startswith("chat ") for reply in replies for each in children.get(reply.span_id, []))
