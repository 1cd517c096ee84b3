"""A method with one request keeps nothing of a call that it refuses."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from gateway_kit.loopback import listening
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.observability import health_service
from voice_gateway.observability.health_service import MAX_NAME_CHARS, HealthService
from voice_gateway.session.admission.unstarted import Unstarted
from voice_gateway.transports.grpc_wire.auth import account_of
from voice_gateway.transports.grpc_wire.unary import server_stream, unary

CALLS = 5
LONG = b"n" * (MAX_NAME_CHARS + 1)


class Asked:
    """A question after a service; counts how many are in memory."""

    alive = 0

    def __init__(self, raw: bytes) -> None:
        self.service = raw.decode()
        Asked.alive += 1

    def __del__(self) -> None:
        Asked.alive -= 1


class Short(Asked):
    """One that asks after everything, with bytes that are no name."""

    def __init__(self, _: bytes) -> None:
        super().__init__(b"")


def refused(raw: bytes) -> Asked:
    """Take a question apart, and refuse it."""
    asked = Asked(raw)
    raise ClientError(Reason.TEXT_INVALID, f"{len(asked.service)} characters")


Behaviour = Callable[[Any, Any], Awaitable[Any]]


def methods() -> dict[str, Any]:
    """Each way to refuse a request."""
    health = HealthService(account_of)
    check: Behaviour = health.Check
    watch: Behaviour = health.Watch
    crowded: Any = HealthService(lambda _: "crowd")
    expect = Unstarted(lambda: CALLS, lambda: 1).expecting
    return {
        "Malformed": unary(check, refused, expect),
        "Unknown": unary(check, Asked, expect),
        "TooLong": server_stream(watch, Asked, expect),
        "TooMany": server_stream(crowded.Watch, Short, expect),
    }


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("Malformed", grpc.StatusCode.INVALID_ARGUMENT),
        ("Unknown", grpc.StatusCode.NOT_FOUND),
        ("TooLong", grpc.StatusCode.INVALID_ARGUMENT),
        ("TooMany", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_request_that_is_refused_goes_with_its_call(
    method: str, code: grpc.StatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of each request that is refused would stay until the collector comes."""
    monkeypatch.setattr(health_service, "MAX_WATCHERS_OF_AN_ACCOUNT", 0)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("service", methods()),))
    Asked.alive = 0
    gc.disable()
    try:
        async with listening(server) as address, grpc.aio.insecure_channel(address) as channel:
            for _ in range(CALLS):
                ask: Any = channel.unary_unary(f"/service/{method}")
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await ask(LONG)
                assert ended.value.code() is code
        assert Asked.alive == 0
    finally:
        gc.enable()


class Gone:
    """A call whose client has vanished before its request was read."""

    async def read(self) -> bytes:
        """As gRPC does on an ended call."""
        raise grpc.aio.InternalError

    def peer(self) -> str:
        """Where it came from."""
        return "ipv4:192.0.2.1:5000"


async def test_a_client_that_vanishes_is_no_fault() -> None:
    """Of whatever a method raises gRPC logs a traceback, but for a cancellation."""
    unstarted = Unstarted(lambda: CALLS, lambda: 1)
    check: Behaviour = HealthService(account_of).Check
    method: Any = unary(check, Asked, unstarted.expecting)
    with pytest.raises(asyncio.CancelledError):
        await method.stream_unary(None, Gone())
    assert unstarted.calls == 0


async def test_a_watch_keeps_no_request() -> None:
    """A thousand may watch, for as long as they like, and a request may have a megabyte that is no name."""
    health: Any = HealthService(account_of)
    method = server_stream(health.Watch, Short, Unstarted(lambda: 1, lambda: 1).expecting, bytes_of)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("service", {"Watch": method}),))
    Asked.alive = 0
    async with listening(server) as address, grpc.aio.insecure_channel(address) as channel:
        watch: Any = channel.unary_stream("/service/Watch")
        call = watch(b"")
        assert await call.read() is not grpc.aio.EOF
        assert health.watchers == 1
        assert Asked.alive == 0
        call.cancel()


def bytes_of(response: Any) -> bytes:
    """A response as it is sent."""
    return bytes(response.SerializeToString())
