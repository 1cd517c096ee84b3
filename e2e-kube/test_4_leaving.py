"""Twenty people talk while three pods are replaced and drained: nobody is cut short."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from callers import Callers, CallRecord, calling
from cluster import PATIENCE, Cluster, CommandError, Node, node_of, until
from releases import GATEWAY_PODS, Table, settled, upgrade
from test_3_upgrades import address_of, names

REPLICAS, CALLERS = 3, 20
RECONNECT_S = 5.0
"""A call after going_away is served at once: this is for two cores that are busy with pods that start."""
EVICTED = ("--pod-selector", GATEWAY_PODS, "--ignore-daemonsets", "--delete-emptydir-data")
BUDGET = "disruption budget"


@asynccontextmanager
async def twenty_talk(cluster: Cluster, workers: list[Node]) -> AsyncIterator[Callers]:
    """All are in a call and have had an answer; afterwards nobody has anything to complain of."""
    addresses = [await address_of(cluster, node) for node in workers]
    async with calling(CALLERS, _round(addresses)) as callers:

        async def is_answered() -> bool:
            return callers.everybody_was_answered

        await until("an answer for everybody", is_answered, 60)
        yield callers
    assert callers.faults == []


def _round(addresses: list[str]) -> Callable[[], str]:
    turn = [0]

    def following() -> str:
        turn[0] += 1
        return addresses[turn[0] % len(addresses)]

    return following


def told(table: Table, what: str, callers: Callers, since_ns: int) -> list[CallRecord]:
    """Rows on the calls that were ended from that instant on, and on those that followed; gives the latter."""
    ended = [call for call in callers.calls if call.was_told]
    after = callers.since(since_ns)
    table.add(f"{what}: calls that were told and ended well", f"{sum(call.is_well for call in ended)} of {len(ended)}")
    if after:
        slowest = max(call.connect_s for call in after)
        table.add(f"{what}: slowest new call", f"{slowest * 1000:.0f} ms", f"< {RECONNECT_S:.0f} s")
    table.add(f"{what}: turns answered", f"{sum(call.answers for call in callers.calls)}")
    return after


async def test_a_rolling_update_cuts_nobody_short(faked: Cluster, workers: list[Node], table: Table) -> None:
    """Each pod that leaves lets its callers finish, tells them, and they are served by another at once."""
    await upgrade(faked, replicas=REPLICAS)
    before = names(await settled(faked, REPLICAS))
    async with twenty_talk(faked, workers) as callers:
        begun_ns = time.monotonic_ns()
        await upgrade(faked, replicas=REPLICAS, prompt="Be brief.")
        assert not before & names(await settled(faked, REPLICAS))
        table.add("rolling update of three pods, 20 calls", f"{(time.monotonic_ns() - begun_ns) / 1e9:.1f} s")

        async def is_answered() -> bool:
            return callers.everybody_was_answered

        await until("an answer from a new pod for everybody", is_answered, 60)
    after = told(table, "rolling update", callers, begun_ns)
    assert len(after) >= CALLERS  # every one of the old pods is gone, and with it every call there was
    assert all(call.connect_s < RECONNECT_S * PATIENCE for call in after)


async def test_a_drain_cuts_nobody_short_and_a_second_one_waits(
    faked: Cluster, workers: list[Node], table: Table
) -> None:
    """`kubectl drain` moves callers as politely, and the budget blocks the next until the pod is replaced."""
    await upgrade(faked, replicas=REPLICAS)
    pods = await settled(faked, REPLICAS)
    first, second = sorted({node_of(pod) for pod in pods})[:2]
    async with twenty_talk(faked, workers) as callers:
        begun_ns = time.monotonic_ns()
        try:
            # Nowhere to go: what is evicted is not replaced until nodes are open again.
            for node in workers:
                await faked.kubectl("cordon", node.name)
            await faked.kubectl("drain", first, *EVICTED, "--timeout=120s")
            with pytest.raises(CommandError, match=BUDGET):
                await faked.kubectl("drain", second, *EVICTED, "--timeout=10s")
            assert all(node_of(pod) != first for pod in await faked.ready_pods(GATEWAY_PODS))
            for node in workers:
                if node.name not in {first, second}:
                    await faked.kubectl("uncordon", node.name)
            await settled(faked, REPLICAS)
            await faked.kubectl("drain", second, *EVICTED, "--timeout=120s")
        finally:
            for node in workers:
                await faked.kubectl("uncordon", node.name)
        await settled(faked, REPLICAS)
        table.add("two drains, one after the other", f"{(time.monotonic_ns() - begun_ns) / 1e9:.1f} s")
    after = told(table, "kubectl drain", callers, begun_ns)
    assert after
    assert all(call.connect_s < RECONNECT_S * PATIENCE for call in after)
