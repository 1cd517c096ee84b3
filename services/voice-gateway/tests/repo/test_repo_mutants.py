"""What `make mutants` keeps and reckons; the mutants themselves need a library that only it installs."""

from pathlib import Path

import pytest
from mutant_records import Place, Results, Verdict, read_accepted, wilson

ENTRY = """
[[accepted]]
module = "turn/keypad.py"
function = "Keypad.pressed"
was = "while a >= b:"
becomes = "while a > b:"
"""
ACCEPTED = Path(__file__).resolve().parents[1] / "accepted_mutants.toml"
CORE = ACCEPTED.parents[1] / "src" / "voice_gateway"


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [(9, 10, 0.596, 0.982), (380, 400, 0.924, 0.967), (0, 0, 0.0, 1.0), (10, 10, 0.722, 1.0)],
)
def test_a_score_has_its_interval(hits: int, tries: int, low: float, high: float) -> None:
    """A sample is told with the range in which the whole may lie, also when nothing survived or was tried."""
    assert [round(bound, 3) for bound in wilson(hits, tries)] == [low, high]


def test_an_accepted_mutant_needs_a_reason(tmp_path: Path) -> None:
    """Nobody takes a mutant off the score without saying why it may survive."""
    file = tmp_path / "accepted.toml"
    file.write_text(ENTRY)
    with pytest.raises(ValueError, match="a reason"):
        read_accepted(file)
    file.write_text(f'{ENTRY}reason = "it is equivalent"\n')
    place = Place("turn/keypad.py", "Keypad.pressed", "while a >= b:", "while a > b:")
    assert read_accepted(file) == {place: "it is equivalent"}


def test_the_accepted_can_be_read() -> None:
    """The list that is committed is well formed, each entry with its reason."""
    assert all(read_accepted(ACCEPTED).values())


def test_the_accepted_are_of_today() -> None:
    """A line that is no longer there has no mutant: its reason would be believed of another one."""
    accepted = read_accepted(ACCEPTED)
    sources = {place.module: " ".join((CORE / place.module).read_text("utf-8").split()) for place in accepted}
    assert not [place for place in accepted if place.was not in sources[place.module]]


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """A killed mutant is not tried again until the core changes, a survivor not until core or tests do."""
    file = tmp_path / "results.jsonl"
    results = Results(file, "core", "tests")
    results.add("killed", Verdict("test_it"))
    results.add("survivor", Verdict(""))

    def known(core: str, tests: str) -> list[Verdict | None]:
        later = Results(file, core, tests)
        return [later.get("killed"), later.get("survivor"), later.get("another")]

    assert known("core", "tests") == [Verdict("test_it"), Verdict(""), None]
    assert known("core", "more tests") == [Verdict("test_it"), None, None]
    assert known("another core", "tests") == [None, None, None]
