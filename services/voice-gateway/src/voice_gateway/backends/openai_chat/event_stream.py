"""Server-sent events: bytes to events. Pure."""

from typing import NamedTuple

from voice_gateway.backends.openai_chat.failures import ChatStreamError

MAX_EVENT_BYTES = 262_144
"""An event is some hundred bytes, and a reply in one piece some ten thousand. One is read without a break: at its worst
(80,000 empty objects) that takes 10 ms."""
ERROR = "error"
_ERROR_FIELDS = (b"error", b'{"error"')
"""How llama.cpp told of errors until September 2025, and Lemonade until August 2026: not as the standard has it."""


class Event(NamedTuple):
    """One event; a tuple because one is made for each token of every reply."""

    data: str
    name: str = ""
    """The value of its `event` field; empty if it has no such field."""


class EventStreamDecoder:
    """Cuts the bytes of an event stream into events (WHATWG HTML, "Server-sent events").

    Comments and fields other than `data` and `event` are skipped. Takes time in proportion to the bytes, however they
    are cut.
    """

    def __init__(self) -> None:
        self.lines = 0
        """Taken so far, empty ones too."""
        self._rest = bytearray()
        self._data: list[str] = []
        self._data_bytes = 0
        self._name = ""

    def feed(self, received: bytes) -> list[Event]:
        """The events that `received` completes.

        Raises:
            ChatStreamError: bytes that are not UTF-8, or an event above MAX_EVENT_BYTES.
        """
        is_line_over = b"\n" in received or b"\r" in received or self._rest.endswith(b"\r")
        self._rest += received
        events = self._take_lines() if is_line_over else []
        if len(self._rest) + self._data_bytes > MAX_EVENT_BYTES:
            raise ChatStreamError("sent an event that is too large")
        return events

    def finish(self) -> list[Event]:
        """The last event, of a stream whose end stands for the empty line; none if there is nothing of it."""
        events = self.feed(b"\n\n") if self._rest or self._data else []
        self._rest.clear()
        return events

    def _take_lines(self) -> list[Event]:
        lines = bytes(self._rest).splitlines(keepends=True)
        # A carriage return at the very end may be the first half of a line's end.
        self._rest = bytearray(b"" if lines[-1].endswith(b"\n") else lines.pop())
        self.lines += len(lines)
        return [event for line in lines if (event := self._take(line.rstrip(b"\r\n"))) is not None]

    def _take(self, line: bytes) -> Event | None:
        if not line and not self._data and not self._name:
            return None
        if not line:
            data, name = self._data, self._name
            self._data, self._data_bytes, self._name = [], 0, ""
            return Event("\n".join(data), name) if data or name == ERROR else None
        field, _, value = line.partition(b":")
        if field in _ERROR_FIELDS:
            self._name = ERROR
        elif field in (b"data", b"event"):
            try:
                text = value.removeprefix(b" ").decode()
            except UnicodeDecodeError as error:
                raise ChatStreamError("sent an event that is not UTF-8") from error
            if field == b"data":
                self._data.append(text)
                self._data_bytes += len(line)
            else:
                self._name = text
        return None
