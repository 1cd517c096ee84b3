"""What one event of a streamed reply says. Pure.

Whatever is not known is skipped, and named as an oddity: servers send pings, filters' verdicts, citations and lists
where others send text. Only what tells of an error, or has lost words, is a failure.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from voice_gateway.backends.openai_chat.event_stream import ERROR, Event
from voice_gateway.backends.openai_chat.failures import (
    ChatStreamBrokenError,
    ChatStreamError,
    ChatStreamMalformedError,
    ChatStreamTooLongError,
)
from voice_gateway.backends.openai_chat.parameters import says_too_long
from voice_gateway.backends.openai_chat.tool_calls import CallDelta

_DONE = "[DONE]"
_NO_REASON = "null"
"""DashScope writes this word where there is no reason to stop."""
_BROKEN_OFF = frozenset({"abort", "insufficient_system_resource", "network_error"})
"""Reasons to stop that are the server's: vLLM's and Z.ai's, DeepSeek's and again Z.ai's words for a reply that it gave
up (docs/reference/chat-servers.md)."""
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""DeepSeek, and vLLM until January 2026; vLLM since November 2025; others; OpenRouter."""
_FIRST = (None, 0, "0", "")
"""The index of the choice that is read: whoever asks for several hears one."""
_MAX_ITEMS = 1_000
"""Choices, parts and calls of one event, which has one or a handful: all are read without a break, in 2 ms."""
_TOO_MANY = f"sent an event with more than {_MAX_ITEMS} choices, parts and calls"
_THOUGHT_PARTS = frozenset({"thinking", "reasoning", "redacted_thinking"})
_TEXT_PARTS = frozenset({"text", "output_text", "refusal", None})


class Oddity(StrEnum):
    """What a server sent that is not known here, and was skipped: a closed set, for the log."""

    EVENT = "an event that is no JSON object"
    NO_CHOICES = "an event without choices"
    CHOICE = "a choice without a delta"
    CONTENT = "content that is no text"
    TOOL_CALL = "a tool call that cannot be read"
    CALL_IN_TEXT = "a tool call inside of the text: the server does not know how its model calls tools"
    END_OF_THOUGHT = "the end of a thought that was not begun; see LLM_THOUGHTS"


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """One event of a streamed reply."""

    text: str = ""
    """May end, or begin, with half a surrogate pair."""
    calls: tuple[CallDelta, ...] = ()
    has_thought: bool = False
    """It carries what the model thinks, in a field of its own."""
    is_whole: bool = False
    """It is the whole reply once more, if pieces of it came before."""
    is_end: bool = False
    """It tells why the model stopped."""
    is_done: bool = False
    """The server said that all is said."""
    oddities: tuple[Oddity, ...] = ()


def decode_event(event: Event) -> ChatDelta:
    """What one event says.

    Raises:
        ChatStreamError: it tells of an error, or it is a chunk that cannot be read.
    """
    data = event.data.strip()
    if event.name == ERROR:
        raise _reported(data)
    if data == _DONE:
        return ChatDelta(is_done=True)
    if not data.startswith(("{", "[{")):
        return ChatDelta(oddities=(Oddity.EVENT,))
    choices = _chunk(data).get("choices")
    if not isinstance(choices, list):
        return ChatDelta(oddities=(Oddity.NO_CHOICES,))
    if len(data) > _MAX_ITEMS and sum(map(_items, choices)) > _MAX_ITEMS:
        raise ChatStreamError(_TOO_MANY)
    ours = [choice for choice in choices if not isinstance(choice, dict) or choice.get("index") in _FIRST]
    if len(ours) == 1:
        return _choice(ours[0])
    return _joined([_choice(choice) for choice in ours])  # none: such an event carries the usage, or a filter's verdict


def _chunk(data: str) -> Any:
    try:
        chunk: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChatStreamMalformedError("sent an event that is not JSON") from error
    if isinstance(chunk, list) and len(chunk) > _MAX_ITEMS:
        raise ChatStreamError(_TOO_MANY)
    if isinstance(chunk, list):  # Gemini tells of errors so
        chunk = next((item for item in chunk if isinstance(item, dict) and _is_error(item)), {})
    if _is_error(chunk):
        raise _reported(data)
    return chunk


def _reported(data: str) -> ChatStreamError:
    """SGLang refuses a question that is too long inside a stream that it has accepted."""
    return ChatStreamTooLongError() if says_too_long(data.encode()) else ChatStreamError("reported an error")


def _items(choice: Any) -> int:
    """What is read one by one: the choice itself, and its parts and calls."""
    said = _said(choice)[0] if isinstance(choice, dict) else None
    lists = (said.get("content"), said.get("tool_calls")) if said else ()
    return 1 + sum(len(each) for each in lists if isinstance(each, list))


def _said(choice: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """What a choice says, None if it has nothing that could, and whether that is the whole reply."""
    for name in ("delta", "message"):
        if isinstance(said := choice.get(name), dict):
            return said, name == "message"
    return None, False


def _is_error(chunk: dict[str, Any]) -> bool:
    return bool(chunk.get("error")) or chunk.get("object") == ERROR or chunk.get("type") == ERROR


def _joined(deltas: list[ChatDelta]) -> ChatDelta:
    return ChatDelta(
        "".join(delta.text for delta in deltas),
        tuple(call for delta in deltas for call in delta.calls),
        any(delta.has_thought for delta in deltas),
        any(delta.is_whole for delta in deltas),
        any(delta.is_end for delta in deltas),
        is_done=False,
        oddities=tuple(oddity for delta in deltas for oddity in delta.oddities),
    )


def _choice(choice: Any) -> ChatDelta:
    if not isinstance(choice, dict):
        return ChatDelta(oddities=(Oddity.CHOICE,))
    reason = choice.get("finish_reason")
    if choice.get("error") or reason == ERROR:
        raise ChatStreamError("reported an error")
    if isinstance(reason, str) and reason in _BROKEN_OFF:
        raise ChatStreamBrokenError
    is_end = bool(reason) and reason != _NO_REASON
    said, is_whole = _said(choice)
    if said is None:
        return ChatDelta(is_end=is_end, oddities=() if is_end else (Oddity.CHOICE,))
    oddities: list[Oddity] = []
    text, has_thought = _content(said.get("content"), oddities)
    if isinstance(refusal := said.get("refusal"), str):
        text += refusal
    has_thought = has_thought or any(said.get(name) for name in _THOUGHT_FIELDS)
    calls = tuple(_calls(said, oddities)) if said.get("tool_calls") or said.get("function_call") else ()
    return ChatDelta(text, calls, has_thought, is_whole, is_end, oddities=tuple(oddities))


def _content(content: Any, oddities: list[Oddity]) -> tuple[str, bool]:
    """The text of some content, and whether there are thoughts beside it."""
    if content is None:
        return "", False
    if isinstance(content, str):
        return content, False
    texts: list[str] = []
    has_thought = False
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("refusal" if kind == "refusal" else "text") if isinstance(part, dict) else part
        if isinstance(kind, str) and kind in _THOUGHT_PARTS:
            has_thought = True
        elif (kind is None or (isinstance(kind, str) and kind in _TEXT_PARTS)) and isinstance(text, str):
            texts.append(text)
        else:
            oddities.append(Oddity.CONTENT)
    return "".join(texts), has_thought


def _calls(said: dict[str, Any], oddities: list[Oddity]) -> Iterator[CallDelta]:
    """The pieces of calls; the one call of the protocol before tools is one without an index."""
    entries = said.get("tool_calls") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict):
            function = entry.get("function")
            yield _call(entry, function if isinstance(function, dict) else entry)
        else:
            oddities.append(Oddity.TOOL_CALL)
    function = said.get("function_call")
    if isinstance(function, dict):
        yield _call({}, function)
    elif function:
        oddities.append(Oddity.TOOL_CALL)


def _call(entry: dict[str, Any], function: dict[str, Any]) -> CallDelta:
    return CallDelta(
        _index(entry.get("index")),
        _word(entry.get("id")),
        _word(function.get("name")),
        _json(function.get("arguments")),
    )


def _index(index: Any) -> int | None:
    if isinstance(index, str) and index.isascii() and index.isdecimal():
        return int(index[:9])
    return index if isinstance(index, int) else None


def _word(value: Any) -> str:
    """An id or a name; some servers count their calls by numbers."""
    return str(value) if isinstance(value, str | int) else ""


def _json(arguments: Any) -> str:
    """Arguments as text: some servers send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, ensure_ascii=False)
