"""Who the agent is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Persona:
    """What the agent is told and what it says of its own accord. An empty sentence is left out."""

    system_prompt: str
    apology: str
    """Said when it cannot answer."""
    reprompt: str = ""
    """Said when nobody has spoken for `no_input_ms`."""
    goodbye: str = ""
    """Said when again nobody has; then the session ends."""
    filler: str = ""
    """Said when tools take long; empty: nothing is."""
    unheard: str = ""
    """Said to who speaks while recognition is away; empty: nothing is."""
