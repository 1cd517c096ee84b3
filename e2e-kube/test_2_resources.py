"""What one gateway pod takes: to become ready, idle, and with up to 50 calls, within the chart's default limits."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime

from cluster import PATIENCE, Cluster, Json, Node, name_of, node_of, until
from releases import GATEWAY, GATEWAY_PODS, Table, settled
from voicegateway.v1 import policy_pb2
from voicegateway_testkit.load import LoadCaller, ReplyScore, TimerWheel, Track, make_track, start_request

from bench.loop import loop_ms

READY_S = 3
IDLE_MIB, IDLE_MILLICORES = 170, 20
STARTS = 3
IDLE_WINDOW_S = 30
MOST_CALLS = 50
LOOPS_A_MINUTE = 610
"""The gateway's processor time for a minute of one call, in loops of `bench/loop.py`: 34 calls took 0.88 cores where a
loop took 2.55 ms (2026-11-30)."""
ROOM = 0.65
"""Share of one core. Callers and cluster share the cores with the pod; one that is full sends late, and is no test of
it."""
TURN_MS, TURNS = 5_000, 8
WINDOW_MS = 480
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pod has taken, as its kubelet says."""

    at_s: float
    cpu_s: float
    memory_bytes: int


async def usage(cluster: Cluster, pod: Json) -> Usage:
    """The working set is what a limit of memory counts."""
    path = f"/api/v1/nodes/{node_of(pod)}/proxy/stats/summary"
    summary = json.loads(await cluster.kubectl("get", "--raw", path))
    (found,) = (row for row in summary["pods"] if row["podRef"]["uid"] == pod["metadata"]["uid"])
    container = found["containers"][0]
    at = datetime.fromisoformat(container["cpu"]["time"]).timestamp()
    return Usage(at, container["cpu"]["usageCoreNanoSeconds"] / 1e9, container["memory"]["workingSetBytes"])


async def next_usage(cluster: Cluster, pod: Json, after: Usage | None, seconds: float) -> Usage:
    """The first that is `seconds` younger than `after`: kubelets look every 10 s or so."""
    found: list[Usage] = []

    async def is_there() -> bool:
        now = await usage(cluster, pod)
        if after is None or now.at_s >= after.at_s + seconds:
            found.append(now)
        return bool(found)

    await until("the kubelet's numbers", is_there, 90 + seconds, every_s=2)
    return found[0]


def seconds_to_ready(pod: Json) -> float:
    """From the container's start to the pod's readiness; both are told in whole seconds."""
    started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    (ready,) = (row["lastTransitionTime"] for row in pod["status"]["conditions"] if row["type"] == "Ready")
    return (datetime.fromisoformat(ready) - datetime.fromisoformat(started)).total_seconds()


async def test_a_pod_is_soon_ready(faked: Cluster, table: Table) -> None:
    """A pod takes calls within 3 s of its container's start, at the latest in the best of three starts."""
    seconds = []
    for _ in range(STARTS):
        await faked.kubectl("rollout", "restart", f"deployment/{GATEWAY}")
        await faked.kubectl("rollout", "status", f"deployment/{GATEWAY}", "--timeout=120s")
        (pod,) = await settled(faked, 1)
        seconds.append(seconds_to_ready(pod))
    told = " ".join(f"{each:.0f}" for each in seconds)
    table.add("pod ready after its container's start", f"{told} s", f"<= {READY_S} s")
    assert min(seconds) <= READY_S * PATIENCE


async def test_an_idle_pod_takes_little(faked: Cluster, table: Table) -> None:
    """A pod without calls stays under 170 MiB and 20 millicores, its probes included."""
    (pod,) = await settled(faked, 1)
    first = await next_usage(faked, pod, None, 0)
    second = await next_usage(faked, pod, first, IDLE_WINDOW_S)
    millicores = (second.cpu_s - first.cpu_s) / (second.at_s - first.at_s) * 1000
    mebibytes = second.memory_bytes / MIB
    table.add("idle pod, memory", f"{mebibytes:.0f} MiB", f"< {IDLE_MIB} MiB")
    table.add("idle pod, CPU", f"{millicores:.1f} m", f"< {IDLE_MILLICORES} m")
    assert mebibytes < IDLE_MIB
    assert millicores < IDLE_MILLICORES * PATIENCE


def calls_with_room() -> int:
    """How many calls the machine carries: 50, or fewer where it is slow today."""
    return min(MOST_CALLS, int(ROOM * 60_000 / (LOOPS_A_MINUTE * loop_ms(min(os.sched_getaffinity(0))))))


async def test_many_calls_within_the_default_limits(faked: Cluster, workers: list[Node], table: Table) -> None:
    """50 people at once, or as many as the machine carries, are all answered by one pod, which is not restarted."""
    calls = calls_with_room()
    (pod,) = await settled(faked, 1)
    address = f"{workers[0].address}:{await faked.node_port(GATEWAY)}"
    track = make_track(TURNS, TURN_MS, WINDOW_MS)
    scores = [ReplyScore() for _ in range(calls)]
    talking = asyncio.create_task(_talk(address, track, scores))
    try:
        first = await next_usage(faked, pod, None, 0)
        begun = await next_usage(faked, pod, first, TURN_MS / 1000)  # all are talking by then
        ended = await next_usage(faked, pod, begun, 15)
        latencies = await talking
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    cores = (ended.cpu_s - begun.cpu_s) / (ended.at_s - begun.at_s)
    answered = sorted(each for each in latencies if each != float("inf"))
    table.add(f"{calls} calls, CPU", f"{cores * 1000:.0f} m")
    table.add(f"{calls} calls, memory", f"{ended.memory_bytes / MIB:.0f} MiB", "< limits.memory")
    table.add(f"{calls} calls, turns answered", f"{len(answered)} of {len(latencies)}")
    table.add(f"{calls} calls, voice to voice p50", f"{answered[len(answered) // 2]:.0f} ms")
    (after,) = await faked.ready_pods(GATEWAY_PODS)
    assert (name_of(after), after["status"]["containerStatuses"][0]["restartCount"]) == (name_of(pod), 0)
    assert len(answered) == len(latencies)


async def _talk(address: str, track: Track, scores: list[ReplyScore]) -> list[float]:
    """All say the track, begun one after the other within a turn's length; gives the latency of every turn in ms."""
    start = start_request(policy_pb2.TurnPolicy(stop_history_ms=WINDOW_MS))
    callers = [LoadCaller(address, track, score.take, score.playing) for score in scores]
    wheel = TimerWheel()
    try:
        for caller in callers:
            await caller.open(start)
        begin_ns = time.monotonic_ns()
        spoken = []
        for number, caller in enumerate(callers):
            after_ms = (begin_ns - time.monotonic_ns()) / 1e6 + 100 + number * TURN_MS / len(callers)
            spoken.append(caller.speak(wheel.start_ns(after_ms)))
            wheel.add(caller)
        await asyncio.gather(*spoken)
        return [
            latency
            for score, caller in zip(scores, callers, strict=True)
            for latency in score.latencies_ms(caller.ended_ns)
        ]
    finally:
        await wheel.stop()
        await asyncio.gather(*(caller.close() for caller in callers), return_exceptions=True)
