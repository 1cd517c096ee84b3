"""What a chat model is asked and what it answers, free of any wire."""

import enum
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from local_models.engines.recognition import EngineDescription


class Role(enum.StrEnum):
    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FinishReason(enum.StrEnum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


class ToolMode(enum.StrEnum):
    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called; `arguments` is JSON text, as on the wire. The server makes the id."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_ids: tuple[str, ...] = ()
    """One id per entry of `tool_calls`, from an earlier reply."""
    tool_call_id: str | None = None
    """On a tool message: the call that it answers."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str = ""
    parameters: dict[str, object] = field(default_factory=dict)
    """JSON Schema of the arguments, as the client sent it."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_mode: ToolMode = ToolMode.AUTO
    tool_name: str | None = None
    """The one tool that `tool_choice` names; it must then be called."""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stream: bool = False
    include_usage: bool = False
    without_effect: tuple[str, ...] = ()
    """Fields that the request has in vain."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """One token's worth of text; spaces are part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last thing a reply says: why it ended and what it counted."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


Piece = TextDelta | ToolCall | Finished


class ModelBusyError(Exception):
    """The model answers as many requests as it can and as many wait as may; the message is safe to show."""


class ModelRefusedError(Exception):
    """The request does not fit the model, say by its length; the message is safe to show."""


class ModelFailedError(Exception):
    """The model broke while it answered; the message is safe to show."""


class ChatModel(Protocol):
    """A chat model behind the HTTP server."""

    @property
    def model_id(self) -> str:
        """The name under which requests address it."""

    def reply(self, request: ChatRequest) -> AsyncGenerator[Piece, None]:
        """Give the pieces of one reply, `Finished` exactly once and last; closing it stops the work.

        Raises:
            ModelBusyError: before the first piece, when the request cannot be taken.
            ModelRefusedError: before the first piece, when the request does not fit the model.
            ModelFailedError: at any moment.
        """

    async def warm_up(self) -> None:
        """Load what the first request would otherwise wait for."""

    async def close(self) -> None:
        """Give back what it holds; no reply is asked for afterwards."""

    def describe(self) -> tuple[EngineDescription, ...]:
        """Rows for the table printed at start."""


def call_to_text(call: ToolCall) -> str:
    """Say a call as plain text, to count it."""
    return json.dumps({"name": call.name, "arguments": call.arguments})
