"""Who is at the other end of a gRPC call, by its connection alone."""

import ipaddress
from urllib.parse import unquote

from voice_gateway.domain.caller import Caller


def caller_at(peer: str) -> Caller:
    """The caller of whom gRPC's peer string says all that is known."""
    return Caller(address=peer_address(peer))


def peer_address(peer: str) -> str:
    """The network address in a peer string, without port and zone; empty when there is none.

    gRPC writes `ipv4:192.0.2.1:5555`, `ipv6:%5B2001:db8::1%5D:5555` and `unix:/path` (its naming.md). An IPv4 client of
    a socket for both is written as IPv6, and is IPv4 here, or it would be another caller at another port.
    """
    family, _, rest = peer.partition(":")
    if family not in {"ipv4", "ipv6"}:
        return ""
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
