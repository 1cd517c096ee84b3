"""The three machines of a conversation, as tables. Every (state, event) pair is decided.

For each state a table names the events that can happen in it, and the next state. Any other event cannot happen there:
`Machine.move` raises Forbidden, because the core must have prevented it.
"""

from collections.abc import Mapping
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


class ReplyState(Enum):
    """What a reply is doing."""

    NONE = "none"
    PREPARING = "preparing"
    WAITING = "waiting"
    WITHHELD = "withheld"
    SPEAKING = "speaking"
    HELD = "held"
    DRAINING = "draining"
    SETTLING = "settling"
    OVER = "over"


class ReplyEvent(Enum):
    """What moves a reply."""

    SUSPECTED = "language model asked before the turn was committed"
    COMMITTED = "the turn is what was suspected"
    DROPPED = "the turn is another or goes on, or a backend failed"
    ASKED = "language model asked, or a fixed text to be said"
    AUDIBLE = "audio began to leave"
    SENT = "last audio left"
    HELD = "somebody may be interrupting"
    RESUMED = "it was no interruption"
    INTERRUPTED = "stopped, and the client has yet to tell how far it played"
    SETTLED = "the client has told, or is waited for no more"
    ENDED = "heard to its end, without sound, or stopped with nothing to wait for"


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


S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


def _decided(states: type[S], events: type[E], allowed: Mapping[S, Mapping[E, S]]) -> dict[tuple[S, E], S | None]:
    """The whole table; None: that event cannot happen in that state."""
    return {(state, event): allowed.get(state, {}).get(event) for state in states for event in events}


FLOOR = _decided(
    Floor,
    FloorEvent,
    {
        Floor.NOBODY: {
            FloorEvent.USER_SPOKE: Floor.USER,
            FloorEvent.USER_DONE: Floor.NOBODY,
            FloorEvent.AGENT_SPOKE: Floor.AGENT,
            FloorEvent.AGENT_DONE: Floor.NOBODY,
        },
        Floor.USER: {
            FloorEvent.USER_SPOKE: Floor.USER,
            FloorEvent.USER_DONE: Floor.NOBODY,
            FloorEvent.AGENT_SPOKE: Floor.AGENT,
            FloorEvent.AGENT_DONE: Floor.USER,
        },
        Floor.AGENT: {
            FloorEvent.USER_SPOKE: Floor.AGENT,
            FloorEvent.USER_DONE: Floor.AGENT,
            FloorEvent.AGENT_SPOKE: Floor.AGENT,
            FloorEvent.AGENT_DONE: Floor.NOBODY,
            FloorEvent.CONTESTED: Floor.CONTESTED,
        },
        Floor.CONTESTED: {
            FloorEvent.USER_SPOKE: Floor.CONTESTED,
            FloorEvent.USER_DONE: Floor.CONTESTED,
            FloorEvent.AGENT_SPOKE: Floor.CONTESTED,
            FloorEvent.AGENT_DONE: Floor.NOBODY,
            FloorEvent.RESUMED: Floor.AGENT,
        },
    },
)

REPLY = _decided(
    ReplyState,
    ReplyEvent,
    {
        ReplyState.NONE: {
            ReplyEvent.SUSPECTED: ReplyState.PREPARING,
            ReplyEvent.ASKED: ReplyState.WAITING,
        },
        ReplyState.PREPARING: {
            ReplyEvent.COMMITTED: ReplyState.WAITING,
            ReplyEvent.DROPPED: ReplyState.OVER,
        },
        ReplyState.WAITING: {
            ReplyEvent.AUDIBLE: ReplyState.SPEAKING,
            ReplyEvent.HELD: ReplyState.WITHHELD,
            ReplyEvent.ENDED: ReplyState.OVER,
        },
        ReplyState.WITHHELD: {
            ReplyEvent.AUDIBLE: ReplyState.HELD,
            ReplyEvent.RESUMED: ReplyState.WAITING,
            ReplyEvent.ENDED: ReplyState.OVER,
        },
        ReplyState.SPEAKING: {
            ReplyEvent.AUDIBLE: ReplyState.SPEAKING,
            ReplyEvent.SENT: ReplyState.DRAINING,
            ReplyEvent.HELD: ReplyState.HELD,
            ReplyEvent.INTERRUPTED: ReplyState.SETTLING,
            ReplyEvent.ENDED: ReplyState.OVER,
        },
        ReplyState.HELD: {
            ReplyEvent.AUDIBLE: ReplyState.HELD,
            ReplyEvent.SENT: ReplyState.HELD,
            ReplyEvent.RESUMED: ReplyState.SPEAKING,
            ReplyEvent.INTERRUPTED: ReplyState.SETTLING,
            ReplyEvent.ENDED: ReplyState.OVER,
        },
        ReplyState.DRAINING: {
            ReplyEvent.HELD: ReplyState.HELD,
            ReplyEvent.INTERRUPTED: ReplyState.SETTLING,
            ReplyEvent.ENDED: ReplyState.OVER,
        },
        ReplyState.SETTLING: {
            ReplyEvent.SETTLED: ReplyState.OVER,
        },
    },
)

LISTENING = _decided(
    Listening,
    ListeningEvent,
    {
        Listening.CLOSED: {
            ListeningEvent.OPENED: Listening.OPEN,
        },
        Listening.OPEN: {
            ListeningEvent.HALF_CLOSED: Listening.FINALISING,
            ListeningEvent.BROKE: Listening.CLOSED,
        },
        Listening.FINALISING: {
            ListeningEvent.OPENED: Listening.FINALISING,
            ListeningEvent.HALF_CLOSED: Listening.FINALISING,
            ListeningEvent.FINALISED: Listening.OPEN,
            ListeningEvent.EXHAUSTED: Listening.CLOSED,
            ListeningEvent.BROKE: Listening.CLOSED,
        },
    },
)

FLOORS = {
    ReplyState.NONE: (Floor.NOBODY, Floor.USER),
    ReplyState.PREPARING: (Floor.NOBODY, Floor.USER),
    ReplyState.WAITING: (Floor.NOBODY, Floor.USER),
    ReplyState.WITHHELD: (Floor.NOBODY, Floor.USER),
    ReplyState.SPEAKING: (Floor.AGENT,),
    ReplyState.HELD: (Floor.CONTESTED,),
    ReplyState.DRAINING: (Floor.AGENT,),
    ReplyState.SETTLING: (Floor.NOBODY, Floor.USER),
}
"""How floor and reply are coupled, whenever the core has settled: who may have the floor while a reply does this.

A reply takes the floor with AUDIBLE and gives it back with INTERRUPTED or ENDED; HELD contests the floor of one that is
heard, RESUMED gives it back to the agent. The user has it by `Utterance.is_speaking` alone. Listening is coupled to
neither: it brings words, and those move the two through `dialogue.py`.
"""


class Forbidden(Exception):  # noqa: N818  what happened was forbidden; it is a fault of the core, never of a client
    """The core let an event happen that its table forbids."""


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
