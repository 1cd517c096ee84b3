"""Section of `make bench`: newcomers at a gateway that is full, spread over seconds and all at once."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import grpc.aio
from voicegateway_testkit.load import METHOD, LoadCaller, make_track, start_request

from bench.load import SERIAL, TURN_MS, WINDOW_MS, Backends, call, make_tracks, measure_echo
from bench.loop import loop_ms
from bench.process import Bench, Server
from bench.report import TAIL, Comparison, Line, Ruler, has_room, loops, percentile

PLACES: Final = 50
NEWCOMERS: Final = 450
"""With those who have places the 500 callers of the promise."""
SPREAD_S: Final = 5.0
AT_ONCE: Final = 500
ROUNDS: Final = 3
"""Rounds of newcomers all at once, at the bare server and at the gateway in turn; their median counts."""
MAX_REFUSAL_LOOPS: Final = 100
MAX_OVER_ALONE_LOOPS: Final = 15
"""What the added latency of those who have places may grow by: design.md, section 8, grants it to the gateway as a
whole."""
MAX_BARE_SERVERS: Final = 1.5
"""Times as long as a bare server takes to refuse `AT_ONCE` newcomers."""
ANSWER_S: Final = 30.0
"""A newcomer that has heard nothing by then waits for ever."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What one was told, and how soon; infinite: nothing."""

    told_ms: float
    is_refused: bool


async def _come(address: str, start: bytes) -> Newcomer:
    """Open a connection and a call, say `start`, and wait for what comes of it."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        began_s = time.monotonic()
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)()
        try:
            async with asyncio.timeout(ANSWER_S):
                await call.write(start)
                await call.read()
        except TimeoutError:
            return Newcomer(float("inf"), is_refused=False)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            code = await call.code()
            told_ms = (time.monotonic() - began_s) * 1_000
            return Newcomer(told_ms, code is grpc.StatusCode.RESOURCE_EXHAUSTED)
        call.cancel()
        return Newcomer((time.monotonic() - began_s) * 1_000, is_refused=False)


async def _flood(address: str, newcomers: int, over_s: float) -> Sequence[Newcomer]:
    start = start_request(SERIAL)

    async def later(number: int) -> Newcomer:
        await asyncio.sleep(over_s * number / newcomers)
        return await _come(address, start)

    return await asyncio.gather(*(later(number) for number in range(newcomers)))


def _full(backends: Backends) -> dict[str, str]:
    """Settings of a gateway that has just the places."""
    return {**backends.environment, "MAX_SESSIONS": str(PLACES)}


async def _served(bench: Bench, backends: Backends, *, newcomers: int) -> tuple[list[float], Sequence[Newcomer]]:
    """Added latencies of those who have places, and what the newcomers were told meanwhile."""
    async with bench.gateway("full", _full(backends), journal=False) as gateway:
        await gateway.wait_ready()
        tracks = make_tracks(bench.seconds, WINDOW_MS, seed=PLACES)
        speaking = asyncio.create_task(call(gateway, PLACES, tracks, SERIAL))
        await asyncio.sleep(2 * TURN_MS / 1_000)
        told = await _flood(gateway.address, newcomers, SPREAD_S)
        callers = await speaking
    latencies = callers.latencies_ms(lambda caller: caller.decided_ns)
    return [latency - backends.floor_ms for turns in latencies for latency in turns[1:]], told


async def _fill(gateway: Server) -> list[LoadCaller]:
    """Callers who have the places and say nothing."""
    track = make_track(1, TURN_MS, WINDOW_MS)
    silent = [LoadCaller(gateway.address, track, lambda _raw, _at_ns: None) for _ in range(PLACES)]
    for caller in silent:
        await caller.open(start_request(SERIAL))
    return silent


async def _at_once(bench: Bench, backends: Backends) -> tuple[list[float], list[float], int]:
    """The 95th percentiles of each round at the bare server and at the gateway, and how many were not refused."""
    bare_ms, ours_ms, others = list[float](), list[float](), 0
    async with AsyncExitStack() as ends:
        bare = await ends.enter_async_context(bench.bare("refuser"))
        gateway = await ends.enter_async_context(bench.gateway("full", _full(backends), journal=False))
        await gateway.wait_ready()
        silent = await _fill(gateway)
        for _ in range(ROUNDS):
            for server, p95_ms in ((bare, bare_ms), (gateway, ours_ms)):
                told = await _flood(server.address, AT_ONCE, 0)
                p95_ms.append(percentile([each.told_ms for each in told], TAIL))
                others += sum(not each.is_refused for each in told)
        await asyncio.gather(*(caller.close() for caller in silent))
    return bare_ms, ours_ms, others


def _lines_over_seconds(
    loop: Ruler, told: Sequence[Newcomer], alone_ms: float, flooded_ms: float, *, fits: bool
) -> list[Line]:
    """The lines of newcomers who come one after the other; the 95th percentiles are of the callers' added latency."""
    refused_ms = percentile([each.told_ms for each in told], TAIL)
    alone, over = f"added p95 of {PLACES} callers alone", f"the same while {NEWCOMERS} are refused, above that"
    refusal = f"refusal p95, {NEWCOMERS} over {SPREAD_S:g} s"
    others = sum(not each.is_refused for each in told)
    return [
        Line(f"not refused of {NEWCOMERS} over {SPREAD_S:g} s", others, "newcomers", 0, has_room=fits),
        Line(refusal, refused_ms, "ms", MAX_REFUSAL_LOOPS, ruler=loop, has_room=fits),
        Line(alone, alone_ms, "ms", ruler=loop, has_room=fits, comparison=Comparison.ADDED),
        Line(over, flooded_ms - alone_ms, "ms", MAX_OVER_ALONE_LOOPS, ruler=loop, has_room=fits),
    ]


async def measure_refusals(bench: Bench) -> tuple[list[str], list[Line]]:
    """500 callers over 5 s at a gateway that holds 50, and as many newcomers all at once beside a bare server."""
    backends = Backends()
    async with AsyncExitStack() as ends:
        await backends.start(ends)
        bench.say(f"{PLACES} callers alone")
        alone_ms, _ = await _served(bench, backends, newcomers=0)
        bench.say(f"{PLACES} callers, and {NEWCOMERS} newcomers over {SPREAD_S:g} s")
        flooded_ms, told = await _served(bench, backends, newcomers=NEWCOMERS)
        bench.say(f"{AT_ONCE} newcomers at once, {ROUNDS} times, here and at a bare server")
        bare_ms, ours_ms, others = await _at_once(bench, backends)
    bench.say(f"{PLACES} callers at the bare echo")
    fits = has_room(await measure_echo(bench, PLACES), PLACES)
    loop = loops(loop_ms(bench.server_core))
    bare = Ruler("bare servers", statistics.median(bare_ms))
    return [], [
        *_lines_over_seconds(loop, told, percentile(alone_ms, TAIL), percentile(flooded_ms, TAIL), fits=fits),
        Line(f"refusal p95, {AT_ONCE} at once, bare server", bare.value, "ms", comparison=Comparison.NONE),
        Line(f"not refused of {ROUNDS} times {AT_ONCE} at once, at both", others, "newcomers", 0),
        Line(f"refusal p95, {AT_ONCE} at once", statistics.median(ours_ms), "ms", MAX_BARE_SERVERS, ruler=bare),
    ]
