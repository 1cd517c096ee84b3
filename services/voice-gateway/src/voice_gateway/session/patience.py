"""How long recognition may say nothing while somebody speaks, before another stream is tried."""

PATIENCE_MS = 3_000
"""A recogniser shows words a second after they begin; one that shows none for this time is gone, or hears none."""
MAX_PATIENCE_MS = 60_000
"""Music has no words. Patience doubles with every stream that heard none, up to this: longer than the core's
`STEADY_MS`, so that a session which only ever hears music is never given up."""


class Patience:
    """The patience of one session."""

    def __init__(self) -> None:
        self.is_speaking = False
        """Whether somebody speaks now, by the sound."""
        self._stalls = 0
        """Streams in a row that were given up."""

    def within_ms(self) -> int | None:
        """How long recognition may say nothing from now on; None while nobody speaks."""
        return min(PATIENCE_MS << min(self._stalls, 5), MAX_PATIENCE_MS) if self.is_speaking else None

    def answered(self) -> None:
        """Recognition gave a result."""
        self._stalls = 0

    def stalled(self) -> None:
        """A stream was given up."""
        self._stalls += 1
