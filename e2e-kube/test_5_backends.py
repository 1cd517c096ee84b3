"""Recognisers that come, go and die, alone and with their node."""

import json
import time
from contextlib import AsyncExitStack

import fakes
import pytest
from callers import Callers, calling
from cluster import PATIENCE, Cluster, CommandError, Node, name_of, node_of, run, until
from grpc import StatusCode
from releases import GATEWAY_PODS, Table, settled, upgrade
from test_3_upgrades import address_of
from voicegateway_testkit import CallEndedError, ConverseClient

FOUND_S = 15
"""The gateway resolves every 5 s; here names live 5 s in the cluster's DNS. Many clusters keep them 30 s: add that."""
GOES_ON_S = 5
NODE_LOST_S = 15
"""For a cluster that gives up a silent node after 8 s."""
OLD_CALLERS = 4
TRY_S = 2
GOOD_IN_A_ROW = 10


async def streams(cluster: Cluster, pod: str, which: str) -> int:
    """Recognition streams at one recogniser: `asr_open` now, `asr_streams` ever."""
    return int(json.loads(await cluster.proxy(pod, fakes.STATE_PORT, "/state"))[which])


async def ready_recognisers(cluster: Cluster, count: int) -> list[str]:
    """Waits for `count` recognisers and gives their pods."""

    async def are_ready() -> bool:
        pods = await cluster.pods(fakes.ASR)
        return len(pods) == count == len(await cluster.ready_pods(fakes.ASR))

    await until(f"{count} recognisers", are_ready, 120)
    return sorted(name_of(pod) for pod in await cluster.pods(fakes.ASR))


async def scale(cluster: Cluster, count: int, others: int = 0) -> list[str]:
    """Runs `count` recognisers on the first node, all ready, as are `others`; gives all pods."""
    await cluster.kubectl("scale", "deployment/fakes-asr", f"--replicas={count}")
    return await ready_recognisers(cluster, count + others)


async def answers_after(callers: Callers, instant_ns: int) -> None:
    """Everybody has been answered since then."""

    async def are_there() -> bool:
        return callers.have_answers_after(instant_ns)

    await until("an answer for everybody", are_there, 90)


async def test_more_recognisers_are_found_and_one_may_die(faked: Cluster, workers: list[Node], table: Table) -> None:
    """ASR scaled from 1 to 3 is used by new calls within 15 s without a restart; killing one mid-call costs no call."""
    await upgrade(faked, replicas=2)
    await settled(faked, 2)
    before = await scale(faked, 1)
    address = await address_of(faked, workers[0])
    async with AsyncExitStack() as ends:
        old = await ends.enter_async_context(calling(OLD_CALLERS, lambda: address))
        await answers_after(old, 0)
        after = await scale(faked, 3)
        begun_s = time.monotonic()
        new: list[Callers] = []

        async def are_used() -> bool:
            # people call one after the other: those before the names were resolved again are on the first
            if len(new) < FOUND_S:
                new.append(await ends.enter_async_context(calling(1, lambda: address)))
            used = [await streams(faked, pod, "asr_streams") for pod in after if pod not in before]
            return min(used) > 0

        await until("all three recognisers used", are_used, FOUND_S, every_s=1)
        table.add("ASR from 1 to 3: all used after", f"{time.monotonic() - begun_s:.1f} s", f"<= {FOUND_S} s")
        victim = max([(await streams(faked, pod, "asr_open"), pod) for pod in after if pod not in before])
        assert victim[0] > 0
        killed_ns = time.monotonic_ns()
        await faked.kubectl("delete", "pod", victim[1], "--grace-period=0", "--force", "--wait=false")
        for callers in (old, *new):
            await answers_after(callers, time.monotonic_ns())
        table.add(
            f"a recogniser killed with {victim[0]} calls: longest wait", f"{_longest(killed_ns, old, *new):.1f} s"
        )
    assert [fault for callers in (old, *new) for fault in callers.faults] == []
    await scale(faked, 1)


def _longest(since_ns: int, *groups: Callers) -> float:
    return max(callers.longest_wait_s(since_ns) for callers in groups)


async def test_a_node_that_loses_power(faked: Cluster, workers: list[Node], table: Table) -> None:
    """New calls to a living node succeed within 15 s, and a live call whose recogniser died with it loses no word."""
    settings = faked.settings
    if not (settings.power_off and settings.power_on) or len(workers) < 3:
        pytest.skip("needs three nodes, E2E_POWER_OFF and E2E_POWER_ON")
    first, lost = workers[0], workers[-1]
    await upgrade(faked, replicas=3)
    await faked.apply(fakes.deployment("fakes-asr-lost", "asr", settings.fakes, lost.name))
    await scale(faked, 1, others=1)
    (dying,) = (name_of(pod) for pod in await faked.pods(fakes.ASR) if node_of(pod) == lost.name)
    living = next(name_of(pod) for pod in await settled(faked, 3) if node_of(pod) != lost.name)
    port = (await address_of(faked, first)).rpartition(":")[2]
    async with faked.forwarded(f"pod/{living}") as address, AsyncExitStack() as ends:
        groups: list[Callers] = []

        async def is_used() -> bool:
            groups.append(await ends.enter_async_context(calling(1, lambda: address)))
            return await streams(faked, dying, "asr_open") > 0

        await until("a call on the recogniser that will die", is_used, 30, every_s=2)
        for callers in groups:
            await answers_after(callers, 0)
        (caller,) = groups[-1].everybody

        async def is_silent() -> bool:
            return not caller.is_speaking

        # Of an utterance that has shown words when its recogniser dies in silence, these are what is understood.
        await until("a caller who is about to speak to it", is_silent, 60, every_s=0.05)
        try:
            lost_ns = time.monotonic_ns()
            await run(*settings.power_off, lost.name)
            last_failure_s = await _call_anew(f"{first.address}:{port}", lost_ns)
            for callers in groups:
                await answers_after(callers, time.monotonic_ns())
        finally:
            await _power_on(faked, lost)
    longest_s = max(callers.longest_wait_s(lost_ns) for callers in groups)
    table.add("node lost: longest wait of a live call", f"{longest_s:.1f} s", f"<= {GOES_ON_S} s")
    table.add("node lost: last new call that failed, after", f"{last_failure_s:.1f} s", f"<= {NODE_LOST_S} s")
    assert [fault for callers in groups for fault in callers.faults] == []
    assert longest_s <= GOES_ON_S * PATIENCE
    assert last_failure_s <= NODE_LOST_S * PATIENCE


async def _call_anew(address: str, lost_ns: int) -> float:
    """Calls until many in a row have been taken; gives when the last failed, in seconds after the node was lost."""
    last_failure_s, good = 0.0, 0
    while good < GOOD_IN_A_ROW or time.monotonic_ns() - lost_ns < NODE_LOST_S * 1e9:
        good += 1
        begun_s = (time.monotonic_ns() - lost_ns) / 1e9
        try:
            async with ConverseClient(address, own_connection=True) as client:
                await client.start(timeout_s=TRY_S)
                client.end()
                assert (await client.wait_end(TRY_S)).code is StatusCode.OK
        except (TimeoutError, CallEndedError):
            last_failure_s, good = begun_s, 0
        assert begun_s < NODE_LOST_S * 3, "new calls still fail"
    return last_failure_s


async def _power_on(cluster: Cluster, node: Node) -> None:
    await run(*cluster.settings.power_on, node.name)

    async def is_back() -> bool:
        conditions = (await cluster.get("node", node.name))["status"]["conditions"]
        return any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)

    await until(f"{node.name} back", is_back, 120)
    await cluster.kubectl("delete", "deployment", "fakes-asr-lost", "--ignore-not-found")
    try:
        await cluster.kubectl("wait", "pods", "--selector", GATEWAY_PODS, "--for=condition=Ready", "--timeout=120s")
    except CommandError:
        # what was on the node when it died is replaced, and then there is nothing to wait for
        await settled(cluster, 3)
