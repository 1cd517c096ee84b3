"""The ports that workers share: first looked at, then held.

A port that another program uses must be an error, as it is for one process, though with SO_REUSEPORT the kernel lets
any process of the same user join. So the parent listens on it first without. Then it holds the number with a second
socket that does not listen, which gets no connection and stays when every worker is gone. The first one, which alone
was allowed, lets the second one in and closes only after that: there is no moment at which another gateway could.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOOPBACK_PORTS: Final = frozenset({"ADMIN_PORT"})
"""Those that are open on that address alone."""


class PortTaken(Exception):  # noqa: N818  said as the fact it is
    """Another program uses it.

    Attributes:
        port: which.
    """

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} cannot be opened; is another program using it?")
        self.port = port


@contextmanager
def held(wanted: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Hold these ports while the block runs, each by the name of its setting; 0 stands for any that is free.

    Raises:
        PortTaken: another program has one of them.
    """
    with ExitStack() as stack:
        yield {name: _hold(stack, port, LOOPBACK if name in LOOPBACK_PORTS else "") for name, port in wanted.items()}


def _hold(stack: ExitStack, port: int, host: str) -> int:
    try:
        with closing(_socket(host)) as alone:
            alone.bind((host, port))
            alone.listen(1)
            port = alone.getsockname()[1]
            holder = stack.enter_context(closing(_socket(host)))
            for each in (alone, holder):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((host, port))
            # From now on nobody else can listen there while no worker does, not even who asks for SO_REUSEADDR
            # (socket(7)).
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        raise PortTaken(port) from error
    return port


def _socket(host: str) -> socket.socket:
    """As gRPC's: on every interface, IPv6 and IPv4, unless a host is named, and whatever lingers of old connections."""
    is_dual = not host and socket.has_dualstack_ipv6()
    made = socket.socket(socket.AF_INET6 if is_dual else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_dual:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return made
