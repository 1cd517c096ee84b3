"""When a pod says it is ready. Pure: the instant is an argument.

Ready once every required backend has answered once since start. After that unready only while draining, when a
backend has had no healthy address for `BLIP_MS` as this pod sees it, or, if that is wished, while it is full. Liveness
is another question with another answer: the process serves, so it lives.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, ms_between

BLIP_MS = 30_000
"""A backend may be without a healthy address for this time before the pod turns unready: all pods share their
backends, and a blip must not empty the Service."""


FULL_AGAIN_BELOW = 0.9
"""Fullness, 0 to 1: a pod that turned unready because it was full is ready again when it stays below this."""
ROOM_MS = 5_000
"""How long it must stay below `FULL_AGAIN_BELOW`: otherwise its readiness would come and go with each call."""


@dataclass(slots=True)
class _Seen:
    has_answered: bool = False
    unhealthy_since: Instant | None = None


class Readiness:
    """The readiness of one process."""

    def __init__(self, required: Iterable[Backend], *, unready_when_full: bool = False) -> None:
        """Wait for these backends.

        Args:
            required: the pod is unready without them.
            unready_when_full: a full pod is unready, so that a Service sends newcomers to others. Where all are full
                that leaves an empty Service, which refuses connections instead of saying why.
        """
        self._seen = {backend: _Seen() for backend in required}
        self._is_draining = False
        self._unready_when_full = unready_when_full
        self._is_full = False
        self._room_since: Instant | None = None

    def observe(self, backend: Backend, *, is_healthy: bool, now: Instant) -> None:
        """Take what a probe of a required backend found."""
        seen = self._seen[backend]
        if is_healthy:
            seen.has_answered, seen.unhealthy_since = True, None
        elif seen.unhealthy_since is None:
            seen.unhealthy_since = now

    def observe_fullness(self, fullness: float, now: Instant) -> None:
        """Take how full the process is, 0 to 1; at 1 it refuses newcomers."""
        if fullness >= 1:
            self._is_full = True
        if fullness >= FULL_AGAIN_BELOW:
            self._room_since = None
            return
        self._room_since = now if self._room_since is None else self._room_since
        if ms_between(self._room_since, now) >= ROOM_MS:
            self._is_full = False

    @property
    def is_kept_away(self) -> bool:
        """Whether the pod is unready because it is, or was a moment ago, full."""
        return self._unready_when_full and self._is_full

    def drain(self) -> None:
        """Unready from now on, for good."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        """True after `drain`."""
        return self._is_draining

    def missing(self, now: Instant) -> tuple[Backend, ...]:
        """The backends for which the pod is unready, in the order they were named."""
        return tuple(backend for backend, seen in self._seen.items() if not _is_good(seen, now))

    def is_ready(self, now: Instant) -> bool:
        """Whether new sessions should be sent here."""
        return not (self._is_draining or self.is_kept_away or self.missing(now))


def _is_good(seen: _Seen, now: Instant) -> bool:
    if not seen.has_answered:
        return False
    return seen.unhealthy_since is None or ms_between(seen.unhealthy_since, now) < BLIP_MS
