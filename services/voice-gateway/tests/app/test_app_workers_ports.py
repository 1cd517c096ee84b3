"""Ports that workers share: a port in use is an error, and what is held stays held."""

import socket
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any, ClassVar

import pytest
from gateway_kit.replicas import free_port
from voice_gateway.app.workers import ports
from voice_gateway.app.workers.ports import PortTaken, held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="WORKERS above 1 needs Linux")


def joining(port: int) -> socket.socket:
    """A socket that listens there as a worker's does."""
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)


def test_a_held_port_is_for_workers_alone() -> None:
    """Several join it, none is chosen twice, and connections reach who listens, never who holds."""
    with held({"GRPC_PORT": 0, "HEALTH_PORT": 0}) as ports:
        assert 0 not in ports.values()
        assert len(set(ports.values())) == 2
        port = ports["GRPC_PORT"]
        with closing(socket.socket()) as early, pytest.raises(ConnectionRefusedError):
            early.connect(("127.0.0.1", port))
        with joining(port) as one, joining(port) as other, socket.create_connection(("127.0.0.1", port), 5):
            one.setblocking(False)
            other.setblocking(False)
            assert sum(has_caller(each) for each in (one, other)) == 1


def has_caller(listener: socket.socket) -> bool:
    """Whether a connection waits."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_a_port_of_another_program_is_taken() -> None:
    """Also where that one would share it."""
    for listener in (socket.create_server(("", 0)), joining(0)):
        with listener:
            port = listener.getsockname()[1]
            with pytest.raises(PortTaken, match=f"port {port} cannot be opened"), held({"GRPC_PORT": port}):
                pass


def test_a_port_whose_workers_listen_is_taken() -> None:
    """A second gateway with workers cannot join the first."""
    with held({"GRPC_PORT": 0}) as ports, joining(ports["GRPC_PORT"]), pytest.raises(PortTaken), held(ports):
        pass


def test_a_port_that_another_gateway_holds_is_taken() -> None:
    """Also before the first of its workers listens, and while all of them are away."""
    with held({"GRPC_PORT": 0}) as ports:
        with pytest.raises(PortTaken), held(ports):
            pass
        with joining(ports["GRPC_PORT"]):
            pass
    with held(ports):
        pass


class Watched(socket.socket):
    """A socket; once one has listened, `another` comes after each step of each."""

    steps: ClassVar[list[str]] = []
    another: ClassVar[Callable[[], None]]

    def listen(self, *arguments: int) -> None:
        """Listen."""
        super().listen(*arguments)
        self.stepped("listen")

    def setsockopt(self, *arguments: Any) -> None:
        """Set an option."""
        super().setsockopt(*arguments)
        if self.steps:
            self.stepped("setsockopt")

    def close(self) -> None:
        """Close."""
        super().close()
        self.stepped("close")

    def stepped(self, step: str) -> None:
        """Have another one come."""
        Watched.steps.append(step)
        Watched.another()


def test_nobody_gets_between_the_look_and_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another gateway that is started at the same instant finds the port taken, whatever step the first one is at."""
    port, plain = free_port(), ports._socket

    def watched(host: str) -> socket.socket:
        made = plain(host)
        return Watched(made.family, made.type, made.proto, made.detach())

    def another() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(ports, "_socket", plain)
            with pytest.raises(PortTaken), held({"GRPC_PORT": port}):
                pass

    monkeypatch.setattr(Watched, "steps", [])
    monkeypatch.setattr(Watched, "another", another, raising=False)
    monkeypatch.setattr(ports, "_socket", watched)
    with held({"GRPC_PORT": port}):
        assert {"listen", "close"} <= set(Watched.steps)
        monkeypatch.setattr(Watched, "another", lambda: None)


def test_a_port_stays_held_when_every_worker_is_gone() -> None:
    """No program takes it before they are back, though most ask for SO_REUSEADDR."""
    with held({"GRPC_PORT": 0}) as ports:
        port = ports["GRPC_PORT"]
        with joining(port), joining(port):
            pass
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("", port)).close()
        with joining(port):
            pass


def test_ports_are_let_go_when_one_is_taken() -> None:
    """Whoever tries again finds the others free."""
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with closing(socket.socket()) as free:
            free.bind(("", 0))
            first = free.getsockname()[1]
        with pytest.raises(PortTaken), held({"GRPC_PORT": first, "HEALTH_PORT": port}):
            pass
        with held({"GRPC_PORT": first}):
            pass


def test_connections_that_linger_hold_no_port() -> None:
    """A gateway that ended a moment ago, with one process or with several, has a successor at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            accepted.close()  # first, so that it is on this side that the connection lingers
            assert client.recv(1) == b""
    with held({"GRPC_PORT": port}) as ports:
        assert ports == {"GRPC_PORT": port}


def test_the_admin_port_is_that_of_one_address() -> None:
    """It may be another program's elsewhere, as for one process."""
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]
        with held({"ADMIN_PORT": port}) as ports:
            assert ports == {"ADMIN_PORT": port}
