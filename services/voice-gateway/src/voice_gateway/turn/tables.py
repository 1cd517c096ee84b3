"""The three machines of a conversation, as tables. Every (state, event) pair is decided.

A pair maps to the next state, or to None: that event cannot happen in that state, and `Machine.move` raises Forbidden,
because the core must have prevented it.
"""

from enum import Enum
from typing import Generic, TypeVar


class Floor(Enum):
    """Who has the floor."""

    NOBODY = "nobody"
    USER = "user"
    AGENT = "agent"
    CONTESTED = "contested"


class FloorEvent(Enum):
    """What moves the floor."""

    USER_SPOKE = "user spoke"
    USER_DONE = "user's turn committed or dropped"
    AGENT_SPOKE = "reply audio began"
    AGENT_DONE = "reply ended"
    CONTESTED = "speech began over the reply"
    RESUMED = "it was no interruption"


class Reply(Enum):
    """What the reply in flight is doing."""

    NONE = "none"
    SPECULATIVE = "speculative"
    PENDING = "pending"
    SPEAKING = "speaking"
    DRAINING = "draining"


class ReplyEvent(Enum):
    """What moves the reply."""

    SUSPECTED = "language model asked before the turn was committed"
    COMMITTED = "the turn is what was suspected"
    DROPPED = "the turn is another, or goes on"
    ASKED = "language model asked"
    AUDIBLE = "first audio left"
    SENT = "last audio left"
    ENDED = "completed, interrupted or failed"


class Listening(Enum):
    """What recognition is doing."""

    CLOSED = "closed"
    OPEN = "open"
    FINALISING = "finalising"


class ListeningEvent(Enum):
    """What moves recognition."""

    OPENED = "stream opened"
    HALF_CLOSED = "stream half-closed"
    FINALISED = "half-closed stream ended, another is open"
    EXHAUSTED = "last stream ended"
    BROKE = "stream broke"


FLOOR: dict[tuple[Floor, FloorEvent], Floor | None] = {
    (Floor.NOBODY, FloorEvent.USER_SPOKE): Floor.USER,
    (Floor.NOBODY, FloorEvent.USER_DONE): Floor.NOBODY,
    (Floor.NOBODY, FloorEvent.AGENT_SPOKE): Floor.AGENT,
    (Floor.NOBODY, FloorEvent.AGENT_DONE): Floor.NOBODY,
    (Floor.NOBODY, FloorEvent.CONTESTED): None,
    (Floor.NOBODY, FloorEvent.RESUMED): None,
    (Floor.USER, FloorEvent.USER_SPOKE): Floor.USER,
    (Floor.USER, FloorEvent.USER_DONE): Floor.NOBODY,
    (Floor.USER, FloorEvent.AGENT_SPOKE): Floor.AGENT,
    (Floor.USER, FloorEvent.AGENT_DONE): Floor.USER,
    (Floor.USER, FloorEvent.CONTESTED): None,
    (Floor.USER, FloorEvent.RESUMED): None,
    (Floor.AGENT, FloorEvent.USER_SPOKE): Floor.AGENT,
    (Floor.AGENT, FloorEvent.USER_DONE): Floor.AGENT,
    (Floor.AGENT, FloorEvent.AGENT_SPOKE): Floor.AGENT,
    (Floor.AGENT, FloorEvent.AGENT_DONE): Floor.NOBODY,
    (Floor.AGENT, FloorEvent.CONTESTED): Floor.CONTESTED,
    (Floor.AGENT, FloorEvent.RESUMED): None,
    (Floor.CONTESTED, FloorEvent.USER_SPOKE): Floor.CONTESTED,
    (Floor.CONTESTED, FloorEvent.USER_DONE): Floor.CONTESTED,
    (Floor.CONTESTED, FloorEvent.AGENT_SPOKE): Floor.CONTESTED,
    (Floor.CONTESTED, FloorEvent.AGENT_DONE): Floor.NOBODY,
    (Floor.CONTESTED, FloorEvent.CONTESTED): None,
    (Floor.CONTESTED, FloorEvent.RESUMED): Floor.AGENT,
}

REPLY: dict[tuple[Reply, ReplyEvent], Reply | None] = {
    (Reply.NONE, ReplyEvent.SUSPECTED): Reply.SPECULATIVE,
    (Reply.NONE, ReplyEvent.COMMITTED): None,
    (Reply.NONE, ReplyEvent.DROPPED): None,
    (Reply.NONE, ReplyEvent.ASKED): Reply.PENDING,
    (Reply.NONE, ReplyEvent.AUDIBLE): None,
    (Reply.NONE, ReplyEvent.SENT): None,
    (Reply.NONE, ReplyEvent.ENDED): None,
    (Reply.SPECULATIVE, ReplyEvent.SUSPECTED): None,
    (Reply.SPECULATIVE, ReplyEvent.COMMITTED): Reply.PENDING,
    (Reply.SPECULATIVE, ReplyEvent.DROPPED): Reply.NONE,
    (Reply.SPECULATIVE, ReplyEvent.ASKED): None,
    (Reply.SPECULATIVE, ReplyEvent.AUDIBLE): None,
    (Reply.SPECULATIVE, ReplyEvent.SENT): None,
    (Reply.SPECULATIVE, ReplyEvent.ENDED): None,
    (Reply.PENDING, ReplyEvent.SUSPECTED): None,
    (Reply.PENDING, ReplyEvent.COMMITTED): None,
    (Reply.PENDING, ReplyEvent.DROPPED): None,
    (Reply.PENDING, ReplyEvent.ASKED): None,
    (Reply.PENDING, ReplyEvent.AUDIBLE): Reply.SPEAKING,
    (Reply.PENDING, ReplyEvent.SENT): Reply.DRAINING,
    (Reply.PENDING, ReplyEvent.ENDED): Reply.NONE,
    (Reply.SPEAKING, ReplyEvent.SUSPECTED): None,
    (Reply.SPEAKING, ReplyEvent.COMMITTED): None,
    (Reply.SPEAKING, ReplyEvent.DROPPED): None,
    (Reply.SPEAKING, ReplyEvent.ASKED): None,
    (Reply.SPEAKING, ReplyEvent.AUDIBLE): Reply.SPEAKING,
    (Reply.SPEAKING, ReplyEvent.SENT): Reply.DRAINING,
    (Reply.SPEAKING, ReplyEvent.ENDED): Reply.NONE,
    (Reply.DRAINING, ReplyEvent.SUSPECTED): None,
    (Reply.DRAINING, ReplyEvent.COMMITTED): None,
    (Reply.DRAINING, ReplyEvent.DROPPED): None,
    (Reply.DRAINING, ReplyEvent.ASKED): None,
    (Reply.DRAINING, ReplyEvent.AUDIBLE): Reply.DRAINING,
    (Reply.DRAINING, ReplyEvent.SENT): Reply.DRAINING,
    (Reply.DRAINING, ReplyEvent.ENDED): Reply.NONE,
}

LISTENING: dict[tuple[Listening, ListeningEvent], Listening | None] = {
    (Listening.CLOSED, ListeningEvent.OPENED): Listening.OPEN,
    (Listening.CLOSED, ListeningEvent.HALF_CLOSED): None,
    (Listening.CLOSED, ListeningEvent.FINALISED): None,
    (Listening.CLOSED, ListeningEvent.EXHAUSTED): None,
    (Listening.CLOSED, ListeningEvent.BROKE): None,
    (Listening.OPEN, ListeningEvent.OPENED): None,
    (Listening.OPEN, ListeningEvent.HALF_CLOSED): Listening.FINALISING,
    (Listening.OPEN, ListeningEvent.FINALISED): None,
    (Listening.OPEN, ListeningEvent.EXHAUSTED): None,
    (Listening.OPEN, ListeningEvent.BROKE): Listening.CLOSED,
    (Listening.FINALISING, ListeningEvent.OPENED): Listening.FINALISING,
    (Listening.FINALISING, ListeningEvent.HALF_CLOSED): Listening.FINALISING,
    (Listening.FINALISING, ListeningEvent.FINALISED): Listening.OPEN,
    (Listening.FINALISING, ListeningEvent.EXHAUSTED): Listening.CLOSED,
    (Listening.FINALISING, ListeningEvent.BROKE): Listening.CLOSED,
}


class Forbidden(Exception):  # noqa: N818  what happened was forbidden; it is a fault of the core, never of a client
    """The core let an event happen that its table forbids."""


S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class Machine(Generic[S, E]):
    """A state that moves by its table."""

    def __init__(self, table: dict[tuple[S, E], S | None], state: S) -> None:
        self._table: dict[tuple[S, E], S | None] = table
        self.state: S = state

    def move(self, event: E) -> None:
        """Take the step that the table gives.

        Raises:
            Forbidden: the table says that `event` cannot happen now.
        """
        following = self._table[self.state, event]
        if following is None:
            raise Forbidden(f"{event} in {self.state}")
        self.state = following
