"""How long a worker that died waits until it is started again. Pure."""

from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.1
LONGEST_S: Final = 10.0
STEADY_S: Final = 60.0
"""A worker that ran for this time has not died in a row."""


@dataclass(slots=True)
class Backoff:
    """That of one worker."""

    _in_a_row: int = 0

    def after(self, ran_s: float) -> float:
        """The wait after a worker that ran for `ran_s`, in seconds; it doubles with each that dies soon."""
        if ran_s >= STEADY_S:
            self._in_a_row = 0
        wait_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._in_a_row, 30))
        self._in_a_row += 1
        return wait_s
