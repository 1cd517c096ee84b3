"""When a pod says it is ready. Pure: the instant is an argument.

Ready once every required backend has answered once since start. After that unready only while draining, or when a
backend has had no healthy address for `BLIP_MS` as this pod sees it. Liveness is another question with another
answer: the process serves, so it lives.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, ms_between

BLIP_MS = 30_000
"""A backend may be without a healthy address for so long before the pod turns unready: all pods share their backends,
and a blip must not empty the Service."""


@dataclass(slots=True)
class _Seen:
    has_answered: bool = False
    unhealthy_since: Instant | None = None


class Readiness:
    """The readiness of one process."""

    def __init__(self, required: Iterable[Backend]) -> None:
        self._seen = {backend: _Seen() for backend in required}
        self._is_draining = False

    def observe(self, backend: Backend, *, is_healthy: bool, now: Instant) -> None:
        """Take what a probe of a required backend found."""
        seen = self._seen[backend]
        if is_healthy:
            seen.has_answered, seen.unhealthy_since = True, None
        elif seen.unhealthy_since is None:
            seen.unhealthy_since = now

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
        return not self._is_draining and not self.missing(now)


def _is_good(seen: _Seen, now: Instant) -> bool:
    if not seen.has_answered:
        return False
    return seen.unhealthy_since is None or ms_between(seen.unhealthy_since, now) < BLIP_MS
