"""What is told of a failure, and what is kept of it."""

from typing import Final, TypeVar

from voice_gateway.domain.errors import GatewayError

E = TypeVar("E", bound=Exception)

MAX_MESSAGE_CHARS: Final = 400
"""Characters of a message that is told to a client or a log. It may quote what the client sent, and some wires have
little room (see `grpc_wire.status.to_status`)."""


def safe_message(error: GatewayError) -> str:
    """The message of `error`, cut: it may quote what a client sent."""
    message = error.message
    return message if len(message) <= MAX_MESSAGE_CHARS else f"{message[: MAX_MESSAGE_CHARS - 3]}..."


def in_a_log(error: GatewayError) -> dict[str, str]:
    """The fields of a log line that tell of `error`."""
    return {"reason": error.reason.value, "detail": safe_message(error)}


def without_frames(error: E) -> E:
    """Take traceback, cause and context from `error`, and return it.

    Its frames hold the client's message, up to 1.3 MB, and may hold the error: a circle that waits for the collector.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
