"""What a peer shows of itself, as every wire can say it, and where it calls from."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

MAX_HOPS = 32
"""Addresses of `x-forwarded-for` that are looked at, from the last: no chain of proxies is longer."""
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The names in a certificate that TLS has checked."""

    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    common_name: str = ""
    has_others: bool = False
    """Alternative names of other kinds, such as addresses."""

    def names(self) -> tuple[str, ...]:
        """Every name that counts, the most telling first; DNS names in lower case, which mean the same (RFC 4343).

        A DNS name is ASCII (RFC 5280 section 4.2.1.6): other letters become ASCII in lower case, such as the sign for
        Kelvin, and an authority may have checked the name as it was written.

        The common name counts only where there is no alternative name, and neither it nor a DNS name is ever a URI
        (RFC 6125 section 6.4.4, RFC 9525 section 2): an authority may have checked the one and not the other.
        """
        is_named = bool(self.uris or self.dns or self.has_others)
        dns = (name.lower() for name in self.dns if name.isascii())
        hosts = (*dns, *(() if is_named else (self.common_name,)))
        found = (*filter(is_uri, self.uris), *(name for name in hosts if not is_uri(name)))
        return tuple(name for name in dict.fromkeys(found) if is_printable(name))


@dataclass(frozen=True, slots=True)
class Shown:
    """What came with a call."""

    address: str = ""
    """Address of the peer itself, without its port; empty when it has none."""
    authorization: str | None = None
    """The `authorization` header: a scheme and its credentials. None: it is missing."""
    certificate: PeerCertificate | None = None
    forwarded_for: tuple[str, ...] = ()
    """The `x-forwarded-for` headers in their order, each with addresses joined by commas."""


MAX_NAME_CHARS = 255
"""A name is kept and logged with each call; OpenID Connect Core section 2 has the same limit for a subject."""


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_uri(name: str) -> bool:
    """Whether a name is a URI: it begins with a scheme (RFC 3986 section 3.1), as no DNS name does."""
    return _SCHEME.match(name) is not None


def is_printable(name: str) -> bool:
    """Whether a name can be logged and counted: some text, not too long, nothing invisible."""
    return 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name == name.strip()


def caller_address(shown: Shown, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Where the caller is: the peer, or the last address before the trusted proxies, if the peer is one of them.

    From right to left, as each proxy adds whom it saw: what stands further left is the caller's own invention.
    """
    nearest = _address(shown.address)
    if nearest is None:
        return shown.address
    hops = [hop for line in reversed(shown.forwarded_for[-MAX_HOPS:]) for hop in reversed(line.rsplit(",", MAX_HOPS))]
    for hop in hops[:MAX_HOPS]:
        if not _is_among(nearest, trusted):
            break
        before = _address(_without_port(hop.strip()))
        if before is None:
            break
        nearest = before
    return str(nearest)


def _is_among(address: _Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _without_port(hop: str) -> str:
    """Some proxies write the port too: `192.0.2.1:5000`, `[2001:db8::1]:5000`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _address(text: str) -> _Address | None:
    """An address, IPv4 in IPv6 as plain IPv4: one caller shall not have two. The zone belongs to this host alone."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
