"""Calls that got no session in the last minutes."""

from collections import Counter, deque
from collections.abc import Callable

from voice_gateway.domain.errors import GatewayError, Refused
from voice_gateway.domain.instant import NS_PER_S, Instant
from voice_gateway.domain.overview.values import RefusalsSeen

WINDOW_MIN = 5
"""Minutes that are counted, the running one among them."""
WINDOW_MS = WINDOW_MIN * 60_000
_NS_PER_MIN = 60 * NS_PER_S


class Refusals:
    """Counts them by minute; reasons and limits are closed sets."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._minutes: deque[tuple[int, Counter[tuple[str, str]]]] = deque(maxlen=WINDOW_MIN)

    def count(self, error: GatewayError) -> None:
        """A call was refused."""
        minute = self._clock() // _NS_PER_MIN
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
        limit = error.limit.value if isinstance(error, Refused) else ""
        self._minutes[-1][1][(error.reason.value, limit)] += 1

    def seen(self, now: Instant) -> tuple[RefusalsSeen, ...]:
        """The most frequent first."""
        total: Counter[tuple[str, str]] = Counter()
        for minute, counts in self._minutes:
            if minute > now // _NS_PER_MIN - WINDOW_MIN:
                total.update(counts)
        return tuple(RefusalsSeen(reason, limit, calls) for (reason, limit), calls in total.most_common())
