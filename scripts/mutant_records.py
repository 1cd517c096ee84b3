"""What is known of mutants: those that are accepted, each with its reason, and what earlier runs found."""

import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

_Z95 = 1.959964
"""Standard deviations of a normal distribution within which 95 % of it lie."""


class Place(NamedTuple):
    """Where a mutant is and what it changes, without line numbers, so that it is found again when lines move."""

    module: str
    """Below `voice_gateway`: `turn/user/keypad.py`."""
    function: str
    """Its qualified name: `Keypad.pressed`."""
    was: str
    """The lines that are changed, each run of white space one space."""
    becomes: str


def read_accepted(file: Path) -> dict[Place, str]:
    """Mutants that may survive, and why.

    Raises:
        ValueError: one has no reason or lacks a key.
    """
    accepted = {}
    for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("accepted", []):
        if not entry.get("reason") or not set(Place._fields) <= entry.keys():
            raise ValueError(f"{file.name}: an entry needs {', '.join(Place._fields)} and a reason: {entry}")
        accepted[Place(*(entry[name] for name in Place._fields))] = entry["reason"]
    return accepted


def digest(files: Iterable[Path]) -> str:
    """One name for what all of these files say."""
    whole = sha256()
    for file in sorted(files):
        whole.update(f"{file.name}\0".encode() + file.read_bytes())
    return whole.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one mutant."""

    killer: str
    """The test that failed, or that it hung or crashed; empty: it survived."""


class Results:
    """Verdicts of this run and of earlier ones, kept in a file of JSON lines.

    A killed mutant stays killed while the core is as it was; a survivor is tried again when the tests have changed.
    """

    def __init__(self, file: Path, core: str, tests: str) -> None:
        """`core` and `tests`: digests of their sources."""
        self._file = file
        self._core, self._tests = core, tests
        self._known: dict[str, Verdict] = {}
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        for entry in map(json.loads, lines):
            if entry["core"] == core and (entry["killer"] or entry["tests"] == tests):
                self._known[entry["mutant"]] = Verdict(entry["killer"])

    def get(self, mutant: str) -> Verdict | None:
        """What is known of a mutant, by its name."""
        return self._known.get(mutant)

    def add(self, mutant: str, verdict: Verdict) -> None:
        """Keep a verdict, also if this process ends at once."""
        self._known[mutant] = verdict
        entry = {"mutant": mutant, "core": self._core, "tests": self._tests, "killer": verdict.killer}
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry) + "\n")


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """The 95 % interval of a share, from 0 to 1, of which a sample had `hits` of `tries` (Wilson 1927)."""
    if not tries:
        return 0.0, 1.0
    share, z2 = hits / tries, _Z95**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = _Z95 / (1 + z2 / tries) * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2))
    return max(0.0, middle - half), min(1.0, middle + half)
