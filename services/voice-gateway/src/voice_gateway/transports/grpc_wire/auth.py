"""Who calls over gRPC: what the call shows, in the words of the room `identity`, which says whose it is.

An interceptor is told the headers alone, before there is a call; the peer and its certificate are known to the call's
context. So handlers are wrapped, and the caller is found where the handler begins.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio

from voice_gateway.domain.caller import UNKNOWN, Caller
from voice_gateway.domain.errors import GatewayError
from voice_gateway.identity.shown import PeerCertificate, Shown
from voice_gateway.transports.failures import without_frames
from voice_gateway.transports.grpc_wire.status import abort
from voice_gateway.transports.refusal_log import RefusalLog

CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=UNKNOWN)
"""Who opened the call that this task serves."""

# These classes are generic in their stubs alone.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]]


class Identifies(Protocol):
    """Says who calls."""

    async def caller(self, shown: Shown) -> Caller:
        """Who calls. Raises GatewayError for a caller that may not."""


class CallerInterceptor(grpc.aio.ServerInterceptor):
    """Finds out who calls, and refuses those who may not with the status of their error."""

    def __init__(self, entrance: Identifies, open_services: Iterable[str], refusals: RefusalLog) -> None:
        """Ask `entrance` of every call but those to `open_services`, by their full names: probes show nothing."""
        self._entrance = entrance
        self._refusals = refusals
        self._open = tuple(f"/{name}/" for name in open_services)

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> _Handler:
        """Give the call's own handler, with the question who calls before it."""
        handler = await continuation(handler_call_details)
        if handler is None or str(handler_call_details.method).startswith(self._open):
            return handler
        return _rewrapped(handler, self._enter)

    async def _enter(self, context: _Context) -> None:
        try:
            CALLER.set(await self._entrance.caller(shown_by(context)))
        except GatewayError as error:
            failure = without_frames(error)
        else:
            return
        self._refusals.tell(failure, context.peer(), by_address(context))
        await abort(context, failure)


def _rewrapped(
    handler: "grpc.RpcMethodHandler[Any, Any]", enter: Callable[[_Context], Awaitable[None]]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """The same handler, of the same kind, that asks `enter` first."""
    serving: Any = handler
    for name, make in _KINDS.items():
        behaviour = getattr(serving, name)
        if behaviour is not None:
            return make(_after(enter, behaviour), serving.request_deserializer, serving.response_serializer)
    raise TypeError("a handler without a method")


_KINDS: Final[dict[str, Callable[..., "grpc.RpcMethodHandler[Any, Any]"]]] = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


def _after(enter: Callable[[_Context], Awaitable[None]], behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """`enter`, then the behaviour; gRPC tells a generator from a coroutine by the function: each stays what it was."""
    if inspect.isasyncgenfunction(behaviour):

        async def generate(request: object, context: _Context) -> AsyncIterator[Any]:
            await enter(context)
            async for response in behaviour(request, context):
                yield response

        return generate

    async def answer(request: object, context: _Context) -> Any:
        await enter(context)
        return await behaviour(request, context)

    return answer


def shown_by(context: _Context) -> Shown:
    """What a call shows."""
    authorization, forwarded = None, []
    for key, value in context.invocation_metadata() or ():
        if not isinstance(value, str):
            continue
        if key == "authorization" and authorization is None:
            authorization = value
        elif key == "x-forwarded-for":
            forwarded.append(value)
    return Shown(
        peer_address(context.peer()), authorization, peer_certificate(context.auth_context()), tuple(forwarded)
    )


def caller_of(context: _Context) -> Caller:
    """Who opened a call; where nobody was asked, who its address says."""
    caller = CALLER.get()
    return by_address(context) if caller is UNKNOWN else caller


def account_of(context: _Context) -> str:
    """On whose account a call goes."""
    return caller_of(context).account


def by_address(context: _Context) -> Caller:
    """A caller of whom nothing is known but where the call comes from."""
    return Caller(address=peer_address(context.peer()))


def peer_address(peer: str) -> str:
    """The address in gRPC's name of a peer, without its port: `ipv4:192.0.2.1:5000`, `ipv6:%5B::1%5D:5000`, `unix:...`.

    Empty for a peer that has none.
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")


def peer_certificate(properties: "dict[str, Iterable[bytes]] | Any") -> PeerCertificate | None:
    """The names in the certificate of a peer, which gRPC's auth context holds; None: it showed none."""
    pem = next(iter(properties.get("x509_pem_cert", ())), None)
    if pem is None:
        return None
    from voice_gateway.identity.peer_names import read_names  # noqa: PLC0415  see `certificates.watched_certificates`

    return read_names(pem)
