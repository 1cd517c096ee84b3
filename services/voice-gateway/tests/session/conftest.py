"""Fixtures of the session tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_kit.journals import assert_all_replay
from gateway_kit.session_world import World
from voice_gateway.session.journal.writer import JournalFolder


@pytest.fixture
def every_session_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each session keeps a journal, and each journal replays to the same effects."""
    monkeypatch.setattr(World, "journals", JournalFolder(tmp_path, "0.0.0"))
    yield
    assert_all_replay(tmp_path)
