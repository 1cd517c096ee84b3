"""The span of one reply of the language model, by OpenTelemetry's conventions for generative AI.

All that is tried until a reply comes is within one span, as they say of repetitions.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from opentelemetry.util.types import AttributeValue

from voice_gateway.backends.addresses.book import Address
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.spans import CAUSE, LEFT_OUT, CallSpans, address_attributes, fail, headers_below
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS

_PROVIDER = "openai"
"""Whose protocol is spoken: who answers it is not known, says the convention of such servers."""


_CUT = "error"
"""Finish reason, by the convention's schema, of a reply that did not come to its end: it broke, or was interrupted."""


class ChatSpan:
    """One reply."""

    def __init__(
        self, spans: CallSpans, settings: OpenAiChatSettings, session: SessionId, messages: Sequence[ChatMessage]
    ) -> None:
        self._span = spans.begin(_name(settings.model), _request(settings, session))
        self._has_text = spans.has_text and self._span.is_recording()
        self._began_s = time.monotonic()
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._is_whole = False
        self.headers = headers_below(self._span)
        """To be sent with each request."""
        if self._has_text:
            self._span.set_attributes(_input(messages))

    def attempt_failed(self, address: Address, cause: str) -> None:
        """An address did not begin to answer; perhaps another one does."""
        self._span.add_event("attempt failed", {**address_attributes(address), CAUSE: cause})

    def begun(self, address: Address, model: str) -> None:
        """The first pieces have come from there."""
        self._span.update_name(_name(model))
        self._span.set_attributes(address_attributes(address))
        self._span.set_attribute("gen_ai.request.model", model)
        self._span.set_attribute("gen_ai.response.time_to_first_chunk", time.monotonic() - self._began_s)

    def wrote(self, piece: str | ToolCall) -> None:
        """A piece has come."""
        if not self._has_text:
            return
        if isinstance(piece, ToolCall):
            self._calls.append(piece)
        else:
            self._text.append(piece)

    def finished(self) -> None:
        """The model has come to its proper end."""
        self._is_whole = True

    def failed(self, reason: str, cause: str) -> None:
        """There is no reply, or not all of it."""
        fail(self._span, reason, cause)

    def end(self) -> None:
        """The reply is over, or nobody waits for it any more."""
        if self._text or self._calls:
            reason = ("tool_call" if self._calls else "stop") if self._is_whole else _CUT
            self._span.set_attribute("gen_ai.output.messages", _output("".join(self._text), self._calls, reason))
        self._span.end()


def _name(model: str) -> str:
    return f"chat {model}" if model else "chat"


def _request(settings: OpenAiChatSettings, session: SessionId) -> dict[str, AttributeValue]:
    told: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDER,
        "gen_ai.output.type": "text",
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": session,
    }
    if settings.model:
        told["gen_ai.request.model"] = settings.model
    if settings.temperature is not None:
        told["gen_ai.request.temperature"] = settings.temperature
    if settings.max_tokens is not None:
        told["gen_ai.request.max_tokens"] = settings.max_tokens
    return told


def _input(messages: Sequence[ChatMessage]) -> dict[str, AttributeValue]:
    """The newest of the conversation, as much as a span may hold."""
    kept: list[dict[str, Any]] = []
    room = MAX_SPAN_TEXT_CHARS
    for message in reversed(messages):
        text = message.text[: room if not kept else None]
        room -= len(text) + sum(len(call.arguments_json) for call in message.calls)
        if room < 0 and kept:
            break
        kept.insert(0, {"role": message.role.value, "parts": _parts(message, text)})
    told: dict[str, AttributeValue] = {"gen_ai.input.messages": json.dumps(kept, ensure_ascii=False)}
    left_out = len(messages) - len(kept)
    return told | {LEFT_OUT: left_out} if left_out else told


def _parts(message: ChatMessage, text: str) -> list[dict[str, Any]]:
    if message.role is Role.TOOL:
        return [{"type": "tool_call_response", "id": message.call_id, "response": text}]
    written = [{"type": "text", "content": text}] if text else []
    return written + [_call(call) for call in message.calls]


def _output(text: str, calls: Sequence[ToolCall], reason: str) -> str:
    cut = text[:MAX_SPAN_TEXT_CHARS]
    parts = [{"type": "text", "content": cut}] if cut else []
    parts += [_call(call) for call in calls]
    return json.dumps([{"role": "assistant", "parts": parts, "finish_reason": reason}], ensure_ascii=False)


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments_json[:MAX_SPAN_TEXT_CHARS]
    return {"type": "tool_call", "id": str(call.id), "name": call.name, "arguments": arguments}
