"""Asks a running gateway what it does."""

from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf.message import DecodeError

from voice_gateway.domain.overview.values import Overview
from voice_gateway.transports.grpc_admin.codec import decode
from voice_gateway.transports.grpc_admin.server import METHOD

TIMEOUT_S: Final = 5.0
OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment knows no way to a port of this host
    ("grpc.max_reconnect_backoff_ms", 1_000),  # gRPC's two minutes are long for somebody who looks at a screen
)


class OverviewUnknown(Exception):  # noqa: N818  said as the fact it is
    """No gateway answers there, or it does not tell."""


class AdminClient:
    """A connection to one gateway."""

    def __init__(self, address: str) -> None:
        """`address` is `host:port`."""
        self._address = address
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._ask: Any = self._channel.unary_unary(METHOD)  # bytes both ways, which the stubs do not know

    def __enter__(self) -> Self:
        """Keep the connection while the block runs."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self._channel.close()

    def look(self) -> Overview:
        """What the gateway does now.

        Raises:
            OverviewUnknown: nobody answers, somebody else does, or its version is another.
        """
        try:
            return decode(self._ask(b"", timeout=TIMEOUT_S))
        except grpc.RpcError as error:
            raise OverviewUnknown(f"{self._address} {_told(error)}") from error
        except (DecodeError, ValueError) as error:
            raise OverviewUnknown(f"{self._address} answers what this version cannot read: {error}") from error


def _told(error: grpc.RpcError) -> str:
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "has no admin service: this is another port, not ADMIN_PORT"
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return "does not answer: is a gateway there, with ADMIN_PORT set, and the port forwarded?"
    return f"refuses to tell: {code.name}"
