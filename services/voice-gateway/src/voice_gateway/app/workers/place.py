"""Which of several workers a process is: what its parent tells it on its command line.

That is between the two alone: `serve --worker JSON`, which no help lists and anybody else's use of which is an error.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

FLAG: Final = "--worker"

LISTENING: Final = "listening"
"""From a worker: it serves."""
DRAIN: Final = "drain"
"""To a worker: finish your calls and end."""
STOP: Final = "stop"
"""To a worker that drains: end now."""
HEALTH: Final = "health"
METRICS: Final = "metrics"
OVERVIEW: Final = "overview"
"""To a worker: what it does, itself."""
OTHERS: Final = "others"
"""From a worker: what do the others do?"""


_PART: Final = struct.Struct("!Iq")
"""A worker's number and the bytes of what it said; -1: it said nothing."""


def joined(told: Mapping[int, bytes | None]) -> bytes:
    """What several workers said, by their numbers, as one answer."""
    return b"".join(
        _PART.pack(index, -1) if said is None else _PART.pack(index, len(said)) + said for index, said in told.items()
    )


def split(raw: bytes) -> dict[int, bytes | None]:
    """What `joined` joined."""
    told: dict[int, bytes | None] = {}
    at = 0
    while at < len(raw):
        index, size = _PART.unpack_from(raw, at)
        at += _PART.size
        told[index] = None if size < 0 else raw[at : at + size]
        at += max(size, 0)
    return told


@dataclass(frozen=True, slots=True)
class Place:
    """One worker's place among all."""

    index: int
    """From 0."""
    count: int
    channel: int
    """The descriptor of its end of the channel."""
    settings: Mapping[str, str]
    """What stands above its environment: ports that are chosen, and what the parent's command line says."""

    def written(self) -> str:
        """As the worker reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, raw: str) -> Self:
        """What `written` wrote."""
        return cls(**json.loads(raw))
