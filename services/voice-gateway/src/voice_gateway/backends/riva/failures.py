"""What a failed call says about who is to blame."""

from enum import Enum

import grpc


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
    """

    def __init__(self, blame: Blame, cause: str, *, is_timeout: bool = False) -> None:
        super().__init__(cause)
        self.blame = blame
        self.cause = cause
        self.is_timeout = is_timeout


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

CALL_ERRORS = (grpc.aio.AioRpcError, TimeoutError)
"""What `read`, and the `write` of a call's first message, raise under a deadline when the call fails."""


def failure_of(error: grpc.aio.AioRpcError | TimeoutError) -> CallFailedError:
    """The failure behind one of CALL_ERRORS."""
    if isinstance(error, TimeoutError):
        return CallFailedError(Blame.REPLICA, "no answer in time", is_timeout=True)
    if error.details() == _LOST_STATUS_DETAILS:
        return CallFailedError(Blame.UNKNOWN, "the server ended the call")
    return failure_of_code(error.code())


def ended_too_early() -> CallFailedError:
    """The failure of a call that its server ended with OK before all was said."""
    return CallFailedError(Blame.REPLICA, "ended too early")
