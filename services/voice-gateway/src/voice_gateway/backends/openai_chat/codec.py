"""The OpenAI chat protocol on the wire: server-sent events and what they carry. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voice_gateway.domain.chat import ChatMessage

_DONE = "[DONE]"
_VERSION_SEGMENT = re.compile(r"v\d+\w*")

MAX_EVENT_BYTES = 1_048_576
"""An event is some hundred bytes; what never ends a line must not fill the memory."""


class ChatStreamError(Exception):
    """The server broke the protocol, or told of an error inside the stream. The message is safe to show.

    It goes on from "the language model ...".
    """


class ChatStreamBrokenError(ChatStreamError):
    """The stream stopped before its end."""

    def __init__(self) -> None:
        super().__init__("broke off its reply")


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """One event of a streamed reply."""

    text: str = ""
    is_end: bool = False
    """The model said why it stopped, or the server that all is said."""


class EventStreamDecoder:
    """Cuts the bytes of an event stream into the `data` of its events (WHATWG HTML, "Server-sent events").

    Other fields and comments are skipped. An event that its stream does not finish with an empty line is none.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._data_bytes = 0

    def feed(self, received: bytes) -> list[str]:
        """The data of each event that `received` completes.

        Raises:
            ChatStreamError: bytes that are not UTF-8, or an event above MAX_EVENT_BYTES.
        """
        lines = (self._rest + received).splitlines(keepends=True)
        # A carriage return at the very end may be the first half of a line's end.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        events = [data for line in lines if (data := self._take(line.rstrip(b"\r\n"))) is not None]
        if len(self._rest) + self._data_bytes > MAX_EVENT_BYTES:
            raise ChatStreamError("sent an event that is too large")
        return events

    def _take(self, line: bytes) -> str | None:
        if not line:
            data, self._data, self._data_bytes = self._data, [], 0
            return "\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            try:
                self._data.append(value.removeprefix(b" ").decode())
            except UnicodeDecodeError as error:
                raise ChatStreamError("sent an event that is not UTF-8") from error
            self._data_bytes += len(line)
        return None


def decode_event(data: str) -> ChatDelta:
    """What one event says.

    Raises:
        ChatStreamError: it is no chat completion chunk, or it tells of an error.
    """
    if data.strip() == _DONE:
        return ChatDelta(is_end=True)
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChatStreamError("sent an event that is not JSON") from error
    match chunk:
        case {"error": error} if error:
            raise ChatStreamError("reported an error")
        case {"choices": [{"delta": dict(delta), **choice}, *_]}:
            return ChatDelta(_text(delta.get("content")), is_end=bool(choice.get("finish_reason")))
        case {"choices": []}:
            return ChatDelta()  # such an event carries the usage
        case _:
            raise ChatStreamError("sent an event that is no chat completion chunk")


def encode_messages(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """The conversation as a request carries it."""
    return [{"role": message.role.value, "content": message.text} for message in messages]


def decode_models(body: bytes) -> tuple[str, ...]:
    """The names in a listing of models.

    Raises:
        ChatStreamError: it is no listing, or names no model.
    """
    try:
        listing = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChatStreamError("sent a listing of models that is not JSON") from error
    match listing:
        case {"data": [*rows]}:
            names = tuple(name for row in rows if isinstance(row, dict) and isinstance(name := row.get("id"), str))
        case _:
            names = ()
    if not names:
        raise ChatStreamError("lists no models")
    return names


def versioned_url(url: str) -> str:
    """`url` with `/v1` at its end, unless its path names a version already."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not any(_VERSION_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return urlunsplit(parts._replace(path=path))


def _text(content: Any) -> str:
    """Half a surrogate pair, which JSON can carry and no wire of ours can, becomes a replacement character."""
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ChatStreamError("sent content that is not text")
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
