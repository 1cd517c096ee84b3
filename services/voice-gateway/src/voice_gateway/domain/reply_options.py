"""How one reply departs from what is agreed for its session."""

from dataclasses import dataclass

from voice_gateway.domain.chat import Tool


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What a client wants of a reply that it asks for. None: as is agreed."""

    instructions: str | None = None
    """Stand in the place of the system prompt; empty: the model is told nothing about its task."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes for it, in the place of those of the session."""


AS_AGREED = ReplyOptions()
