"""How the last calls to each address of a backend did."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from voice_gateway.domain.backend_status import AddressStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.domain.overview.values import AddressSeen
from voice_gateway.observability.loop_lag import percentile

MAX_ADDRESSES = 200
"""Addresses that are remembered, those that did something last; every rollout of a backend brings new ones."""
MAX_OUTPUTS = 100
"""First outputs of an address that are kept."""
WINDOW_MS = 300_000
"""Older ones say nothing of now: an address that is spared since it was slow may have recovered."""
_MS_PER_S = 1_000


@dataclass(slots=True)
class _Record:
    first_outputs: deque[tuple[Instant, float]] = field(default_factory=lambda: deque(maxlen=MAX_OUTPUTS))
    failures: int = 0


class Addresses:
    """What is remembered of addresses."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._records: dict[tuple[Backend, str], _Record] = {}
        """Those that did something last at the end."""

    def failed(self, backend: Backend, address: str) -> None:
        """A call or a health check failed."""
        self._of(backend, address).failures += 1

    def began(self, backend: Backend, address: str, after_s: float) -> None:
        """A call had its first output."""
        self._of(backend, address).first_outputs.append((self._clock(), after_s))

    def seen(self, backend: Backend, status: AddressStatus) -> AddressSeen:
        """An address as it is now."""
        record = self._records.get((backend, status.address)) or _Record()
        now = self._clock()
        ordered = sorted(after_s for at, after_s in record.first_outputs if ms_between(at, now) <= WINDOW_MS)
        p50_ms, p95_ms = (round(percentile(ordered, each) * _MS_PER_S) if ordered else 0 for each in (50, 95))
        return AddressSeen(status, record.failures, len(ordered), p50_ms, p95_ms)

    def _of(self, backend: Backend, address: str) -> _Record:
        key = (backend, address)
        record = self._records.pop(key, None) or _Record()
        self._records[key] = record
        if len(self._records) > MAX_ADDRESSES:
            del self._records[next(iter(self._records))]
        return record
