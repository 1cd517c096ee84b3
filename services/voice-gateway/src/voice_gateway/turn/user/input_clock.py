"""The client's clock against ours: when input was spoken, and whether that was live."""

from voice_gateway.domain.instant import NS_PER_MS, Instant, samples_to_ns

JUMP_MS = 1_000
"""A clock that gains this much between two facts was set, or its audio was pushed. Less is jitter of the network."""


class InputClock:
    """Reckons from the newest fact that told how much input had been received.

    Input is live, unless it came faster than real time: a backlog begins when input has gained 500 ms on real time, and
    ends when for 500 ms it has gained nothing more and the tape has held less than 500 ms unsent; what lies before that
    point is not live. `session/backlog.py` measures it. Liveness belongs to the audio: words of a backlog that are told
    of after its end are not live.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._newest = (Instant(0), 0)
        """An instant, and how much input had been received by then."""
        self._before_jump: tuple[Instant, int] | None = None
        """The last such pair before the clock jumped."""
        self._is_catching_up = False
        self._live_after = -1
        """The last position that is known not to be live."""

    def told(self, received_samples: int, now: Instant) -> None:
        """Input has been received up to `received_samples` by now."""
        at, received = self._newest
        gained_ns = samples_to_ns(received_samples - received, self._rate_hz) - (now - at)
        if gained_ns >= JUMP_MS * NS_PER_MS:
            self._before_jump = self._newest
        self._newest = now, received_samples

    def backlog_began(self) -> None:
        """Input comes faster than real time."""
        self._is_catching_up = True

    def caught_up(self, at_samples: int) -> None:
        """What lies after this position comes in real time."""
        self._is_catching_up, self._live_after = False, at_samples

    def is_live(self, samples: int) -> bool:
        """Whether input at this position came in real time."""
        return samples > self._live_after and not self._is_catching_up

    def instant_of(self, samples: int) -> Instant:
        """When live input at this position was spoken, at the latest."""
        spoken = self._reckoned(samples, self._newest)
        if self._before_jump is None:
            return spoken
        if samples <= self._before_jump[1]:
            return self._reckoned(samples, self._before_jump)
        return max(spoken, self._before_jump[0])

    def _reckoned(self, samples: int, pair: tuple[Instant, int]) -> Instant:
        at, received = pair
        return Instant(at - samples_to_ns(received - samples, self._rate_hz))
