"""What an overview is made of."""

from dataclasses import FrozenInstanceError

import pytest
from voice_gateway.domain.overview.values import CallSeen, FloorSeen, LagSeen


def test_what_was_seen_stays_as_it_was() -> None:
    """An overview is written by another thread than the one that goes on with the calls: nothing of it may change."""
    call = CallSeen("s1", "grpc_v1", "jwt:ada", "line 4", 75_000, FloorSeen.USER, 2, None)
    assert (call.user_text, call.agent_text) == ("", "")
    for seen, name in ((call, "floor"), (LagSeen(200, 900), "p99_us")):
        with pytest.raises(FrozenInstanceError):
            setattr(seen, name, None)
