"""A plugin of pytest that keeps the journals of a suite, with every effect in full in place of its fingerprint.

It works with the code of 8881cd2, where this file does not exist and journals are written by `session/journal.py`:

    cd WORKTREE_OF_8881CD2
    FULL_JOURNALS=/tmp/journals PYTHONPATH=THIS_REPOSITORY/accept .venv/bin/pytest -p full_journals \
        services/voice-gateway/tests/session services/voice-gateway/tests/e2e

Each journal is then in the folder FULL_JOURNALS, named after its test.
"""

import json
import os
import re
from collections import defaultdict
from dataclasses import fields
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest

LONGEST_NAME = 150


def named(value: Any) -> dict[str, Any]:
    """A dataclass as JSON has it, with the name of its class under the empty key."""
    return {"": type(value).__name__, **{spec.name: getattr(value, spec.name) for spec in fields(value)}}


def in_full(journal: str, batches: list[Any]) -> str:
    """The whole lines of a journal, if it has any; those of calls have their effects from `batches`."""
    *lines, _ = journal.split("\n")
    calls = zip(lines[1:], batches, strict=False)
    told = (json.dumps({**json.loads(line), "effects": batch}, default=named) for line, batch in calls)
    return "".join(f"{line}\n" for line in (*lines[:1], *told))


@pytest.fixture(autouse=True)
def keep_journals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each journal that the test closes."""
    folder = Path(os.environ["FULL_JOURNALS"])
    kind: Any = import_module("voice_gateway.session.journal").Journal
    record, close = kind.record, kind.close
    batches: defaultdict[int, list[Any]] = defaultdict(list)

    def recorded(journal: Any, fact: Any, now: Any, batch: Any) -> None:
        batches[id(journal)].append(batch)
        record(journal, fact, now, batch)

    def closed(journal: Any) -> None:
        close(journal)
        path = journal._path  # noqa: SLF001  a plugin that must work with older code, too
        told = path.read_text("utf-8", "surrogatepass") if path.exists() else ""
        if full := in_full(told, batches.pop(id(journal), [])):
            name = re.sub(r"[^\w.,=-]+", "-", f"{request.node.path.stem}.{request.node.name}")[:LONGEST_NAME]
            kept = next(each for number in count(1) if not (each := folder / f"{name}.{number}.jsonl").exists())
            kept.write_text(full)

    monkeypatch.setattr(kind, "record", recorded)
    monkeypatch.setattr(kind, "close", closed)
