"""Tool calls of a streamed reply, put together from their pieces. Pure.

Servers agree neither on indices nor on ids: see docs/reference/chat-servers.md.
"""

import re
from dataclasses import dataclass, field

from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.domain.chat import ToolCall, made_up_id

MAX_CALLS = 64
"""Calls of one reply: as many as the tools that a client may bring."""
MAX_ARGUMENTS_CHARS = 65_536
"""Characters of one call's arguments: a model that never ends them must not fill the memory."""
_JSON_SIGN = re.compile(r'[\\"{}\[\]]')


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call; what it does not tell is empty."""

    index: int | None
    """Place of the call in the reply; some servers give none, others 0 to each call."""
    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Arguments:
    """JSON in pieces, and whether it is whole: looked at once, since a model may write one character at a time."""

    _pieces: list[str] = field(default_factory=list)
    length_chars: int = 0
    _depth: int = 0
    _is_in_string: bool = False
    _escaped_at: int = -1
    """Where in the text so far the character stands that a backslash takes the meaning from."""
    _has_object: bool = False

    def add(self, piece: str) -> None:
        for sign in _JSON_SIGN.finditer(piece):
            at = self.length_chars + sign.start()
            if at != self._escaped_at:
                self._read(sign[0], at)
        if piece:
            self._pieces.append(piece)
        self.length_chars += len(piece)

    @property
    def is_whole(self) -> bool:
        """All brackets that were opened are closed."""
        return self._has_object and self._depth == 0 and not self._is_in_string

    def text(self) -> str:
        return "".join(self._pieces)

    def _read(self, sign: str, at: int) -> None:
        if sign == "\\":
            self._escaped_at = at + 1
        elif sign == '"':
            self._is_in_string = not self._is_in_string
        elif not self._is_in_string:
            self._has_object = True
            self._depth += 1 if sign in "{[" else -1


@dataclass(slots=True)
class _PartialCall:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: _Arguments = field(default_factory=_Arguments)
    is_repeated: bool = False
    """So far nothing but the name of the call before, which some servers repeat in every piece."""


@dataclass(slots=True)
class CallAssembler:
    """Puts the pieces of a reply's tool calls together."""

    _calls: list[_PartialCall] = field(default_factory=list, init=False)

    @property
    def has_begun(self) -> bool:
        """Whether there is a piece of a call."""
        return bool(self._calls)

    def feed(self, delta: CallDelta) -> None:
        """Take a piece.

        Raises:
            ChatStreamError: more calls, or longer arguments, than any sane reply has.
        """
        call = self._begun(delta)
        if call is None or _is_another(call, delta):
            is_repeated = call is not None and not delta.id and delta.name == call.name
            call = _PartialCall(delta.index, is_repeated=is_repeated)
            self._calls.append(call)
        call.id = call.id or delta.id
        if delta.name != call.name:
            call.name += delta.name
        if call.arguments.is_whole and delta.arguments.lstrip().startswith("{"):
            call.arguments = _Arguments()  # the call once more, or an empty object that stood for what was to come
        call.arguments.add(delta.arguments)
        call.is_repeated = call.is_repeated and not delta.arguments.strip()
        if len(self._calls) > MAX_CALLS or call.arguments.length_chars > MAX_ARGUMENTS_CHARS:
            raise ChatStreamError("called more than can be")

    def finish(self) -> tuple[ToolCall, ...]:
        """All calls that name a tool, in their order, each with an id of its own; none afterwards."""
        numbered = enumerate(self._calls)
        ordered = sorted(numbered, key=lambda pair: pair[0] if pair[1].index is None else pair[1].index)
        named = [call for _, call in ordered if call.name and not call.is_repeated]
        self._calls = []
        ids: list[str] = []
        for number, call in enumerate(named):
            told = _characters(call.id)
            ids.append(told if told and told not in ids else made_up_id(number, ids))
        return tuple(
            ToolCall(own, _characters(call.name), _characters(call.arguments.text()))
            for own, call in zip(ids, named, strict=True)
        )

    def _begun(self, delta: CallDelta) -> _PartialCall | None:
        """The call that a piece is likely to belong to: of its index or, without one, of its id; else the last."""
        calls = self._calls if delta.index is None else [call for call in self._calls if call.index == delta.index]
        candidates = [call for call in calls if delta.id and call.id == delta.id] or calls
        return candidates[-1] if candidates else None


def _characters(text: str) -> str:
    """The text without half characters: JSON can carry them, also one in two pieces, and no wire of ours can."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_another(call: _PartialCall, delta: CallDelta) -> bool:
    """True if a piece begins a call of its own beside the one of the same index.

    Only what begins a call names its tool anew or brings another id; and who repeats the name in every piece, as some
    servers do, has not come to the end of the arguments yet.
    """
    if delta.id and call.id and delta.id != call.id:
        return bool(delta.name) or call.arguments.is_whole
    if delta.name and call.name and delta.name != call.name:
        return not _goes_on_with_its_name(call, delta)
    return bool(delta.name) and call.arguments.is_whole and not (delta.id and delta.id == call.id)


def _goes_on_with_its_name(call: _PartialCall, delta: CallDelta) -> bool:
    """True if a name comes in pieces, as OpenAI's own clients take it: before any argument, in a place that is told.

    The last piece may bring arguments only if it says by its id that it belongs there.
    """
    is_same = bool(delta.id) and delta.id == call.id
    return delta.index is not None and call.arguments.length_chars == 0 and (is_same or not delta.arguments)
