"""The three machines: every pair is decided, and a forbidden one is a typed error that changes nothing."""

from enum import Enum
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn import tables
from voice_gateway.turn.tables import FLOOR, LISTENING, REPLY, Forbidden, Machine

MACHINES: list[tuple[dict[Any, Any], type[Enum], type[Enum]]] = [
    (FLOOR, tables.Floor, tables.FloorEvent),
    (REPLY, tables.ReplyState, tables.ReplyEvent),
    (LISTENING, tables.Listening, tables.ListeningEvent),
]


@pytest.mark.parametrize(("table", "states", "happenings"), MACHINES)
def test_every_pair_is_decided(table: dict[Any, Any], states: type[Enum], happenings: type[Enum]) -> None:
    """No (state, event) pair is left to chance: the table is the whole product, and nothing more."""
    assert set(table) == set(product(states, happenings))
    assert set(table.values()) - {None} <= set(states)


@given(machine=st.sampled_from(MACHINES), data=st.data())
def test_a_machine_moves_by_its_table_or_not_at_all(machine: Any, data: st.DataObject) -> None:
    """Any event in any state gives the table's next state, or Forbidden with the state unchanged."""
    table, states, happenings = machine
    state, event = data.draw(st.sampled_from(list(states))), data.draw(st.sampled_from(list(happenings)))
    moving: Machine[Any, Any] = Machine(table, state)
    if table[state, event] is None:
        with pytest.raises(Forbidden):
            moving.move(event)
        assert moving.state is state
    else:
        moving.move(event)
        assert moving.state is table[state, event]


def test_what_was_forbidden_is_named() -> None:
    """Whoever reads the log of such a fault sees what happened, and in which state."""
    with pytest.raises(Forbidden, match=r"^FloorEvent\.RESUMED in Floor\.NOBODY$"):
        Machine(FLOOR, tables.Floor.NOBODY).move(tables.FloorEvent.RESUMED)
