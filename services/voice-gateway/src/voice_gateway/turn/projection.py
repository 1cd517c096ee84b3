"""The conversation as the language model reads it: messages made of the items of the history.

They keep the strictest order that is known, that of Mistral's templates: behind the system prompt the user begins, then
assistant and user take turns; the outcomes of an assistant's calls follow it at once and in order, and only the
assistant follows them. No message is empty, and no two calls have the same id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolCall, made_up_id
from voice_gateway.domain.ids import ItemId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn.shortening import Measure, shortened
from voice_gateway.turn.text.tokens import tokens

MESSAGE_TOKENS = 8
"""What a message costs besides its text: Llama 3's template has 6 for each, ChatML 5. It bounds their number, too."""
TOOL_TOKENS = 24
"""What the definition of a tool costs besides its texts: the JSON round them."""
LEAST_TOKENS = 64
"""The conversation gets at least this, however much instructions and tools take: the last sentence or two."""
UNSAID = "..."
"""What the user says before a greeting of the agent, and when the client asks for a reply to nothing: a template wants
words of the user first and last, and nobody said any."""
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
    return (item.output,)


_TOKENS = Measure(tokens, MESSAGE_TOKENS, _read)


def messages(
    system_prompt: str, items: Sequence[Item], tools: Sequence[Tool], prompt_tokens: int
) -> tuple[ChatMessage, ...]:
    """The system prompt, if any, then the conversation, shortened so that the whole has about `prompt_tokens`.

    The last message is the user's, or the outcome of a tool: strict templates refuse an assistant that goes on.

    The model reads the definitions of `tools` before it: they count, too.
    """
    system = (ChatMessage(Role.SYSTEM, system_prompt),) if system_prompt else ()
    room = prompt_tokens - sum(map(_size_of_tool, tools)) - sum(map(_size_of_message, system))
    told = lawful(shortened(items, max(LEAST_TOKENS, room), _TOKENS))
    if not told or told[-1].role is Role.ASSISTANT:
        told.append(ChatMessage(Role.USER, UNSAID))
    return (*system, *told)


def prompt_size(told: Sequence[ChatMessage], tools: Sequence[Tool]) -> int:
    """About how many tokens a request has."""
    return sum(map(_size_of_tool, tools)) + sum(map(_size_of_message, told))


def _size_of_tool(tool: Tool) -> int:
    return TOOL_TOKENS + sum(map(tokens, (tool.name, tool.description, tool.parameters_json)))


def _size_of_message(message: ChatMessage) -> int:
    calls = sum(tokens(call.name) + tokens(call.arguments_json) for call in message.calls)
    return MESSAGE_TOKENS + tokens(message.text) + calls


def lawful(items: Iterable[Item]) -> list[ChatMessage]:
    """A message for each item, joined and filled in where a strict template would refuse them; most often it would not.

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
    """The calls of a round belong to the assistant's last message, if nothing came after it."""
    calls: list[ToolCall] = []
    for item in items:
        own = item.call_id if item.call_id not in ids else made_up_id(len(ids), ids)
        ids.add(own)
        calls.append(ToolCall(own, item.name, item.arguments_json))
    _add_assistant(done, ChatMessage(Role.ASSISTANT, "", tuple(calls)))
    done += [ChatMessage(Role.TOOL, outputs[item.id], call_id=call.id) for item, call in zip(items, calls, strict=True)]
