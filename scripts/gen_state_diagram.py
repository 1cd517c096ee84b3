"""Writes docs/reference/state-machines.md from the tables of the core. With --check: fails if it is stale."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import generated
from voice_gateway.turn import tables

HEAD = f"""\
# State machines

{generated.note("services/voice-gateway/src/voice_gateway/turn/tables.py")}

A conversation is three small machines, joined by the core.
Each table decides every pair of state and event.
A dash marks a pair that cannot happen: if it did, the core would be at fault, and the session would end `INTERNAL`.
The diagrams leave out what changes nothing.
[How turn-taking works](../explanation/how-turn-taking-works.md) tells what joins them.
"""


@dataclass(frozen=True, slots=True)
class Described:
    """A machine as the page shows it; it begins in the first of its states."""

    title: str
    question: str
    states: type[Enum]
    events: type[Enum]
    table: Mapping[Any, Enum | None]


MACHINES = (
    Described("Floor", "Who has the floor?", tables.Floor, tables.FloorEvent, tables.FLOOR),
    Described(
        "Reply",
        "What is a reply doing, from the first question to the model until it is over?",
        tables.ReplyState,
        tables.ReplyEvent,
        tables.REPLY,
    ),
    Described("Listening", "What is recognition doing?", tables.Listening, tables.ListeningEvent, tables.LISTENING),
)


def _diagram(machine: Described) -> Iterator[str]:
    """Lines of Mermaid; events that share an arrow share its label."""
    yield f"[*] --> {next(iter(machine.states)).value}"
    for state in machine.states:
        labels: dict[str, list[str]] = {}
        for event in machine.events:
            following = machine.table[state, event]
            if following is not None and following is not state:
                labels.setdefault(following.value, []).append(event.value)
        for following_name, events in labels.items():
            yield f"{state.value} --> {following_name}: {' / '.join(events)}"


def _rows(machine: Described) -> Iterator[list[str]]:
    for event in machine.events:
        followings = (machine.table[state, event] for state in machine.states)
        yield [event.value, *("-" if following is None else following.value for following in followings)]


def _section(machine: Described) -> str:
    diagram = "\n".join(f"    {line}" for line in _diagram(machine))
    heads = ["event", *(f"in *{state.value}*" for state in machine.states)]
    return (
        f"## {machine.title}\n\n{machine.question}\n\n```mermaid\nstateDiagram-v2\n{diagram}\n```\n\n"
        f"{generated.table(heads, _rows(machine))}"
    )


def _couplings() -> str:
    """Which states of the floor go with each of a reply."""
    rows = ([reply.value, " or ".join(floor.value for floor in floors)] for reply, floors in tables.FLOORS.items())
    return (
        "## How they are coupled\n\nWhenever the core has settled, the floor is one of those that go with the reply.\n"
        f"Listening is coupled to neither.\n\n{generated.table(['a reply is', 'the floor has'], rows)}"
    )


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *map(_section, MACHINES), _couplings()])


if __name__ == "__main__":
    sys.exit(generated.publish("state-machines.md", page()))
