"""A peer that only pings, and how the fakes take it."""

import pytest
from voicegateway_testkit import FakeAsr, FakeTts
from voicegateway_testkit.clients.pings import ping
from voicegateway_testkit.fakes import grpc_fake
from voicegateway_testkit.fakes.grpc_fake import SERVER_OPTIONS

PINGS = 12


@pytest.mark.parametrize("fake", [FakeAsr, FakeTts])
async def test_the_fakes_go_by_their_ping_interval(
    fake: type[FakeAsr] | type[FakeTts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 0 every ping is answered, so the name of the option is one that gRPC knows."""
    free = tuple((name, 0 if "interval" in name else value) for name, value in SERVER_OPTIONS)
    monkeypatch.setattr(grpc_fake, "SERVER_OPTIONS", free)
    async with fake() as server:
        pinged = await ping(server.address, PINGS)
    assert (pinged.answered, pinged.goaway) == (PINGS, "")


async def test_a_ping_in_five_seconds_is_taken_and_a_flood_is_not() -> None:
    """A client that is cut off by the fake would be by the real one."""
    assert dict(SERVER_OPTIONS)["grpc.http2.min_ping_interval_without_data_ms"] <= 3_000
    async with FakeTts() as server:
        assert (await ping(server.address, PINGS)).goaway == "too_many_pings"
