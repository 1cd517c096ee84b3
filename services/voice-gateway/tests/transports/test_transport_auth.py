"""What gRPC tells of a peer, in the words of the room that says who it is."""

import subprocess
import sys
from typing import Any

import grpc
import grpc.aio
import pytest
from transports.transport_fakes import FakeGateway
from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.identity.shown import PeerCertificate, Shown
from voice_gateway.transports.grpc_wire.auth import CALLER, CallerInterceptor, peer_address, peer_certificate

BOUND_S = 30.0


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:5000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:5000", "2001:db8::1"),
        ("ipv6:[2001:db8::1]:5000", "2001:db8::1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::1%eth0"),
        ("unix:", ""),
        ("unix:/run/voice.sock", ""),
        ("unix-abstract:voice", ""),
        ("vsock:3:5000", ""),
        ("", ""),
    ],
)
def test_a_peer_has_an_address_without_its_port(peer: str, address: str) -> None:
    """One caller is one address, whatever its port; what has no address has none."""
    assert peer_address(peer) == address


def test_a_certificate_is_read_whole() -> None:
    """Not what gRPC tells of its names, which ends at a NUL; one that cannot be read has none, and none is None."""
    told = {"transport_security_type": [b"ssl"], "x509_common_name": [b"desk"], "peer_dns": [b"desk.example"]}
    assert peer_certificate({**told, "x509_pem_cert": [b"-----BEGIN"]}) == PeerCertificate()
    assert peer_certificate(told) is None


class Doorman:
    """Lets in who shows anything, by that name."""

    async def caller(self, shown: Shown) -> Caller:
        """See Identifies."""
        if shown.authorization is None:
            raise ClientError(Reason.TOKEN_INVALID, "no")
        return Caller(shown.authorization, address=shown.address)


async def answer(_: bytes, __: Any) -> bytes:
    """The caller's name."""
    return CALLER.get().name.encode()


async def generate(_: bytes, __: Any) -> Any:
    """The caller's name, in a stream."""
    yield CALLER.get().name.encode()


HANDLERS: dict[str, Any] = {
    "UnaryUnary": grpc.unary_unary_rpc_method_handler(answer),
    "UnaryStream": grpc.unary_stream_rpc_method_handler(generate),
    "StreamUnary": grpc.stream_unary_rpc_method_handler(answer),
    "StreamStream": grpc.stream_stream_rpc_method_handler(generate),
}


async def told(channel: grpc.aio.Channel, kind: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
    """Call a method of that kind."""
    method: Any = {
        "UnaryUnary": channel.unary_unary,
        "UnaryStream": channel.unary_stream,
        "StreamUnary": channel.stream_unary,
        "StreamStream": channel.stream_stream,
    }[kind](f"/service/{kind}")
    request = b"" if kind.startswith("Unary") else iter([b""])
    call = method(request, metadata=metadata, timeout=BOUND_S)
    return bytes(await call.read() if kind.endswith("Stream") else await call)


@pytest.mark.parametrize("kind", HANDLERS)
async def test_every_kind_of_method_knows_its_caller(kind: str) -> None:
    """No method, of whichever kind, begins before it is known who calls; of two calls each knows its own."""
    server = grpc.aio.server(interceptors=[CallerInterceptor(Doorman(), ("open",), FakeGateway().doors.log)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("service", HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert await told(channel, kind, (("authorization", "ada"), ("authorization", "eve"))) == b"ada"
            assert await told(channel, kind, (("authorization", "bob"),)) == b"bob"
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await told(channel, kind, ())
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            other: Any = channel.unary_unary("/service/Other")
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await other(b"", timeout=BOUND_S)
            assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(None)
    assert CALLER.get().name == ""


def test_a_gateway_that_asks_for_no_certificate_reads_none() -> None:
    """What reads certificates takes tens of milliseconds to load: the first caller must not stop everybody with it."""
    program = (
        "import sys; from voice_gateway.transports.grpc_wire import auth;"
        "assert auth.peer_certificate({}) is None; assert 'cryptography.x509' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)  # noqa: S603
