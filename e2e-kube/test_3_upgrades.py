"""`helm upgrade` and `helm rollback`: an edited prompt, a release that cannot become ready, a typo."""

import time

import pytest
from callers import SAID, calling, utterance
from cluster import Cluster, CommandError, Json, Node, name_of
from releases import GATEWAY, GATEWAY_PODS, Table, settled, upgrade
from voicegateway_testkit import ConverseClient

PROMPT = "Always answer: As you wish."
"""The fake model obeys this one order."""
REPLICAS = 2
BROKEN = "not-there"


async def ask(address: str) -> tuple[str, str]:
    """Asks aloud; gives what was understood and what was answered."""
    async with ConverseClient(address, own_connection=True) as client:
        await client.start(timeout_s=10)
        client.turn_microphone_on()
        await client.say(utterance())
        await client.wait_for("reply_finished", timeout_s=20)
        final = await client.wait_for("transcript", lambda response: response.transcript.is_final)
        answer = "".join(entry.response.reply_text.text for entry in client.log.all("reply_text"))
        await client.turn_microphone_off()
        client.end()
        await client.wait_end()
    return final.response.transcript.text, answer


async def address_of(cluster: Cluster, node: Node) -> str:
    """The gateway's NodePort on a node."""
    return f"{node.address}:{await cluster.node_port(GATEWAY)}"


async def revision(cluster: Cluster) -> str:
    """The Deployment's generation, which every change of it counts up."""
    return str((await cluster.get("deployment", GATEWAY))["metadata"]["generation"])


def names(pods: list[Json]) -> set[str]:
    """Names of pods."""
    return {name_of(pod) for pod in pods}


async def test_an_edited_prompt_rolls_the_pods_and_is_obeyed(faked: Cluster, workers: list[Node], table: Table) -> None:
    """The users' main verb: `helm upgrade` with an edited prompt replaces the pods, and the next call obeys it."""
    await upgrade(faked, replicas=REPLICAS)
    before = names(await settled(faked, REPLICAS))
    begun_s = time.monotonic()
    await upgrade(faked, replicas=REPLICAS, prompt=PROMPT)
    table.add("helm upgrade with another prompt, two pods", f"{time.monotonic() - begun_s:.1f} s")
    assert not before & names(await settled(faked, REPLICAS))
    assert await ask(await address_of(faked, workers[0])) == (SAID, PROMPT.removeprefix("Always answer: "))


async def test_what_cannot_become_ready_leaves_the_old_pods_serving(
    faked: Cluster, workers: list[Node], table: Table
) -> None:
    """A tag that does not exist costs no call and no pod, and `helm rollback` takes it back."""
    await upgrade(faked, replicas=REPLICAS)
    before = names(await settled(faked, REPLICAS))
    address = await address_of(faked, workers[0])
    async with calling(2, lambda: address) as callers:
        with pytest.raises(CommandError):
            await upgrade(faked, "--timeout=20s", "--set", f"image.tag={BROKEN}", replicas=REPLICAS)
        assert names(await faked.ready_pods(GATEWAY_PODS)) == before
        await faked.helm("rollback", GATEWAY, "--wait", "--timeout=120s")
        assert names(await settled(faked, REPLICAS)) == before
    assert not callers.faults
    assert sum(call.answers for call in callers.calls) >= 2
    assert '"status":"deployed"' in await faked.helm("status", GATEWAY, "--output", "json")
    table.add("calls lost to an upgrade that failed", "0", f"of {len(callers.calls)}")


async def test_a_typo_is_refused_before_anything_changes(faked: Cluster) -> None:
    """A value that does not exist stops the upgrade before the cluster hears of it."""
    before = await revision(faked)
    history = await faked.helm("history", GATEWAY, "--output", "json")
    with pytest.raises(CommandError, match="systemPromt"):
        await upgrade(faked, "--set", "config.llm.systemPromt=Hello.", replicas=REPLICAS)
    assert await revision(faked) == before
    assert await faked.helm("history", GATEWAY, "--output", "json") == history
