"""What the strictest chat template takes."""

import json
from collections.abc import Sequence
from itertools import pairwise

from voice_gateway.domain.chat import ChatMessage, Role

_FOLLOWS = {
    Role.USER: {Role.ASSISTANT},
    Role.ASSISTANT: {Role.USER},
    Role.TOOL: {Role.ASSISTANT, Role.TOOL},
}


def assert_lawful(told: Sequence[ChatMessage]) -> None:
    """Mistral's rules, which are the strictest: https://github.com/mistralai/mistral-common, `validator.py`."""
    messages = told[1:] if told and told[0].role is Role.SYSTEM else told
    assert messages
    assert messages[0].role is Role.USER
    assert messages[-1].role is not Role.ASSISTANT
    ids: list[str] = []
    for index, message in enumerate(messages):
        calls = message.calls
        assert message.text or calls or message.role is Role.TOOL, "a message says nothing"
        outcomes = messages[index + 1 : index + 1 + len(calls)]
        assert [after.call_id for after in outcomes] == [call.id for call in calls]
        assert all(after.role is Role.TOOL for after in outcomes)
        ids += [call.id for call in calls]
        assert all(isinstance(json.loads(call.arguments_json), dict) for call in calls)
    assert len(set(ids)) == len(ids), "two calls have the same id"
    assert len(ids) == sum(message.role is Role.TOOL for message in messages)
    for before, after in pairwise(messages):
        assert after.role in ({Role.TOOL} if before.calls else _FOLLOWS[before.role])
