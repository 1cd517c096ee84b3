"""What a failed call says of its address, and what settings are refused; without a network."""

from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pytest
from voice_gateway.backends.addresses.pool import Request
from voice_gateway.backends.riva.channels import FULL_MS, blame
from voice_gateway.backends.riva.failures import Blame, failure_of_code
from voice_gateway.backends.riva.offers import merge_offers
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.domain.ids import SessionId


@dataclass(eq=False)
class FakeReplica:
    """Keeps what it is told."""

    told: list[object] = field(default_factory=list)

    def doubt(self, cause: str) -> None:
        """Keep."""
        self.told.append(cause)

    def rest(self, duration_ms: int) -> None:
        """Keep."""
        self.told.append(duration_ms)


@pytest.mark.parametrize(
    ("code", "whose", "told"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Blame.REQUEST, []),
        (grpc.StatusCode.NOT_FOUND, Blame.REQUEST, []),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Blame.LOAD, [FULL_MS]),
        (grpc.StatusCode.UNAVAILABLE, Blame.REPLICA, ["UNAVAILABLE"]),
        (grpc.StatusCode.UNKNOWN, Blame.REPLICA, ["UNKNOWN"]),
        (grpc.StatusCode.INTERNAL, Blame.REPLICA, ["INTERNAL"]),
        (grpc.StatusCode.UNAUTHENTICATED, Blame.REPLICA, ["UNAUTHENTICATED"]),
        (grpc.StatusCode.UNIMPLEMENTED, Blame.REPLICA, ["UNIMPLEMENTED"]),
    ],
)
def test_only_faults_of_the_address_count_against_it(code: grpc.StatusCode, whose: Blame, told: list[object]) -> None:
    """A bad request must not take an address away from all other sessions, and a full server only rests."""
    failure, replica = failure_of_code(code), FakeReplica()
    assert (failure.blame, failure.cause) == (whose, code.name)
    blame(cast("Any", replica), failure, Request(SessionId("s1")))
    assert replica.told == told


def test_offers_are_merged_in_order_of_mention() -> None:
    """Containers with a model each offer together what each of them has, none twice."""
    merged = merge_offers([{"de-DE": ("Hans",)}, {"en-US": ()}, {"de-DE": ("Hans", "Eva")}])
    assert merged == {"de-DE": ("Hans", "Eva"), "en-US": ()}


@pytest.mark.parametrize("addresses", [(), ("",), ("a:1", "")])
def test_settings_need_addresses(addresses: tuple[str, ...]) -> None:
    """An empty list or a stray comma is a mistake to be told at start."""
    with pytest.raises(ValueError, match="address"):
        RivaSettings(addresses)


def test_settings_refuse_metadata_keys_that_grpc_refuses() -> None:
    """A bad key is told at start, without its value, instead of failing every call."""
    with pytest.raises(ValueError, match="Function-Id") as caught:
        RivaSettings(("a:1",), metadata=(("Function-Id", "secret"),))
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(RivaSettings(("a:1",), metadata=(("function-id", "secret"),)))
