"""What goes wrong in a call, as the status that ends it, and nothing kept.

`context.abort` raises an error that gRPC keeps with the call. The frames on its way hold the request, up to 64 MiB, and
one of them holds the call: a circle that waits for the collector. So the status is set, and the method returns; gRPC
sends no response with a status other than OK. For the same reason errors lose their frames here.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio

logger = logging.getLogger(__name__)

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Codes: TypeAlias = Mapping[type[Exception], grpc.StatusCode]


def ends_as_told(
    doing: str, codes: Codes
) -> Callable[[Callable[[S, R, Context], Awaitable[T]]], Callable[[S, R, Context], Awaitable[T | None]]]:
    """A method of a servicer whose errors end the call with their code of `codes`.

    Any other error is INTERNAL, with a line in the log; both say what failed: `doing`. A task group's error counts as
    its first cause.
    """

    def around(method: Callable[[S, R, Context], Awaitable[T]]) -> Callable[[S, R, Context], Awaitable[T | None]]:
        @functools.wraps(method)
        async def serve(self: S, request: R, context: Context) -> T | None:
            try:
                return await method(self, request, context)
            except Exception as error:  # noqa: BLE001 - the last place that can still tell the client
                _tell(context, doing, codes, _first_cause(error))
                _drop_frames(error)
                return None

        return serve

    return around


def refuse(context: Context, code: grpc.StatusCode, details: str) -> None:
    """The call ends so when its method returns."""
    context.set_code(code)
    context.set_details(details)


def _tell(context: Context, doing: str, codes: Codes, error: Exception) -> None:
    for kind, code in codes.items():
        if isinstance(error, kind):
            refuse(context, code, str(error))
            return
    logger.error("%s failed", doing, exc_info=error)
    refuse(context, grpc.StatusCode.INTERNAL, f"{doing} failed: {error}")


def _first_cause(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _drop_frames(error: BaseException) -> None:
    """Of the error and of all that led to it."""
    errors: list[BaseException | None] = [error]
    while errors:
        each = errors.pop()
        if each is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            errors += [each.__cause__, each.__context__]
            errors += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
