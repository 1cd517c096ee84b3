"""A conversation as the strictest chat templates take it. Pure.

Mistral's refuse whatever does not alternate: after the system prompt the user begins, then assistant and user take
turns, the outcomes of an assistant's calls follow it at once and in order, and only the assistant follows them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from voice_gateway.backends.openai_chat.tool_calls import made_up_id
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.strict_json import is_object

UNSAID = "..."
"""What was said where nobody said anything, and a template wants words: by the user before the agent's greeting, by
the assistant to an outcome of which the user heard nothing. It may not be empty, and is no word to take up."""


def lawful(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages, mended where a strict template would refuse them; most often there is nothing to mend."""
    system = [message.text for message in messages if message.role is Role.SYSTEM and message.text]
    done: list[ChatMessage] = []
    ids: set[str] = set()
    for group in _groups(message for message in messages if message.role is not Role.SYSTEM):
        first, *outcomes = _with_own_ids(group, ids)
        if not done and first.role is not Role.USER:
            done.append(ChatMessage(Role.USER, UNSAID))
        if done and done[-1].role is Role.TOOL and first.role is Role.USER:
            done.append(ChatMessage(Role.ASSISTANT, UNSAID))
        if done and done[-1].role is first.role:
            first = replace(first, text="\n".join(filter(None, (done.pop().text, first.text))))
        done += [first, *outcomes]
    return [ChatMessage(Role.SYSTEM, "\n".join(system)), *done] if system else done


def _groups(messages: Iterable[ChatMessage]) -> Iterator[list[ChatMessage]]:
    """Each message that says something, with the outcomes of its calls; a call without an outcome is none."""
    waiting: ChatMessage | None = None
    outcomes: dict[str, ChatMessage] = {}
    for message in (*messages, None):
        if message is not None and message.role is Role.TOOL:
            outcomes[message.call_id] = message
            continue
        if waiting is not None:
            yield from _group(waiting, outcomes)
        waiting, outcomes = message, {}


def _group(message: ChatMessage, outcomes: Mapping[str, ChatMessage]) -> Iterator[list[ChatMessage]]:
    calls = tuple(call for call in message.calls if call.id in outcomes and message.role is Role.ASSISTANT)
    if message.text or calls:
        yield [replace(message, calls=calls), *(outcomes[call.id] for call in calls)]


def _with_own_ids(group: Sequence[ChatMessage], taken: set[str]) -> Iterable[ChatMessage]:
    """The same with ids that no call before has: servers that give none have us count anew in each reply."""
    message, *outcomes = group
    ids: dict[str, str] = {}
    for call in message.calls:
        ids[call.id] = call.id if call.id not in taken else made_up_id(len(taken), taken)
        taken.add(ids[call.id])
    calls = tuple(ToolCall(ids[call.id], call.name, _object(call.arguments_json)) for call in message.calls)
    return [replace(message, calls=calls), *(replace(outcome, call_id=ids[outcome.call_id]) for outcome in outcomes)]


def _object(arguments_json: str) -> str:
    """Arguments that a template can read: models write some that are no JSON object, which servers then refuse."""
    return arguments_json if is_object(arguments_json) else "{}"
