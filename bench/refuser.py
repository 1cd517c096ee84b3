"""A bare `grpc.aio` server that refuses everybody: what a refusal costs at least. For `make bench`."""

from typing import Any

import grpc
import grpc.aio
import uvloop

from bench.echo import serve


async def _refuse(_: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    await context.read()  # or clients that write meanwhile are told INTERNAL by their own library
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")


if __name__ == "__main__":
    uvloop.run(serve(_refuse))
