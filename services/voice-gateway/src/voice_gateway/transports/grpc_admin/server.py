"""voicegateway.admin.v1.AdminService on grpc.aio, on a server of its own."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from voicegateway.admin.v1 import admin_pb2

from voice_gateway.domain.overview.values import Overview
from voice_gateway.session.ports import ExpectStart
from voice_gateway.transports.grpc_admin.codec import encode
from voice_gateway.transports.grpc_wire.unary import unary

SERVICE_NAME: Final[str] = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
METHOD: Final = f"/{SERVICE_NAME}/GetSnapshot"
MAX_AT_ONCE: Final = 4
"""Answers that are written at the same time, 400 kB each at most; whoever watches asks once a second."""


def _nothing(_: bytes) -> None:
    """The request has no fields; its bytes are not kept."""


def add_to_server(server: grpc.aio.Server, look: Callable[[], Overview], expect: ExpectStart) -> None:
    """Serve AdminService on `server`."""
    written = 0

    async def get_snapshot(_: None, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        nonlocal written
        if written >= MAX_AT_ONCE:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many ask at once")
        written += 1
        try:
            # writing it takes a few milliseconds with many calls, which audio should not wait for
            return await asyncio.to_thread(encode, look())
        finally:
            written -= 1

    handlers = {"GetSnapshot": unary(get_snapshot, parse=_nothing, expect=expect)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
