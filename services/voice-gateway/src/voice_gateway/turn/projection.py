"""The conversation as the language model reads it: messages made of the items of the history."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn.shortening import Measure, shortened

LONGEST_CHARS = 24_000
"""Text that the language model reads, about 6,000 tokens: fits the 8 k context of the smallest models NIM serves."""
MESSAGE_CHARS = 16
"""What a message costs besides its text, about four tokens of a chat template; it bounds their number, too."""


def _read(item: Item) -> Sequence[str]:
    match item:
        case UserItem():
            return (item.text,)
        case AssistantItem():
            return (item.heard,)
        case ToolCallItem():
            return (item.name, item.arguments_json)
        case ToolOutputItem():
            return (item.output,)


_CHARS = Measure(len, MESSAGE_CHARS, _read)


def messages(system_prompt: str, items: Sequence[Item]) -> tuple[ChatMessage, ...]:
    """The system prompt, if any, then the conversation, shortened to what the model can read.

    Neighbours of the same role are one message, as strict chat templates demand. Behind a message with tool calls
    stands the outcome of each, as the OpenAI protocol demands.
    """
    done = [ChatMessage(Role.SYSTEM, system_prompt)] if system_prompt else []
    for message in _messages(shortened(items, LONGEST_CHARS, _CHARS)):
        last = done[-1] if done else None
        if last is not None and last.role is message.role and message.role is not Role.TOOL:
            text = "\n".join(filter(None, (last.text, message.text)))
            done[-1] = ChatMessage(message.role, text, message.calls)
        else:
            done.append(message)
    return tuple(done)


def _messages(items: Sequence[Item]) -> Iterator[ChatMessage]:
    """A message for each item; the calls of a round are one."""
    names: dict[int, str] = {}
    for kind, group in groupby(items, type):
        if kind is ToolCallItem:
            calls = [item for item in group if isinstance(item, ToolCallItem)]
            names |= {item.id: item.call_id for item in calls}
            yield ChatMessage(Role.ASSISTANT, "", tuple(map(_call, calls)))
            continue
        for item in group:
            match item:
                case UserItem():
                    yield ChatMessage(Role.USER, item.text)
                case AssistantItem():
                    yield ChatMessage(Role.ASSISTANT, item.heard)
                case ToolOutputItem():
                    yield ChatMessage(Role.TOOL, item.output, call_id=names[item.call])


def _call(item: ToolCallItem) -> ToolCall:
    return ToolCall(item.call_id, item.name, item.arguments_json)
