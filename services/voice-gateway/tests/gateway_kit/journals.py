"""Journals that tests have written, replayed."""

from dataclasses import replace
from pathlib import Path

from gateway_kit.phone_call import AGREEMENT, at, parse
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.journal.codec import Recording, read
from voice_gateway.session.journal.replay import Replayed, replay
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.turn.core import Core

ORIGIN_MS = 7_000
"""The monotonic clock never begins with the session."""


def read_journal(path: Path) -> Recording:
    """A journal on disk."""
    return read(path.read_bytes().decode("utf-8", "surrogatepass"))


def replay_journal(path: Path) -> Replayed:
    """What a journal on disk replays to."""
    return replay(read_journal(path), Core)


def assert_all_replay(folder: Path) -> None:
    """Every journal in the folder replays to the effects that it has."""
    for path in sorted(folder.iterdir()):
        assert replay_journal(path).difference is None, path.read_text()


def record(folder: Path, script: str, name: str = "s1") -> Path:
    """The journal of a core that was told the facts of a script (`phone_call.py`), one a line; its path."""
    agreement = replace(AGREEMENT, session_id=SessionId(name), policy=TurnPolicy(lead_ms=300))
    core, journal = Core(agreement), JournalFolder(folder, "1.2.3").journal(agreement)
    for line in script.strip().split("\n"):
        until, fact = line.strip().split(" ms: ", 1)
        now = at(ORIGIN_MS + int(until))
        while (deadline := core.deadline()) is not None and deadline <= now:
            journal.record(None, deadline, core.on_deadline(deadline))
        told = parse(fact, int(until))
        journal.record(told, now, core.handle(told, now))
    journal.close()
    return folder / f"{name}.jsonl"
