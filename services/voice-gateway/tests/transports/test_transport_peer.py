"""Who is at the other end of a connection."""

import pytest
from voice_gateway.domain.caller import UNKNOWN, Caller
from voice_gateway.transports.peer import caller_at, peer_address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:50123", "192.0.2.7"),
        ("ipv6:%5B2001:db8::7%5D:50123", "2001:db8::7"),
        ("ipv6:[2001:DB8:0:0::7]:50123", "2001:db8::7"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50123", "192.0.2.7"),
        ("ipv6:%5Bfe80::7%25eth0%5D:50123", "fe80::7"),
        ("unix:/run/gateway.sock", ""),
        ("unix:", ""),
        ("ipv4:nonsense:1", ""),
        ("", ""),
    ],
)
def test_a_peer_has_one_address_however_it_is_written(peer: str, address: str) -> None:
    """Port, zone, case and IPv4 within IPv6 make no new caller; what has no address has none."""
    assert peer_address(peer) == address


def test_a_peer_alone_proves_nothing() -> None:
    """Without proof usage is counted by address, and a caller behind a socket file is nobody."""
    assert caller_at("ipv4:192.0.2.7:1") == Caller(address="192.0.2.7")
    assert caller_at("unix:") == UNKNOWN
