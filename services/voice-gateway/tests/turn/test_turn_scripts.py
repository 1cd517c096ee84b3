"""Golden scripts: what the core does, readable as a phone call. `UPDATE_SCRIPTS=1` writes them anew, for review."""

import os
from pathlib import Path

import pytest
from gateway_kit.contract import assert_kept
from gateway_kit.phone_call import batches, play

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script(script: Path) -> None:
    """A conversation goes as it was reviewed, effect by effect."""
    text = script.read_text()
    played = play(text)
    if os.environ.get("UPDATE_SCRIPTS"):
        script.write_text(played)
    assert played == text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_keeps_the_contract(script: Path) -> None:
    """The shell performs a batch as it comes: what a core drains is in the order that `effects.py` promises."""
    assert_kept(batches(script.read_text()))


def test_there_are_scripts() -> None:
    """The folder of scripts is found: an empty parametrisation would pass in silence."""
    assert len(SCRIPTS) >= 20
