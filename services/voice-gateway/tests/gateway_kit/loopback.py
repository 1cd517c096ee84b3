"""A gRPC server on loopback, for as long as a test wants it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio


@asynccontextmanager
async def listening(server: grpc.aio.Server) -> AsyncIterator[str]:
    """Its address, in plain text."""
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
