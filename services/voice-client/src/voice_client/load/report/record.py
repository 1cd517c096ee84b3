"""A whole command as a value, and as JSON, in which an infinite number or one that is not known is null."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from voice_client.load.echo import Echo
from voice_client.load.gates import Gate
from voice_client.load.knee import Knee
from voice_client.load.scores import Summary

FORMAT: Final = "voice-client load 2"


@dataclass(frozen=True, slots=True)
class Record:
    """What was asked for, and what was measured."""

    began_at: str
    """ISO 8601, UTC."""
    address: str
    door: str
    said: str
    """What callers said, in words."""
    spoken_over_share: float
    floor_ms: float | None
    loop_ms: float
    """The machine's speed."""
    cores: int
    runs: tuple[Summary, ...]
    knee: Knee | None = None
    echo: Echo | None = None
    gates: tuple[Gate, ...] = ()

    @property
    def main(self) -> Summary:
        """The run that is told in full: that of the knee, else the last."""
        at_knee = [run for run in self.runs if self.knee is not None and run.calls == self.knee.calls]
        return at_knee[-1] if at_knee else self.runs[-1]


class RecordError(ValueError):
    """A file that holds no record."""


def to_json(record: Record) -> str:
    """The record as text, for `--json`."""
    plain = {"format": FORMAT, **asdict(record), "main": record.runs.index(record.main)}
    return json.dumps(_finite(plain), indent=1) + "\n"


def from_json(text: str) -> dict[str, Any]:
    """What `to_json` made, as plain values.

    Raises:
        RecordError: the text is none of it.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RecordError("not written by `voice-client load --json` of this version")
    runs, main = found.get("runs"), found.get("main")
    if not (isinstance(runs, list) and isinstance(main, int) and 0 <= main < len(runs)):
        raise RecordError("it has no run")
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
