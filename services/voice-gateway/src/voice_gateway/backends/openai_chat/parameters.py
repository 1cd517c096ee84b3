"""What a request has beside its messages and tools, and what a server refuses of it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain import strict_json

MAX_EXTRA_CHARS = 4_096
"""It goes out with every request."""
RESERVED = ("max_completion_tokens", "max_tokens", "messages", "model", "stream", "temperature", "tools")
"""What has a setting of its own, or is the conversation."""
_MAX_WALK = 1_000
"""Strings of a refusal that are looked at."""
_TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context window"  # OpenAI, vLLM, Mistral, OpenRouter
    r"|maximum model length|too long to fit into the model"  # vLLM, earlier
    r"|exceed_context_size|available context size"  # llama.cpp
    r"|model's context length|maximum allowed length"  # SGLang
    r"|should not exceed max_(?:num_tokens|seq_len|input_len)"  # TensorRT-LLM, on which NIM stands, too
    r"|exceeds the context length|prompt (?:is )?too long"  # Ollama, Anthropic
    r"|exceeds the maximum number of tokens",  # Gemini
    re.IGNORECASE,
)
"""What servers say of a question that is too long: docs/reference/chat-servers.md has the sources."""
_ECHOES = frozenset({"input", "body"})
"""Fields in which a refusal (FastAPI's) says again what was asked: the words of a user tell nothing of the server."""
_PLAIN_WORDS = frozenset({"model", "messages", "stream", "tools", "stop", "user"})
"""Names that stand in a refusal as words, too."""


def parameters(settings: OpenAiChatSettings) -> dict[str, Any]:
    """The fields of every request to this endpoint but `model`, `messages` and `tools`."""
    fields: dict[str, Any] = json.loads(settings.extra_body_json)
    if settings.temperature is not None:
        fields["temperature"] = settings.temperature
    if settings.max_tokens is not None:
        fields[settings.max_tokens_field] = settings.max_tokens
    return {**fields, "stream": True}


def parse_extra_body(raw: str) -> str:
    """The JSON object of further fields, as text.

    Raises:
        ValueError: it is no JSON object, too long, or has a reserved field; the message follows the setting's name.
    """
    if len(raw) > MAX_EXTRA_CHARS:
        raise ValueError(f"must be at most {MAX_EXTRA_CHARS} characters")
    try:
        fields = strict_json.loads(raw)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ValueError('must be a JSON object, like {"top_p": 0.9}')  # noqa: TRY004 - of a text, not of a program
    taken = sorted(fields.keys() & set(RESERVED))
    if taken:
        raise ValueError(f"must not have {', '.join(taken)}: there is a setting for it, or it is the conversation")
    return json.dumps(fields)


def refused_parameter(body: bytes, sent: Mapping[str, Any]) -> str:
    """Which of the fields that were `sent` a refusal names; empty if none.

    Nothing else that the server wrote comes out of here: the answer is one of our own names.
    """
    try:
        refusal = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    named = [part for name, value in _strings(refusal) if name in ("param", "loc") for part in re.split(r"\W+", value)]
    texts = [value for _, value in _strings(refusal)]
    quoted = [word for text in texts for word in re.findall(r"['\"`](\w{1,64})['\"`]", text)]
    words = [word for text in texts for word in re.findall(r"\w{1,64}", text) if word not in _PLAIN_WORDS]
    return next((word for word in (*named, *quoted, *words) if word in sent), "")


def says_too_long(body: bytes) -> bool:
    """Whether a refusal says that the question, or with it the reply, is longer than the model takes."""
    try:
        refusal = json.loads(body)
    except (ValueError, RecursionError):
        return bool(_TOO_LONG.search(body.decode("utf-8", "replace")))
    return any(_TOO_LONG.search(value) for name, value in _strings(refusal) if name not in _ECHOES)


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The first strings in some JSON, each with the name of the field that it stands in."""
    waiting: list[tuple[str, Any]] = [(name, value)]
    for _ in range(_MAX_WALK):
        if not waiting:
            return
        name, value = waiting.pop(0)
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, item) for item in value]
