"""What a failed call says about who is to blame."""

from collections.abc import Iterable
from enum import Enum

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2


class Blame(Enum):
    """Where a failure comes from, and so what to do next."""

    REQUEST = "request"
    """The request: another address would refuse it too."""
    LOAD = "load"
    """The address is alive but full: another one may have room."""
    REPLICA = "replica"
    """The address: three in a row eject it."""
    UNKNOWN = "unknown"
    """Cannot be told; another address may do better."""


# Codes that a healthy server gives to a request it understands but will not serve (grpc.io, status codes). All others,
# those of a wrong key or an unknown service included, mean that the address is of no use as it is configured.
_REQUEST_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)


class CallFailedError(Exception):
    """A call on one address failed.

    Attributes:
        blame: whose fault it is.
        cause: a status code's name or a few words; safe to show, as it names no address.
        is_timeout: true if a deadline passed.
        rest_ms: how long a full server asks to be left alone; None if it does not say.
    """

    def __init__(self, blame: Blame, cause: str, *, is_timeout: bool = False, rest_ms: int | None = None) -> None:
        super().__init__(cause)
        self.blame = blame
        self.cause = cause
        self.is_timeout = is_timeout
        self.rest_ms = rest_ms


def failure_of_code(code: grpc.StatusCode) -> CallFailedError:
    """The failure that a status other than OK means."""
    if code in _REQUEST_CODES:
        blame = Blame.REQUEST
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        blame = Blame.LOAD
    else:
        blame = Blame.REPLICA
    return CallFailedError(blame, code.name, is_timeout=code is grpc.StatusCode.DEADLINE_EXCEEDED)


# What grpc.aio (1.85, aio/_call.py) puts in place of the server's status when a write fails because the server has just
# ended the call. Measured 2026-11-21: writing at once after the first message of a refused call loses 8 of 10 statuses.
_LOST_STATUS_DETAILS = "Internal error from Core"

_HTTP_FULL = "status: 429"
"""In what gRPC makes of a proxy's refusal, which it tells as UNAVAILABLE (grpc doc/http-grpc-status-mapping.md)."""
MAX_REST_MS = 30_000
"""A server that asks for more gets its calls back all the same, if it is there: nobody else may be."""

CALL_ERRORS = (grpc.aio.AioRpcError, TimeoutError)
"""What `read`, and the `write` of a call's first message, raise under a deadline when the call fails."""


def failure_of(error: grpc.aio.AioRpcError | TimeoutError) -> CallFailedError:
    """The failure behind one of CALL_ERRORS."""
    if isinstance(error, TimeoutError):
        return CallFailedError(Blame.REPLICA, "no answer in time", is_timeout=True)
    if error.details() == _LOST_STATUS_DETAILS:
        return CallFailedError(Blame.UNKNOWN, "the server ended the call")
    failure = failure_of_code(error.code())
    rest_ms = asked_rest_ms(error.trailing_metadata() or ())
    is_full = failure.blame is Blame.LOAD or (
        error.code() is grpc.StatusCode.UNAVAILABLE and (rest_ms is not None or _HTTP_FULL in (error.details() or ""))
    )
    return CallFailedError(Blame.LOAD, failure.cause, rest_ms=rest_ms) if is_full else failure


OK, CANCELLED = grpc.StatusCode.OK.name, grpc.StatusCode.CANCELLED.name
"""Statuses of a call that ended well, and of one that was given up here."""


ENDED_TOO_EARLY = "ended too early"


def status_of(error: grpc.aio.AioRpcError | TimeoutError) -> str:
    """The name of the status of a call that has failed so; a deadline of ours is one, too."""
    return grpc.StatusCode.DEADLINE_EXCEEDED.name if isinstance(error, TimeoutError) else error.code().name


def asked_rest_ms(metadata: Iterable[tuple[str, str | bytes]]) -> int | None:
    """How long a server asks to be left alone, `MAX_REST_MS` at most; None if it does not say, or not in numbers.

    It may say so in three ways: gRPC's own pushback (gRFC A6, in ms), google.rpc.RetryInfo in the status, or HTTP's
    Retry-After in seconds (RFC 9110, section 10.2.3), which a proxy adds.
    """
    waits: list[float] = []
    for key, value in metadata:
        if key == "grpc-retry-pushback-ms":
            waits.append(_number(value))
        elif key == "retry-after":
            waits.append(_number(value) * 1_000)
        elif key == "grpc-status-details-bin" and isinstance(value, bytes):
            waits.append(_retry_info_ms(value))
    told = [wait for wait in waits if wait >= 0]
    return round(min(max(told), MAX_REST_MS)) if told else None


def _number(value: str | bytes) -> float:
    text = value if isinstance(value, str) else value.decode("ascii", "replace")
    return float(text) if text.strip().isdecimal() else -1.0


def _retry_info_ms(details: bytes) -> float:
    try:
        status = status_pb2.Status.FromString(details)
        for detail in status.details:
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(retry):
                return float(retry.retry_delay.ToMilliseconds())
    except DecodeError:
        pass  # not the message that the key promises: then nothing is said
    return -1.0


def ended_too_early() -> CallFailedError:
    """The failure of a call that its server ended with OK before all was said."""
    return CallFailedError(Blame.REPLICA, ENDED_TOO_EARLY)
