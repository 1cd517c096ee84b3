"""How errors end a call, and that nothing of it stays."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from local_models.riva import refusals
from local_models.riva.refusals import drop_frames, ends_with_status

INVALID, INTERNAL = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL


class Request:
    """What was asked."""


class Call:
    """A call that keeps what ended it, as gRPC does."""

    def __init__(self) -> None:
        self.status: tuple[grpc.StatusCode, str] | None = None
        self.ended: Exception | None = None

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.status, self.ended = (code, details), grpc.aio.AbortError()
        raise self.ended


def method(error: BaseException) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """A servicer's method, to which this happens."""

    @ends_with_status("weighing", {ValueError: INVALID})
    async def weigh(_: object, request: Request, __: object) -> None:
        assert isinstance(request, Request)
        raise error

    return weigh


@pytest.fixture
def without_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is in a circle stays; what is logged does not, which pytest would keep with all of its frames."""
    monkeypatch.setattr(refusals.logger, "disabled", True)
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no weight"), (INVALID, "no weight")),
        (UnicodeError("no text"), (INVALID, "no text")),
        (KeyError("scale"), (INTERNAL, "weighing failed: 'scale'")),
        (ExceptionGroup("", [ValueError("first"), KeyError("then")]), (INVALID, "first")),
        (
            ExceptionGroup("", [OSError("first"), ValueError("then")]),
            (INTERNAL, "weighing failed: first"),
        ),
    ],
    ids=["named", "of its kind", "unexpected", "group", "unexpected group"],
)
async def test_an_error_is_told_and_its_request_goes(error: Exception, status: tuple[grpc.StatusCode, str]) -> None:
    """GRPC keeps what `abort` raised with the call: a request in its frames would stay, 64 MiB of it."""
    call, request = Call(), Request()
    given = weakref.ref(request)
    weigh = method(error)
    asked = weigh(None, request, call)
    del request
    with pytest.raises(grpc.aio.AbortError):
        await asked
    del asked
    assert call.status == status
    assert call.ended is not None
    assert given() is None


@pytest.mark.usefixtures("without_collector")
async def test_a_call_that_was_cancelled_has_no_status_and_its_request_goes() -> None:
    """GRPC must see the cancellation, and the request must not stay with it."""
    call, request = Call(), Request()
    given = weakref.ref(request)
    asked = method(asyncio.CancelledError())(None, request, call)
    del request
    with pytest.raises(asyncio.CancelledError):
        await asked
    del asked
    assert call.status is None
    assert given() is None


def throw(error: BaseException) -> None:
    raise error


def raised(error: BaseException) -> BaseException:
    """The error, with a frame."""
    with pytest.raises(type(error)) as met:
        throw(error)
    return met.value


def test_all_that_led_to_an_error_loses_its_frames() -> None:
    """Also behind a cause that was never raised, in groups, and where a chain comes back to its beginning."""
    first, second, third = raised(ValueError()), KeyError(), raised(OSError())
    group = raised(ExceptionGroup("", [ValueError(), TypeError()]))
    assert isinstance(group, ExceptionGroup)
    raised(group.exceptions[1])
    first.__cause__, second.__context__, third.__cause__, third.__context__ = second, third, group, first
    drop_frames(first)
    errors = [first, second, third, group, *group.exceptions]
    assert [each.__traceback__ for each in errors] == [None] * 6
