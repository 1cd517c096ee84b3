"""Serves the metrics at /metrics and the health page at /health, over HTTP/1, on the event loop: no library, no
thread that waits.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import generate_latest

READ_LIMIT_S = 5.0
"""A client that has not said what it wants by then is let go."""
MAX_REQUEST_BYTES = 16_384


WriteHealth = Callable[[], tuple[bool, bytes]]
"""Whether the gateway is ready, and the page that says so."""
Collect = Callable[[], Awaitable[CollectorRegistry]]
"""Brings what is to be told together."""
AskHealth = Callable[[], Awaitable[tuple[bool, bytes]]]
"""As `WriteHealth`, for who has to ask others first."""


async def serve_metrics(registry: CollectorRegistry, port: int, health: WriteHealth) -> asyncio.Server:
    """Serve what one process knows; see `serve_pages`."""

    async def collect() -> CollectorRegistry:
        return registry

    async def ask() -> tuple[bool, bytes]:
        return health()

    return await serve_pages(collect, port, ask)


async def serve_pages(collect: Collect, port: int, health: AskHealth) -> asyncio.Server:
    """Open the port on every interface, IPv6 and IPv4; 0 picks a free one.

    Raises:
        OSError: the port cannot be had.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _response(request, collect, health))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever asked has gone, or never asked
        finally:
            writer.close()

    return await asyncio.start_server(answer, sock=_listen(port), limit=MAX_REQUEST_BYTES)


async def _response(request: bytes, collect: Collect, health: AskHealth) -> bytes:
    method, target, *_ = (*request.split(b"\r\n", 1)[0].split(b" "), b"", b"")
    path = target.split(b"?")[0]
    if method == b"GET" and path == b"/health":
        is_ready, page = await health()
        return _message("200 OK" if is_ready else "503 Service Unavailable", "application/json", page)
    if method != b"GET" or path != b"/metrics":
        return _message("404 Not Found", "text/plain; charset=utf-8", b"GET /metrics and /health are all there is\n")
    encode, content_type = _encoder(_accepted(request))
    # Writing it takes a millisecond or two, which audio should not wait for.
    return _message("200 OK", content_type, await asyncio.to_thread(encode, await collect()))


async def open_metrics(registry: CollectorRegistry) -> bytes:
    """What a registry tells, in OpenMetrics, which has all there is."""
    return await asyncio.to_thread(generate_latest, registry)


def _encoder(accepted: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """By the format that the client likes best: exemplars are told in OpenMetrics alone."""
    try:
        return choose_encoder(accepted)
    except (TypeError, ValueError):  # the library's, for a version that is no number
        return choose_encoder("")


def _accepted(request: bytes) -> str:
    """What the client would like to read, joined from all its Accept headers (RFC 9110, section 5.3)."""
    fields = (line.partition(b":") for line in request.split(b"\r\n")[1:])
    told = (value.strip() for name, _, value in fields if name.strip().lower() == b"accept")
    return b",".join(told).decode("latin-1")


def _message(status: str, content_type: str, body: bytes) -> bytes:
    fields = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *fields, "", "")).encode() + body


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
