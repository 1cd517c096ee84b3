"""A bare `grpc.aio` server that refuses everybody: what a refusal costs at least. For `make bench`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop
from voicegateway_testkit.load import METHOD


async def _refuse(_: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await context.read()  # or clients that write meanwhile are told INTERNAL by their own library
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")


async def _serve(port_file: Path) -> None:
    service, method = METHOD.strip("/").split("/")
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {method: grpc.stream_stream_rpc_method_handler(_refuse)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    partial = port_file.with_suffix(".partial")
    partial.write_text(f'{{"grpc": {port}}}', encoding="utf-8")
    partial.replace(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
