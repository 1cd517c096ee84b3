"""Protobuf messages that clients send."""

from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.transports.client_input import MAX_REQUEST_BYTES

MessageT_co = TypeVar("MessageT_co", bound=Message, covariant=True)


class MessageType(Protocol[MessageT_co]):
    """A generated message class."""

    def FromString(self, serialized: bytes, /) -> MessageT_co:  # noqa: N802  the generated name
        """Parse."""


def parse(raw: bytes, message_type: MessageType[MessageT_co]) -> MessageT_co:
    """The message in `raw`.

    Raises:
        ClientError: MESSAGE_TOO_LARGE; TEXT_INVALID when it does not parse, which of a generated client's messages is
            true only if a text in it is not UTF-8.
    """
    if len(raw) > MAX_REQUEST_BYTES:
        raise ClientError(Reason.MESSAGE_TOO_LARGE, f"the message has {len(raw)} bytes; at most {MAX_REQUEST_BYTES}")
    try:
        return message_type.FromString(raw)
    except DecodeError as error:
        raise ClientError(Reason.TEXT_INVALID, "the message does not parse: is a text in it not UTF-8?") from error
