"""What the OpenAI chat protocol is told: messages and tools; and its listing of models. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.domain.chat import ChatMessage, Role, Tool

_VERSION_SEGMENT = re.compile(r"v\d\w*")

NO_PARAMETERS = '{"type": "object", "properties": {}}'
"""The schema of a tool without arguments: some servers refuse a function that has none."""


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


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model, as its endpoint lists it."""

    name: str
    context_tokens: int | None = None
    """What it takes, prompt and reply together: vLLM tells, and NIM; None: this endpoint does not."""


def decode_models(body: bytes) -> tuple[ListedModel, ...]:
    """The models of a listing.

    Raises:
        ChatStreamError: it is no listing, or names no model.
    """
    try:
        listing = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChatStreamError("sent a listing of models that is not JSON") from error
    match listing:
        case {"data": [*rows]}:
            models = tuple(_listed(row) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str))
        case _:
            models = ()
    if not models:
        raise ChatStreamError("lists no models")
    return models


def _listed(row: dict[str, Any]) -> ListedModel:
    match row.get("max_model_len"):
        case int(count) if count > 0 and count is not True:
            return ListedModel(row["id"], count)
    return ListedModel(row["id"])


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
