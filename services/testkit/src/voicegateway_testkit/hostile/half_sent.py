"""Calls whose first message never comes whole: HTTP/2 by hand, as no gRPC library leaves a message half sent."""

import asyncio
import struct
from typing import Final

import h2.config
import h2.connection
import h2.events

from voicegateway_testkit.load import METHOD

_COMPRESSED_AND_LENGTH: Final = ">?I"
"""What stands before each gRPC message (gRPC's doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message")."""
_READ_BYTES: Final = 65_536


class HalfSentCalls:
    """Calls on one connection, each of which has sent all of its first message but the last byte."""

    def __init__(self, host: str, port: int, message_bytes: int, method: str = METHOD) -> None:
        """Makes calls to a plain-text gRPC server; each says that its message has `message_bytes`."""
        self._host, self._port, self._method = host, port, method
        self._body = struct.pack(_COMPRESSED_AND_LENGTH, False, message_bytes) + bytes(message_bytes - 1)
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._sent: dict[int, int] = {}
        """Bytes sent on each stream that is open."""
        self.statuses: dict[int, str] = {}
        """The grpc-status, or how the stream was reset, of each call that its server has ended."""
        self.sent_bytes = 0

    async def hold(self, calls: int, seconds: float) -> None:
        """Opens the calls, sends what the server takes, and waits; all are gone afterwards."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            self._connection.initiate_connection()
            for _ in range(calls):
                self._open()
            async with asyncio.timeout(seconds):
                while len(self.statuses) < calls:
                    self._push()
                    writer.write(self._connection.data_to_send())
                    await writer.drain()
                    received = await reader.read(_READ_BYTES)
                    if not received:
                        break
                    self._take(received)
        except (TimeoutError, ConnectionError):
            pass  # the time is up, or the server has had enough
        finally:
            writer.close()

    def _open(self) -> None:
        stream = self._connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", self._method),
            (":authority", f"{self._host}:{self._port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        self._connection.send_headers(stream, headers)
        self._sent[stream] = 0

    def _push(self) -> None:
        """Send what the windows of flow control let through."""
        for stream, sent in self._sent.items():
            while part := self._body[sent : sent + self._room(stream)]:
                self._connection.send_data(stream, part)
                sent = self._sent[stream] = sent + len(part)  # noqa: PLW2901  the same stream's, one part on
                self.sent_bytes += len(part)

    def _room(self, stream: int) -> int:
        return min(self._connection.local_flow_control_window(stream), self._connection.max_outbound_frame_size)

    def _take(self, received: bytes) -> None:
        for event in self._connection.receive_data(received):
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    headers = {bytes(name): bytes(value) for name, value in event.headers or ()}
                    if b"grpc-status" in headers:
                        self._end(event.stream_id, f"grpc-status {headers[b'grpc-status'].decode()}")
                case h2.events.StreamReset() if event.stream_id is not None:
                    self._end(event.stream_id, f"reset {event.error_code}")

    def _end(self, stream: int | None, status: str) -> None:
        if stream is not None:
            self.statuses.setdefault(stream, status)
            self._sent.pop(stream, None)
