"""Names of servers as configured, and the addresses behind them.

gRPC does not resolve a name again while its connections are in good health, and HTTP clients keep theirs, so the
gateway asks for itself.
"""

import asyncio
import ipaddress
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from voice_gateway.backends.addresses.book import Address

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The IP addresses of a host, for this port; raises OSError, or UnicodeError for what cannot be a name."""

_WEB_PORTS = {"http": 80, "https": 443}  # RFC 9110, section 4.2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server as configured."""

    host: str
    """A name or an IP address, without brackets."""
    port: int
    is_proxied: bool = False
    """Calls leave through a proxy of the environment's, which resolves the name."""

    @property
    def is_final(self) -> bool:
        """Whether nothing is to be resolved."""
        return self.is_proxied or is_ip(self.host)

    @property
    def name(self) -> str:
        """Host and port."""
        return str(Address(self.host, self.port))

    def at(self, host: str) -> Address:
        """This server at one of its addresses."""
        return Address(host, self.port, self.name, self.is_proxied)


def endpoint_of(url: str, proxies: Iterable[str]) -> Endpoint:
    """The endpoint of a URL; `proxies` are the names, without `_proxy`, of variables that may name a proxy for it.

    Raises:
        ValueError: there is no host, or the port is not a number from 0 to 65535.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"there is no host in {url!r}")
    port = _WEB_PORTS[parts.scheme] if parts.port is None else parts.port
    has_proxy = not urllib.request.getproxies().keys().isdisjoint(proxies)
    return Endpoint(parts.hostname, port, has_proxy and not urllib.request.proxy_bypass(parts.hostname))


def is_ip(host: str) -> bool:
    """Whether this is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """All addresses of a host that this machine has a route to, asked in a thread of the event loop's."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return tuple(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))
