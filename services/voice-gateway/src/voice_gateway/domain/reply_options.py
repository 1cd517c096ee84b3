"""How a reply is given, and in what one reply may differ from the agreement of its session."""

from dataclasses import dataclass
from enum import StrEnum

from voice_gateway.domain.chat import Tool


class Modality(StrEnum):
    """What a reply is made of; its text is always sent."""

    AUDIO = "AUDIO"
    TEXT = "TEXT"
    """Nothing of it is spoken: the text that was sent counts as heard."""


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What a client wants of a reply that it asks for. None: as agreed."""

    instructions: str | None = None
    """Used instead of the system prompt; empty: the model is told nothing about its task."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes for this reply, instead of those of the session."""

    modality: Modality | None = None


AS_AGREED = ReplyOptions()
