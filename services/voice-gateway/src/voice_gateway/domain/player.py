"""What the player of a client can do while somebody may be interrupting the agent."""

from enum import Enum


class Player(Enum):
    """A kind of player. It follows from the wire, and stays the same for the whole session."""

    PAUSES = "pauses"
    """It stops, keeps what it has, and plays on from there when it is told to."""
    FLUSHES = "flushes"
    """It can only drop what it has; what was not heard is sent again."""
    PLAYS_OUT = "plays_out"
    """It cannot be stopped: it plays what it has, and gets no more for the time being."""
    NEVER_HELD = "never_held"
    """It gets audio without a break: only words interrupt a reply that is being played."""

    @property
    def can_be_held(self) -> bool:
        """Whether a reply that is being played can be held at an onset."""
        return self is not Player.NEVER_HELD

    @property
    def falls_silent(self) -> bool:
        """Whether nothing more is heard from the moment at which a reply is held."""
        return self is not Player.PLAYS_OUT
