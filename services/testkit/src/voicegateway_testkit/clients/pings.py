"""A peer of HTTP/2 that only pings, as often as it likes: gRPC's own clients are kept from that by their library."""

import asyncio
from dataclasses import dataclass

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _PING, _GOAWAY = 4, 6, 7
"""Types of frames (RFC 9113, section 6)."""
_ACK = 1
_HEADER_BYTES = 9


@dataclass(frozen=True, slots=True)
class Pinged:
    """What became of the pings.

    Attributes:
        answered: how many were answered.
        goaway: what the server said when it cut the connection off; empty: it did not.
    """

    answered: int
    goaway: str = ""


async def ping(address: str, count: int, *, every_s: float = 0.0) -> Pinged:
    """Sends pings on a connection without any call, each when the one before was answered and `every_s` has passed."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, b""))
        for answered in range(count):
            writer.write(_frame(_PING, answered.to_bytes(8, "big")))
            await writer.drain()
            if (goaway := await _answer(reader)) is not None:
                return Pinged(answered, goaway)
            await asyncio.sleep(every_s)
        return Pinged(count)
    finally:
        writer.close()


def _frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


async def _answer(reader: asyncio.StreamReader) -> str | None:
    """Waits for the answer of a ping; what a GOAWAY says instead."""
    while True:
        header = await reader.readexactly(_HEADER_BYTES)
        payload = await reader.readexactly(int.from_bytes(header[:3], "big"))
        if header[3] == _GOAWAY:
            return payload[8:].decode()
        if header[3] == _PING and header[4] & _ACK:
            return None
