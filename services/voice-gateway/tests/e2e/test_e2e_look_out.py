"""What a gateway does when its own look-out fails."""

import asyncio

import pytest
from gateway_kit.whole_gateway import world
from voice_gateway.observability import watchers
from voice_gateway.observability.prober import Prober
from voice_gateway.session.admission.sampler import LoadSampler


def _fails(*_: object) -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize(("kind", "method"), [(Prober, "_look"), (LoadSampler, "sample")])
async def test_a_look_out_that_fails_each_time_makes_the_process_leave(
    kind: type, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` drains when the watch returns: a pod that sees nothing would call itself ready for ever."""
    monkeypatch.setattr(watchers, "MAX_IN_A_ROW", 1)
    async with world() as around, asyncio.timeout(60):
        monkeypatch.setattr(kind, method, _fails)
        await around.gateway.watch()
