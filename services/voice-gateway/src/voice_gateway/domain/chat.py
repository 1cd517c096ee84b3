"""What a language model reads, and the tools that it may call."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

CONTEXT_TOKENS = 8_192
"""Of a model that does not tell its own: the smallest that NIM serves has as many."""
REPLY_TOKENS = 512
"""Of a reply that has no limit of its own: one of three minutes."""
PROMPT_TOKENS = CONTEXT_TOKENS - REPLY_TOKENS
"""What is left of that for all that the model reads: instructions, tools, conversation."""


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
    """The model's own name of the call; unique among those of one reply."""
    name: str
    arguments_json: str
    """As the model wrote it, which may be no JSON at all."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    """Of the assistant; one message of role TOOL for each follows at once."""
    call_id: str = ""
    """Of a tool: the `ToolCall.id` whose outcome `text` is."""


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
    """What has not returned so long after the model asked has failed."""

    def with_client_tools(self, tools: tuple[Tool, ...]) -> "Toolbox":
        """The server's tools, and these in place of the client's."""
        ours = (tool for tool in self.tools if tool.runs_at is ToolPlace.SERVER)
        return replace(self, tools=(*ours, *tools))


NO_TOOLS = Toolbox()


def made_up_id(number: int, taken: Collection[str]) -> str:
    """An id of a call that none of those taken is. Nine letters and digits: Mistral's API refuses any other."""
    while (made_up := f"call{number:05d}") in taken:
        number += 1
    return made_up
