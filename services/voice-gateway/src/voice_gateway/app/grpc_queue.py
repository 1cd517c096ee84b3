"""Has gRPC wake our loop once for all operations that have ended, instead of once for each.

A thread of gRPC's writes a byte into a socket for each operation that ends. Whoever reads it takes one byte, and then
all operations that have ended by now (_cython/_cygrpc/aio/completion_queue.pyx.pxi): of the other bytes each wakes the
loop once more, for nothing. With 72 callers those were 60 % of gRPC's wakes (measured 2026-12-01).

For a process with one loop: an operation of a closed loop breaks off the taking, and no byte would be left to go on.
"""

import logging
import socket
from typing import Any

import grpc.aio

_log = logging.getLogger(__name__)

MOST_BYTES = 4_096
"""More than the socket holds: 278 of these by Linux's default."""


class Wakes(socket.socket):
    """Gives all bytes that are there to whoever asks for one."""

    __slots__ = ()

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """See `socket.socket.recv`."""
        return super().recv(max(size, MOST_BYTES), flags)


def wake_once() -> None:
    """Make gRPC's queue, for as long as the process lives; to be called in the loop, before grpc.aio makes anything."""
    made, taken = socket.socketpair, list[Wakes]()

    def pair(*arguments: Any, **named: Any) -> tuple[socket.socket, socket.socket]:
        reader, writer = made(*arguments, **named)
        taken.append(Wakes(reader.family, reader.type, reader.proto, fileno=reader.detach()))
        return taken[-1], writer

    socket.socketpair = pair
    try:
        grpc.aio.init_grpc_aio()
    finally:
        socket.socketpair = made
    _log.log(logging.DEBUG if taken else logging.WARNING, "grpc_queue", extra={"wakes_once": bool(taken)})
