"""gRPC servers and their ports."""

import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME

from voice_gateway import config
from voice_gateway.identity.certificates import Certificates
from voice_gateway.identity.watched import WatchedFiles
from voice_gateway.observability.health_service import HealthService
from voice_gateway.session.admission.unstarted import Unstarted
from voice_gateway.transports.grpc_admin import server as grpc_admin
from voice_gateway.transports.grpc_admin.server import Look
from voice_gateway.transports.grpc_wire.auth import CallerInterceptor, Identifies
from voice_gateway.transports.grpc_wire.parsing import parse
from voice_gateway.transports.grpc_wire.unary import server_stream, unary
from voice_gateway.transports.grpc_wire.wire import KEEPALIVE_OPTIONS, SERVER_OPTIONS
from voice_gateway.transports.refusal_log import RefusalLog

PING_INTERVAL_MS = 2_500
"""Clients may ping every 5 s in a silent call, and without any; half of that, because one that comes a moment early
counts against its client, and the third cuts the connection off (gRPC's doc/keepalive.md; without this, 300 s)."""
OTHER_STREAMS = 100
"""On one connection beside its sessions: a proxy has all its calls on one, and those that are refused, and the probes,
must not wait until a session ends. What may stay for longer than a moment is less than that: of one account 25 watchers
of health, 10 streams of reflection, and 60 calls that have not started."""
HEALTH_STREAMS = 100
"""Streams on one connection to the port that has the health service alone."""
HEALTH_MESSAGE_BYTES = 4_096
"""Received at most on that port: a name of MAX_NAME_CHARS characters, of 4 bytes each, four times over."""
HEALTH_UNSTARTED = 60
"""Questions that may be waited for on a port, beside the calls: whoever asks for health is not known."""
HEALTH_RETRY_MS = 1_000
ADMIN_MESSAGE_BYTES = 1_024
"""Received at most by the admin service, whose request has no fields."""
ADMIN_UNSTARTED = 20
"""Questions to it that may be waited for."""
PORT_OPTIONS = (
    # The name that gRPC knows; `min_recv_ping_interval_...`, as the constant is called in C, it takes without effect.
    ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Two gateways on one port would share its calls without a word; a port in use must be an error.
    ("grpc.so_reuseport", 0),
)


class CannotListen(Exception):  # noqa: N818  said as the fact it is
    """The port is taken, or the certificate is refused."""


def grpc_server(
    settings: config.ServerSettings, entrance: Identifies, max_sessions: int, refusals: RefusalLog
) -> grpc.aio.Server:
    streams = ("grpc.max_concurrent_streams", max_sessions + OTHER_STREAMS)
    port = _port_options(is_shared=settings.shares_ports)
    options = (*SERVER_OPTIONS, *port, *age_options(settings.max_connection_age_ms), streams)
    return grpc.aio.server(options=options, interceptors=[CallerInterceptor(entrance, (HEALTH_NAME,), refusals)])


def _port_options(*, is_shared: bool) -> tuple[tuple[str, int], ...]:
    """Workers share a port that their parent holds: it has looked whether another program uses it."""
    reuse = ("grpc.so_reuseport", 1)
    return (*(each for each in PORT_OPTIONS if each[0] != reuse[0]), reuse) if is_shared else PORT_OPTIONS


def health_server(*, is_shared: bool = False) -> grpc.aio.Server:
    own = (
        ("grpc.max_receive_message_length", HEALTH_MESSAGE_BYTES),
        ("grpc.max_concurrent_streams", HEALTH_STREAMS),
    )
    return grpc.aio.server(options=(*KEEPALIVE_OPTIONS, *_port_options(is_shared=is_shared), *own))


def add_health(server: grpc.aio.Server, health: HealthService) -> None:
    """Serve grpc.health.v1 on `server`."""

    def question(raw: bytes) -> health_pb2.HealthCheckRequest:
        return parse(raw, health_pb2.HealthCheckRequest)

    serialize = health_pb2.HealthCheckResponse.SerializeToString
    expect = Unstarted(lambda: HEALTH_UNSTARTED, lambda: HEALTH_RETRY_MS).expecting
    handlers = {
        "Check": unary(health.Check, question, expect, serialize),
        "Watch": server_stream(health.Watch, question, expect, serialize),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(HEALTH_NAME, handlers),))


def admin_server(look: Look, *, is_shared: bool = False) -> grpc.aio.Server:
    """A server that tells what the gateway does, and nothing else."""
    own = (
        ("grpc.max_receive_message_length", ADMIN_MESSAGE_BYTES),
        ("grpc.max_concurrent_streams", ADMIN_UNSTARTED),
    )
    server = grpc.aio.server(options=(*KEEPALIVE_OPTIONS, *_port_options(is_shared=is_shared), *own))
    expect = Unstarted(lambda: ADMIN_UNSTARTED, lambda: HEALTH_RETRY_MS).expecting
    grpc_admin.add_to_server(server, look, expect)
    return server


def age_options(max_age_ms: int) -> tuple[tuple[str, int], ...]:
    """Options that end old connections and no call on them; none for 0."""
    if not max_age_ms:
        return ()
    # The largest int stands for ever (gRPC's grpc_types.h): calls run to their end however long they take.
    return (("grpc.max_connection_age_ms", max_age_ms), ("grpc.max_connection_age_grace_ms", 2**31 - 1))


def open_port(server: grpc.aio.Server, port: int, certificates: WatchedFiles[Certificates] | None) -> int:
    if certificates is None:
        return open_plain_port(server, port)
    try:
        return server.add_secure_port(f"[::]:{port}", _credentials(certificates))
    except RuntimeError as error:
        raise taken(port) from error


def _credentials(certificates: WatchedFiles[Certificates]) -> grpc.ServerCredentials:
    """Credentials that show each new connection the certificate of the moment; older connections keep theirs."""
    shown = certificates.value

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # gRPC calls this in threads of its own, before each handshake; None: as before
        nonlocal shown
        current = certificates.value
        if current is shown:
            return None
        shown = current
        return _configuration(current)

    asks_clients = shown.client_ca is not None
    return grpc.dynamic_ssl_server_credentials(_configuration(shown), fetch, asks_clients)  # type: ignore[arg-type]  # its stubs know no None


def _configuration(shown: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(shown.key, shown.chain)], shown.client_ca)


def open_plain_port(server: grpc.aio.Server, port: int, host: str = "[::]") -> int:
    try:
        return server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise taken(port) from error


def taken(port: int) -> CannotListen:
    return CannotListen(f"port {port} cannot be opened; is another program using it?")
