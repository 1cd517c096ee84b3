"""Each row of the three tables decides something: a golden script that takes it goes otherwise without it."""

from collections import defaultdict
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from gateway_kit.phone_call import play
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.core import Core
from voice_gateway.turn.effects import Effect
from voice_gateway.turn.tables import FLOOR, LISTENING, REPLY, Floor, FloorEvent, Forbidden, Machine

SCRIPTS = {path.stem: path.read_text() for path in (Path(__file__).parent / "scripts").glob("*.txt")}
TABLES: dict[str, dict[tuple[Any, Any], Any]] = {"floor": FLOOR, "reply": REPLY, "listening": LISTENING}
SAME: dict[tuple[Enum, Enum], tuple[Enum, str]] = {
    (Floor.USER, FloorEvent.AGENT_DONE): (Floor.NOBODY, "who still speaks gets it back before anything else happens"),
    (Floor.CONTESTED, FloorEvent.AGENT_SPOKE): (Floor.AGENT, "a reply that is held has it contested at once"),
}
"""Rows that may lead to one other state, too, and why nobody could tell."""
MANY_DEADLINES = 500
"""More than any script has: a core that was led astray may look at the clock for ever."""
Row = tuple[Enum, Enum]
ROWS = [(name, row) for name, table in TABLES.items() for row, following in table.items() if following is not None]


class AstrayError(Exception):
    """The conversation does not end."""


@pytest.fixture(scope="module")
def taken() -> dict[Row, dict[str, None]]:
    """The scripts that take each row."""
    rows: dict[Row, dict[str, None]] = defaultdict(dict)
    move, playing = Machine.move, ""

    def watched(machine: Machine[Any, Any], event: Enum) -> None:
        rows[machine.state, event][playing] = None
        move(machine, event)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Machine, "move", watched)
        for playing, script in SCRIPTS.items():  # noqa: B007  `watched` reads it
            play(script)
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_each_row_is_taken_by_a_script(name: str, taken: dict[Row, dict[str, None]]) -> None:
    """No row stands for what never happens in a reviewed conversation."""
    assert [row for row, following in TABLES[name].items() if following is not None and row not in taken] == []


@pytest.mark.parametrize(
    ("name", "row"),
    ROWS,
    ids=lambda value: "" if isinstance(value, str) else "-".join(each.name.lower() for each in value),
)
def test_each_row_decides(
    name: str, row: Row, taken: dict[Row, dict[str, None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Led to any other state by a row, or to none, a conversation goes otherwise than was reviewed."""
    table = TABLES[name]
    idle = []
    for wrong in (None, *({state for state, _ in table} - {table[row]})):
        with monkeypatch.context() as patched:
            patched.setitem(table, row, wrong)
            if not any(_goes_otherwise(script, patched) for script in taken[row]):
                idle.append(wrong)
    assert idle == ([SAME[row][0]] if row in SAME else [])


def _goes_otherwise(name: str, patched: pytest.MonkeyPatch) -> bool:
    deadlines, on_deadline = 0, Core.on_deadline

    def counted(core: Core, now: Instant) -> tuple[Effect, ...]:
        nonlocal deadlines
        deadlines += 1
        if deadlines > MANY_DEADLINES:
            raise AstrayError
        return on_deadline(core, now)

    with patched.context() as counting:
        counting.setattr(Core, "on_deadline", counted)
        try:
            return play(SCRIPTS[name]) != SCRIPTS[name]
        except (Forbidden, AstrayError, IndexError):  # the last: a history of which nothing can be taken back
            return True
