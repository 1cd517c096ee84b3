"""Who the agent is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Persona:
    """What the agent is told and what it says when it cannot answer."""

    system_prompt: str
    apology: str
    filler: str = ""
    """Said when tools take long; empty: nothing is."""
