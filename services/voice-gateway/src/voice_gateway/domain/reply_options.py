"""How a reply is given, and how one departs from what is agreed for its session."""

from dataclasses import dataclass
from enum import StrEnum

from voice_gateway.domain.chat import Tool


class Modality(StrEnum):
    """What a reply is made of; its text is told in any case."""

    AUDIO = "AUDIO"
    TEXT = "TEXT"
    """Nothing of it is spoken: what was told of it counts as heard."""


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """What a client wants of a reply that it asks for. None: as is agreed."""

    instructions: str | None = None
    """Stand in the place of the system prompt; empty: the model is told nothing about its task."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes for it, in the place of those of the session."""

    modality: Modality | None = None


AS_AGREED = ReplyOptions()
