"""A bare `grpc.aio` server that sends every message back: what the wire alone costs. For `make bench`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop
from voicegateway_testkit.load import METHOD


async def _echo(_: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    while (raw := await context.read()) is not grpc.aio.EOF:
        await context.write(raw)


async def serve(answer: Callable[[object, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[None]]) -> None:
    """Answer every call so; the port is written into the file that the command line names."""
    port_file = Path(sys.argv[1])
    service, method = METHOD.strip("/").split("/")
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {method: grpc.stream_stream_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    partial = port_file.with_suffix(".partial")
    partial.write_text(f'{{"grpc": {port}}}', encoding="utf-8")
    partial.replace(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(_echo))
