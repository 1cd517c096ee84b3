"""What goes wrong in a call, as the status that ends it, with nothing kept.

gRPC keeps the error of `context.abort` with the call, the error keeps the frames on its way, and these keep the call:
a circle that waits for the collector. So no frame on that way may hold the request, which has up to 64 MiB, or an error
that has frames of its own.
"""

import asyncio
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
Method: TypeAlias = Callable[[S, R, Context], Awaitable[T]]


def ends_with_status(work: str, codes: Codes) -> Callable[[Method[S, R, T]], Method[S, R, T]]:
    """A method of a servicer whose errors end the call with their code of `codes`.

    Any other error is INTERNAL, with its traceback in the log; both name the `work` that failed. A task group's error
    counts as its first cause.
    """

    def decorate(method: Method[S, R, T]) -> Method[S, R, T]:
        @functools.wraps(method)
        async def serve(self: S, request: R, context: Context) -> T:
            try:
                return await method(self, request, context)
            except asyncio.CancelledError as error:
                drop_frames(error)
                raise
            except Exception as error:  # noqa: BLE001 - the last place that can still tell the client
                code, details = _status(work, codes, _first_cause(error))
                drop_frames(error)
            del request
            return await context.abort(code, details)

        return serve

    return decorate


def drop_frames(error: BaseException) -> None:
    """Take the tracebacks from the error and from all that led to it, cause by cause."""
    errors: list[BaseException | None] = [error]
    seen: set[int] = set()
    while errors:
        each = errors.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        errors += [each.__cause__, each.__context__]
        errors += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _status(work: str, codes: Codes, error: Exception) -> tuple[grpc.StatusCode, str]:
    for kind, code in codes.items():
        if isinstance(error, kind):
            return code, str(error)
    logger.error("%s failed", work, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"{work} failed: {error}"


def _first_cause(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
