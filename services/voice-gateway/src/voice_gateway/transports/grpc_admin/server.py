"""voicegateway.admin.v1.AdminService on grpc.aio, on a server of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc.aio
from voicegateway.admin.v1 import admin_pb2

from voice_gateway.domain.overview.values import Overview
from voice_gateway.session.ports import ExpectStart
from voice_gateway.transports.grpc_admin.codec import encode
from voice_gateway.transports.grpc_wire.unary import unary

SERVICE_NAME: Final[str] = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
METHOD: Final = f"/{SERVICE_NAME}/GetSnapshot"
Look = Callable[[], Awaitable[Overview]]


def _nothing(_: bytes) -> None:
    """The request has no fields; its bytes are not kept."""


class SharedAnswer:
    """The answer that is being written, which whoever asks meanwhile is given, too: one thread at most writes."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._writing: asyncio.Future[bytes] | None = None

    async def get(self) -> bytes:
        """What the gateway does now; whoever is cancelled ends it for nobody else."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        return await asyncio.shield(self._writing)

    async def _write(self) -> bytes:
        # writing it takes a few milliseconds with many calls, which audio should not wait for
        return await asyncio.to_thread(encode, await self._look())


def add_to_server(server: grpc.aio.Server, look: Look, expect: ExpectStart) -> None:
    """Serve AdminService on `server`."""
    answer = SharedAnswer(look)

    async def get_snapshot(_: None, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        del context
        return await answer.get()

    handlers = {"GetSnapshot": unary(get_snapshot, parse=_nothing, expect=expect)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
