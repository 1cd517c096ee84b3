"""Bytes of an answer to the pieces of a reply. Pure."""

from dataclasses import dataclass, field

from voice_gateway.backends.openai_chat.chunks import ChatDelta, Oddity, decode_event
from voice_gateway.backends.openai_chat.event_stream import MAX_EVENT_BYTES, Event, EventStreamDecoder
from voice_gateway.backends.openai_chat.failures import (
    ChatStreamBrokenError,
    ChatStreamError,
    ChatStreamMalformedError,
)
from voice_gateway.backends.openai_chat.thoughts import ThoughtFilter
from voice_gateway.backends.openai_chat.tool_calls import CallAssembler
from voice_gateway.domain.chat import ToolCall

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_NO_TEXT = "gave no text"


@dataclass(slots=True)
class ReplyReader:
    """Reads one answer: an event stream or, from servers that do not stream, one JSON object.

    However the bytes are cut, the pieces joined are the same. What the model thinks is no part of them.
    """

    begins_in_thought: bool = False
    """See ThoughtFilter."""
    is_over: bool = field(default=False, init=False)
    """Whether the reply has come to its proper end; nothing after it is read."""
    additions: int = field(default=0, init=False)
    """Pieces of text and of calls that were read, also those that are held until more is there."""
    oddities: set[Oddity] = field(default_factory=set, init=False)
    """What was skipped."""
    _events: EventStreamDecoder = field(default_factory=EventStreamDecoder, init=False)
    _thoughts: ThoughtFilter = field(init=False)
    _calls: CallAssembler = field(default_factory=CallAssembler, init=False)
    _head: bytes = field(default=b"", init=False)
    _is_read: bool = field(default=False, init=False)
    """What kind of answer it is has been seen."""
    _body: bytearray | None = field(default=None, init=False)
    """What has come of an answer that is one JSON object."""
    _half: str = field(default="", init=False)
    """The first half of a surrogate pair that the end of an event cuts in two."""
    _has_text: bool = field(default=False, init=False)
    _has_pieces: bool = field(default=False, init=False)
    _has_thought: bool = field(default=False, init=False)
    _has_reason: bool = field(default=False, init=False)
    """The model is said to have stopped, and has written nothing new since."""

    def __post_init__(self) -> None:
        """Begin where the reply does."""
        self._thoughts = ThoughtFilter(begins_in_thought=self.begins_in_thought)

    @property
    def lines(self) -> int:
        """Lines of an event stream that were read, whatever is in them."""
        return self._events.lines

    @property
    def has_begun(self) -> bool:
        """Whether the model has written anything, if only in thought or as a piece of a call."""
        return self._has_text or self._has_thought or self._thoughts.has_thought or self._calls.has_begun

    @property
    def is_settled(self) -> bool:
        """Whether the reply is whole if nothing more comes.

        Some servers state a reason to stop with every call or piece, so that only what follows tells.
        """
        return self._has_reason and self._is_given and not self.is_over

    @property
    def _is_given(self) -> bool:
        return self._has_text or self._thoughts.holds_text or bool(self._half) or self._calls.has_begun

    def feed(self, received: bytes) -> list[str | ToolCall]:
        """The pieces that `received` completes, no text empty; with the end come the calls.

        Raises:
            ChatStreamError: see `decode_event`; at the end, that there is neither text nor a call.
        """
        if not self._is_read:
            received = self._look(received)
        if self._body is None:
            return self._take(self._events.feed(received)) if received else []
        self._body += received
        if len(self._body) > MAX_EVENT_BYTES:
            raise ChatStreamError("sent an answer that is too large")
        return []

    def finish(self) -> list[str | ToolCall]:
        """The last pieces, when the answer has ended.

        Raises:
            ChatStreamBrokenError: it has not come to its proper end.
        """
        is_whole = self._body is not None
        events = self._events.finish() if self._body is None else [Event(self._body.decode("utf-8", "replace"))]
        try:
            pieces = self._take(events, is_whole=is_whole)
        except ChatStreamMalformedError as error:
            raise ChatStreamBrokenError from error
        if not self.is_over and not self._has_reason:
            raise ChatStreamBrokenError
        if not self.is_over:
            self._end(pieces)
        return pieces

    def settle(self) -> list[str | ToolCall]:
        """The last pieces of a reply that is settled, when nothing more is waited for."""
        pieces: list[str | ToolCall] = []
        self._end(pieces)
        return pieces

    def _look(self, received: bytes) -> bytes:
        """What is to be read of the first bytes, once they tell what kind of answer this is."""
        head = (self._head + received).lstrip(_SPACE)
        if _BYTE_ORDER_MARK.startswith(head):
            self._head = head
            return b""
        head = head.removeprefix(_BYTE_ORDER_MARK).lstrip(_SPACE)
        self._head, self._is_read = b"", bool(head)
        if head.startswith(b"<"):
            raise ChatStreamBrokenError("answered with a page and no reply")
        if head.startswith((b"{", b"[")):
            self._body = bytearray()
        return head

    def _take(self, events: list[Event], *, is_whole: bool = False) -> list[str | ToolCall]:
        pieces: list[str | ToolCall] = []
        for event in events:
            try:
                delta = decode_event(event)
            except ChatStreamError:
                if not self.is_settled:
                    raise
                self._end(pieces)
                break
            if delta.oddities:
                self.oddities.update(delta.oddities)
            self._take_delta(delta, pieces)
            if delta.is_done or (is_whole and self.has_begun):
                self._end(pieces)
                break
        return pieces

    def _take_delta(self, delta: ChatDelta, pieces: list[str | ToolCall]) -> None:
        if delta.has_thought and not self._has_thought:
            self._has_thought = True
            self._thoughts.are_apart()
        is_repeated = delta.is_whole and self._has_pieces
        text = "" if is_repeated and self._has_text else delta.text
        calls = () if is_repeated and self._calls.has_begun else delta.calls
        if text:
            self._add(self._thoughts.feed(self._joined(text)), pieces)
        for call in calls:
            self._calls.feed(call)
        self.additions += bool(text) + sum(bool(call.id or call.name or call.arguments) for call in calls)
        self._has_reason = delta.is_end or (self._has_reason and not text and not calls)
        self._has_pieces = self._has_pieces or bool(delta.text or delta.calls)

    def _add(self, text: str, pieces: list[str | ToolCall]) -> None:
        if text:
            self._has_text = True
            pieces.append(text)

    def _end(self, pieces: list[str | ToolCall]) -> None:
        self.is_over = True
        self._add(self._thoughts.feed("\ufffd" if self._half else "") + self._thoughts.finish(), pieces)
        if self._thoughts.has_stray_end:
            self.oddities.add(Oddity.END_OF_THOUGHT)
        if self._thoughts.has_call:
            self.oddities.add(Oddity.CALL_IN_TEXT)
        calls = self._calls.finish()
        pieces += calls
        if not self._has_text and not calls:
            raise ChatStreamError(_NO_TEXT)

    def _joined(self, text: str) -> str:
        """Text without half characters, which JSON can carry and no wire of ours can."""
        if text.isascii() and not self._half:
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
