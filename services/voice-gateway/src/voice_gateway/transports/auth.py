"""Who may call: a bearer token in the metadata of each call, as RFC 6750 has it in HTTP."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.transports.status import abort

_SCHEME = "bearer "
# The class is generic in its stubs alone.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]]


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without a known token UNAUTHENTICATED / TOKEN_INVALID; tokens are kept as hashes only."""

    def __init__(self, tokens: Iterable[str], open_services: Iterable[str]) -> None:
        """Know the tokens.

        Args:
            tokens: any of them opens.
            open_services: full names of services that need none: probes have no token.
        """
        self._known = tuple(_digest(token.encode()) for token in tokens)
        self._open = tuple(f"/{name}/" for name in open_services)

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler:
        """Give the call's own handler, or one that refuses."""
        handler = await continuation(handler_call_details)
        if handler is None or str(handler_call_details.method).startswith(self._open):
            return handler
        if self._is_known(handler_call_details.invocation_metadata):
            return handler
        return _refusing(handler)

    def _is_known(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        for key, value in metadata:
            if key == "authorization" and isinstance(value, str) and value[: len(_SCHEME)].lower() == _SCHEME:
                shown = _digest(value[len(_SCHEME) :].strip().encode())
                # Every known token is compared, and whole: how long it takes tells nothing.
                return sum(hmac.compare_digest(shown, known) for known in self._known) > 0
        return False


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _refusing(handler: "grpc.RpcMethodHandler[Any, Any]") -> _Handler:
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_refuse)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_refuse)
    return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_request: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await abort(context, ClientError(Reason.TOKEN_INVALID, "show a token: authorization: Bearer ..."))
