"""The OpenAI chat protocol's messages, made as plain values; no socket."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for."""

    name: str
    arguments_json: str = "{}"
    call_id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers: a text, tool calls, or both."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    ttft_ms: int | None = None
    """Time to the first token of this reply; None: the fake's."""
    tokens_a_write: int = 1
    """Tokens that leave together, and after which the fake's pause between tokens is made: more is a flood."""

    @property
    def finish_reason(self) -> str:
        """Why the model stopped."""
        return "tool_calls" if self.tool_calls else "stop"


def tokenize(text: str) -> Iterator[str]:
    """Cuts a text into tokens: a word with the white space before it. Joined they are the text."""
    return (token.group() for token in re.finditer(r"\s*\S+|\s+$", text))


def deltas(reply: Reply) -> Iterator[JsonObject]:
    """Gives the stream's deltas, one a token: the words, then each tool call as a name and its arguments in pieces."""
    for token in tokenize(reply.text):
        yield {"content": token}
    for index, call in enumerate(reply.tool_calls):
        head = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.call_id, "type": "function", "function": head}]}
        for piece in re.findall(r"(?s).{1,8}", call.arguments_json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def chunk(model: str, delta: JsonObject, finish_reason: str | None = None) -> JsonObject:
    """Gives one chunk of a streamed answer."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_head("chat.completion.chunk", model), "choices": [choice]}


def usage_chunk(model: str, usage: JsonObject) -> JsonObject:
    """Gives the last chunk, for a request with `stream_options.include_usage`."""
    return {**_head("chat.completion.chunk", model), "choices": [], "usage": usage}


def completion(model: str, reply: Reply, usage: JsonObject) -> JsonObject:
    """Gives a whole answer."""
    message: JsonObject = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in reply.tool_calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return {**_head("chat.completion", model), "choices": [choice], "usage": usage}


def usage(messages: list[JsonObject], reply: Reply) -> JsonObject:
    """Counts tokens the fake's way."""
    asked = sum(1 for message in messages for _ in tokenize(str(message.get("content") or "")))
    answered = sum(1 for _ in deltas(reply))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def prompt_tokens(body: JsonObject) -> int:
    """Counts what a model reads of a request: a token for each 3 bytes of its messages and tools."""
    read = {name: body[name] for name in ("messages", "tools") if name in body}
    return -(-len(json.dumps(read, ensure_ascii=False).encode()) // 3)


def too_long(context_tokens: int, asked: int) -> JsonObject:
    """Gives the error of a request that is too long, in the words of vLLM."""
    told = f"This model's maximum context length is {context_tokens} tokens. However, you requested {asked} tokens."
    return error(f"{told} Please reduce the length of the messages or completion.", "BadRequestError", 400)


def error(message: str, kind: str, code: int | None = None) -> JsonObject:
    """Gives an error body."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def event(data: JsonObject) -> bytes:
    """Gives one server-sent event."""
    return f"data: {json.dumps(data)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
MALFORMED = b'data: {"choices": [{"delta": \n\n'


def _head(kind: str, model: str) -> JsonObject:
    return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": model}
