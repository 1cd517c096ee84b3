"""Methods with one request: it is waited for `REQUEST_TIMEOUT_MS` at most, and only when it is known who calls.

grpc.aio reads the request of a unary method before it asks anybody, for as long as it takes. A handler for streams is
asked first and reads for itself; on the wire nothing tells the two apart (gRPC's doc/PROTOCOL-HTTP2.md).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

import grpc

from voice_gateway.domain.errors import ClientError, GatewayError, Reason
from voice_gateway.session.ports import ExpectStart
from voice_gateway.transports.failures import without_frames
from voice_gateway.transports.grpc_wire.auth import caller_of
from voice_gateway.transports.grpc_wire.status import abort
from voice_gateway.transports.grpc_wire.wire import GrpcWire, RawContext
from voice_gateway.transports.operations import StartTime
from voice_gateway.transports.wire import Vanished

REQUEST_TIMEOUT_MS: Final = 5_000
"""A request has a few hundred bytes at most, and so comes with its headers; a segment that is lost twice in a row is
there after 3 s (RFC 6298, sections 2 and 5: 1 s, then 2 s)."""

R = TypeVar("R")
Method: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def unary(
    behaviour: Callable[[R, Any], Awaitable[Any]],
    parse: Callable[[bytes], R],
    expect: ExpectStart,
    serialize: Callable[[Any], bytes] | None = None,
) -> Method:
    """A method with one request and one response; `parse` may raise ClientError."""

    async def serve(_: object, context: RawContext) -> Any:
        return await behaviour(await _request(context, parse, expect), context)

    return grpc.stream_unary_rpc_method_handler(serve, None, serialize)


def server_stream(
    behaviour: Callable[[R, Any], Awaitable[None]],
    parse: Callable[[bytes], R],
    expect: ExpectStart,
    serialize: Callable[[Any], bytes] | None = None,
) -> Method:
    """A method with one request, whose behaviour writes the responses; `parse` may raise ClientError."""

    async def serve(_: object, context: RawContext) -> None:
        await behaviour(await _request(context, parse, expect), context)

    return grpc.stream_stream_rpc_method_handler(serve, None, serialize)


async def _request(context: RawContext, parse: Callable[[bytes], R], expect: ExpectStart) -> R:
    try:
        return parse(await _read(context, expect))
    except Vanished as error:
        without_frames(error)
        raise asyncio.CancelledError from None  # with which gRPC ends a call that has nobody to be told
    except GatewayError as error:
        failure = without_frames(error)
    return await abort(context, failure)


async def _read(context: RawContext, expect: ExpectStart) -> bytes:
    with expect(caller_of(context)) as crowded:
        raw = await StartTime(REQUEST_TIMEOUT_MS, crowded).bound(GrpcWire(context).read())
    if raw is None:
        raise ClientError(Reason.MESSAGE_EMPTY, "the call has no request")
    return raw
