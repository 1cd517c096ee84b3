"""The OpenAI chat protocol on the wire: server-sent events and what they carry. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolCall

_DONE = "[DONE]"
_VERSION_SEGMENT = re.compile(r"v\d+\w*")

NO_PARAMETERS = '{"type": "object", "properties": {}}'
"""The schema of a tool without arguments: some servers refuse a function that has none."""
MAX_EVENT_BYTES = 1_048_576
"""An event is some hundred bytes; what never ends a line must not fill the memory."""


MAX_CALLS = 64
"""Of one reply: as many as a client may bring tools."""
MAX_ARGUMENTS_CHARS = 65_536
"""Of one call: a model that never ends its arguments must not fill the memory."""


class ChatStreamError(Exception):
    """The server broke the protocol, or told of an error inside the stream. The message is safe to show.

    It goes on from "the language model ...".
    """


class ChatStreamBrokenError(ChatStreamError):
    """The stream stopped before its end."""

    def __init__(self) -> None:
        super().__init__("broke off its reply")


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call; what it does not tell is empty."""

    index: int | None
    """Place of the call in the reply; some servers give none."""
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """One event of a streamed reply."""

    text: str = ""
    calls: tuple["CallDelta", ...] = ()
    is_end: bool = False
    """The model said why it stopped, or the server that all is said."""


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class CallAssembler:
    """Puts the pieces of a reply's tool calls together."""

    _calls: dict[int, _PartialCall] = field(default_factory=dict, init=False)

    @property
    def has_begun(self) -> bool:
        """Whether there is a piece of a call."""
        return bool(self._calls)

    def feed(self, delta: CallDelta) -> None:
        """Take a piece.

        Raises:
            ChatStreamError: more calls, or longer arguments, than any sane reply has.
        """
        call = self._calls.setdefault(self._index(delta), _PartialCall())
        call.id, call.name = call.id or delta.id, call.name or delta.name
        call.arguments += delta.arguments
        if len(self._calls) > MAX_CALLS or len(call.arguments) > MAX_ARGUMENTS_CHARS:
            raise ChatStreamError("called more than can be")

    def finish(self) -> tuple[ToolCall, ...]:
        """All calls in their order, each with an id of its own; none afterwards."""
        calls: list[ToolCall] = []
        for index, call in sorted(self._calls.items()):
            name = call.id or f"call_{index}"
            while any(name == other.id for other in calls):
                name += f"_{index}"
            calls.append(ToolCall(name, call.name, call.arguments))
        self._calls = {}
        return tuple(calls)

    def _index(self, delta: CallDelta) -> int:
        if delta.index is not None:
            return delta.index
        last = max(self._calls, default=-1)
        is_new = last < 0 or (delta.id and delta.id != self._calls[last].id)
        return last + 1 if is_new else last


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
            text, calls = _text(delta.get("content")), _calls(delta.get("tool_calls"))
            return ChatDelta(text, calls, is_end=bool(choice.get("finish_reason")))
        case {"choices": []}:
            return ChatDelta()  # such an event carries the usage
        case _:
            raise ChatStreamError("sent an event that is no chat completion chunk")


def encode_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The conversation as a request carries it."""
    return [_message(message) for message in messages]


def encode_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as a request offers them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": json.loads(tool.parameters_json or NO_PARAMETERS),
            },
        }
        for tool in tools
    ]


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


def _message(message: ChatMessage) -> dict[str, Any]:
    if message.role is Role.TOOL:
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if not message.calls:
        return {"role": message.role.value, "content": message.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
        for call in message.calls
    ]
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _calls(entries: Any) -> tuple[CallDelta, ...]:
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise ChatStreamError("sent tool calls that are no list")
    return tuple(_call(entry) for entry in entries)


def _call(entry: Any) -> CallDelta:
    match entry:
        case {"function": dict(function), **rest}:
            index = rest.get("index")
            index = index if isinstance(index, int) else None
            return CallDelta(
                index, _text(rest.get("id")), _text(function.get("name")), _text(function.get("arguments"))
            )
    raise ChatStreamError("sent a tool call that is none")


def _text(content: Any) -> str:
    """Half a surrogate pair, which JSON can carry and no wire of ours can, becomes a replacement character."""
    if content is None:
        return ""
    if not isinstance(content, str):
        raise ChatStreamError("sent content that is not text")
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
