"""What a language model reads, and the tools that it may call."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

CONTEXT_TOKENS = 8_192
"""Assumed for a model that does not tell its own: the smallest model that NIM serves has this many."""
REPLY_TOKENS = 512
"""Assumed for a reply that has no limit of its own: it lasts three minutes."""
PROMPT_TOKENS = CONTEXT_TOKENS - REPLY_TOKENS
"""The rest of `CONTEXT_TOKENS`, for all that the model reads: instructions, tools, conversation."""


class Role(StrEnum):
    """Who speaks, in the words of the OpenAI protocol."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks a tool for."""

    id: str
    """The model's own name for the call; unique within one reply."""
    name: str
    arguments_json: str
    """As the model wrote them; this may not be JSON at all."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    """Calls that the assistant makes; one message of role TOOL for each follows at once."""
    call_id: str = ""
    """In a message of role TOOL: the `ToolCall.id` whose outcome is `text`."""


class ToolPlace(StrEnum):
    """Who executes a tool."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model is offered."""

    name: str
    """[a-zA-Z0-9_-], 1 to 64 characters, as the OpenAI protocol demands."""
    description: str
    parameters_json: str
    """JSON Schema of the arguments, an object; empty: no arguments."""
    runs_at: ToolPlace


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of one session; names are unique."""

    tools: tuple[Tool, ...] = ()
    timeout_ms: int = 10_000
    """A tool that has not returned in this time after the model asked has failed."""

    def with_client_tools(self, tools: tuple[Tool, ...]) -> "Toolbox":
        """The server's tools, and these in place of the client's."""
        ours = (tool for tool in self.tools if tool.runs_at is ToolPlace.SERVER)
        return replace(self, tools=(*ours, *tools))


NO_TOOLS = Toolbox()


def made_up_id(number: int, taken: Collection[str]) -> str:
    """An id for a call, not among `taken`. It has nine letters and digits: Mistral's API refuses any other."""
    while (made_up := f"call{number:05d}") in taken:
        number += 1
    return made_up
