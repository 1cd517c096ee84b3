"""Write OpenAI chat answers: values to JSON; no socket, no clock, no randomness.

Follows the completion and chunk objects of the OpenAI API reference (chat/object and chat/streaming).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_models.openai_http.chat import Finished, TextDelta, ToolCall

ARGUMENT_CHUNK_CHARACTERS = 16
"""Arguments stream in pieces of a few tokens, so that clients meet real deltas."""
SSE_DONE = b"data: [DONE]\n\n"

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every chunk of one reply repeats."""

    completion_id: str
    created_s: int
    model: str
    call_id_prefix: str
    include_usage: bool = False


class ChunkEncoder:
    """Turn the pieces of one streamed reply into `chat.completion.chunk` objects."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._calls = 0

    def first(self) -> JsonObject:
        """Give the chunk that opens a reply: the role, and no text yet."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def encode(self, piece: TextDelta | ToolCall | Finished) -> Iterator[JsonObject]:
        """Give the chunks for one piece, the usage chunk included when it was asked for."""
        if isinstance(piece, TextDelta):
            yield self._chunk({"content": piece.text})
        elif isinstance(piece, ToolCall):
            yield from self._call(piece)
        else:
            yield self._chunk({}, finish_reason=piece.reason.value)
            if self._envelope.include_usage:
                yield self._base() | {"choices": [], "usage": usage(piece)}

    def _call(self, call: ToolCall) -> Iterator[JsonObject]:
        index, self._calls = self._calls, self._calls + 1
        head = {
            "index": index,
            "id": call_id(self._envelope, index),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield self._chunk({"tool_calls": [head]})
        for start in range(0, len(call.arguments), ARGUMENT_CHUNK_CHARACTERS):
            part = call.arguments[start : start + ARGUMENT_CHUNK_CHARACTERS]
            yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})

    def _base(self) -> JsonObject:
        envelope = self._envelope
        base = {
            "id": envelope.completion_id,
            "object": "chat.completion.chunk",
            "created": envelope.created_s,
            "model": envelope.model,
        }
        # With include_usage every chunk but the last carries a null usage (API reference, stream_options).
        return base | {"usage": None} if envelope.include_usage else base

    def _chunk(self, delta: JsonObject, finish_reason: str | None = None) -> JsonObject:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._base() | {"choices": [choice]}


def encode_completion(envelope: Envelope, text: str, calls: tuple[ToolCall, ...], finished: Finished) -> JsonObject:
    """Give the whole `chat.completion` object of a reply that was not streamed."""
    message: JsonObject = {"role": "assistant", "content": text or None, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {
                "id": call_id(envelope, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(calls)
        ]
    else:
        message["content"] = text
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finished.reason.value}
    return {
        "id": envelope.completion_id,
        "object": "chat.completion",
        "created": envelope.created_s,
        "model": envelope.model,
        "choices": [choice],
        "usage": usage(finished),
    }


def encode_models(model_id: str, created_s: int) -> JsonObject:
    """Give the list for GET /v1/models."""
    return {"object": "list", "data": [encode_model(model_id, created_s)]}


def encode_model(model_id: str, created_s: int) -> JsonObject:
    return {"id": model_id, "object": "model", "created": created_s, "owned_by": "local-models"}


def usage(finished: Finished) -> JsonObject:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
    }


def call_id(envelope: Envelope, index: int) -> str:
    return f"{envelope.call_id_prefix}{index}"


def sse(data: JsonObject) -> bytes:
    """Frame one server-sent event."""
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
