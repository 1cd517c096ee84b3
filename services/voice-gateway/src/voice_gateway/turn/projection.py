"""The conversation as the language model reads it: messages made of the items of the history.

They keep the strictest order that is known, that of Mistral's templates: behind the system prompt the user begins, then
assistant and user take turns; the outcomes of an assistant's calls follow it at once and in order, and only the
assistant follows them. No message is empty, and no two calls have the same id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from voice_gateway.domain.chat import ChatMessage, Role, ToolCall, made_up_id
from voice_gateway.domain.ids import ItemId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn.shortening import Measure, shortened

LONGEST_CHARS = 24_000
"""Text that the language model reads, about 6,000 tokens: fits the 8 k context of the smallest models NIM serves."""
MESSAGE_CHARS = 16
"""What a message costs besides its text, about four tokens of a chat template; it bounds their number, too."""
UNSAID = "..."
"""What the user says before a greeting of the agent: a template wants words of the user first, and nobody said any."""
INTERRUPTED = "(interrupted)"
"""What the assistant says to outcomes of tools when the user spoke on before any of the answer was heard."""


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
    """The system prompt, if any, then the conversation, shortened to what the model can read."""
    system = (ChatMessage(Role.SYSTEM, system_prompt),) if system_prompt else ()
    return (*system, *lawful(shortened(items, LONGEST_CHARS, _CHARS)))


def lawful(items: Iterable[Item]) -> list[ChatMessage]:
    """A message for each item, joined and filled in where a strict template would refuse them; most often neither.

    Neighbours of one role are one message. A call without an outcome, and an outcome without a call, is left out.
    """
    told = tuple(items)
    outputs = {item.call: item.output for item in told if isinstance(item, ToolOutputItem)}
    done: list[ChatMessage] = []
    ids: set[str] = set()
    calls: list[ToolCallItem] = []
    for item in (*told, None):
        if isinstance(item, ToolCallItem):
            if item.id in outputs:
                calls.append(item)
            continue
        if calls:
            _add_round(done, calls, outputs, ids)
            calls = []
        if isinstance(item, UserItem):
            _add_user(done, item.text)
        elif isinstance(item, AssistantItem):
            _add_assistant(done, ChatMessage(Role.ASSISTANT, item.heard))
    return done


def _add_user(done: list[ChatMessage], text: str) -> None:
    if done and done[-1].role is Role.TOOL:
        done.append(ChatMessage(Role.ASSISTANT, INTERRUPTED))
    if done and done[-1].role is Role.USER:
        text = f"{done.pop().text}\n{text}"
    done.append(ChatMessage(Role.USER, text))


def _add_assistant(done: list[ChatMessage], message: ChatMessage) -> None:
    if not done:
        done.append(ChatMessage(Role.USER, UNSAID))
    if done[-1].role is Role.ASSISTANT:
        text = "\n".join(filter(None, (done.pop().text, message.text)))
        message = replace(message, text=text)
    done.append(message)


def _add_round(
    done: list[ChatMessage], items: Sequence[ToolCallItem], outputs: dict[ItemId, str], ids: set[str]
) -> None:
    """The calls of a round belong to what was heard last, if that came last."""
    calls: list[ToolCall] = []
    for item in items:
        own = item.call_id if item.call_id not in ids else made_up_id(len(ids), ids)
        ids.add(own)
        calls.append(ToolCall(own, item.name, item.arguments_json))
    _add_assistant(done, ChatMessage(Role.ASSISTANT, "", tuple(calls)))
    done += [ChatMessage(Role.TOOL, outputs[item.id], call_id=call.id) for item, call in zip(items, calls, strict=True)]
