"""Who the agent is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Persona:
    """What the agent is told, and what it says on its own. An empty sentence is left out."""

    system_prompt: str
    apology: str
    """Said when it cannot answer."""
    reprompt: str = ""
    """Said when nobody has spoken for `no_input_ms`."""
    goodbye: str = ""
    """Said when nobody answers the re-prompt; then the session ends."""
    filler: str = ""
    """Said when tools take long; empty: nothing is said."""
    unheard: str = ""
    """Said to a user who speaks while recognition is away; empty: nothing is said."""
