"""The wire of gRPC: one stream of grpc.aio as a call sees it.

gRPC sends headers before the first message and a status after the last. It cancels the handler of a call whose client
has vanished, once. It ends a call well when the handler returns.
"""

import asyncio
import logging
from typing import Any, Final

import grpc

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import GatewayError
from voice_gateway.transports.client_input import MAX_REQUEST_BYTES
from voice_gateway.transports.failures import in_a_log
from voice_gateway.transports.grpc_wire.auth import CALLER
from voice_gateway.transports.grpc_wire.status import abort
from voice_gateway.transports.wire import Vanished

_LOG = logging.getLogger(__name__)

RawContext = grpc.aio.ServicerContext[bytes, bytes]
"""Messages stay bytes up to the codec, which knows what to say of one that is too large or does not parse."""

KEEPALIVE_OPTIONS: Final = (
    # a powered-off client sends no reset: its call is cancelled 40 s later at most, not after gRPC's default of 2 h
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
SERVER_OPTIONS: Final = (
    # a message that is a little too large reaches the codec and gets its typed refusal; gRPC refuses any larger one
    # RESOURCE_EXHAUSTED without holding it
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES + 65_536),
    *KEEPALIVE_OPTIONS,
)
"""Options that the server of these transports needs."""

_CALL_ENDED: Final = (grpc.aio.BaseError, asyncio.InvalidStateError)
"""What gRPC raises when a call has ended under its handler: its kinds of InternalError, and one of a server that was
stopped, which has no public name."""
_MISUSED: Final = (grpc.aio.UsageError, grpc.aio.AbortError)
"""What of that it raises when we do what may not be done, such as to write after the status: a fault of ours."""


class GrpcWire:
    """One stream; implements `transports.wire.Wire`."""

    greets_first: Final = False

    def __init__(self, context: RawContext) -> None:
        self._context = context

    @property
    def caller(self) -> Caller:
        """Who opened the call, as the interceptor found out."""
        return CALLER.get()

    @property
    def peer(self) -> str:
        """The peer by the name that gRPC gives it."""
        return self._context.peer()

    async def greet(self) -> None:
        """Send the headers: a status cannot be sent while they are on their way with a message that is cancelled."""
        try:
            await self._context.send_initial_metadata(())
        except _MISUSED:
            raise
        except _CALL_ENDED as error:
            raise Vanished from error

    async def read(self) -> bytes | None:
        """The next message; None: the client half-closed.

        A client that vanishes reads as a half-close, too; the cancellation of the call follows at once.
        """
        try:
            raw: Any = await self._context.read()
        except _MISUSED:
            raise
        except _CALL_ENDED as error:
            raise Vanished from error
        return None if raw is grpc.aio.EOF else raw

    async def write(self, raw: bytes) -> None:
        """Send a message."""
        try:
            await self._context.write(raw)
        except _MISUSED:
            raise
        except _CALL_ENDED as error:
            raise Vanished from error

    async def fail(self, failure: GatewayError) -> None:
        """End the call with the status of `failure`; raises what gRPC wants raised."""
        try:
            await abort(self._context, failure)
        except grpc.aio.InternalError:
            _LOG.warning("the call took no status any more", extra=in_a_log(failure))
