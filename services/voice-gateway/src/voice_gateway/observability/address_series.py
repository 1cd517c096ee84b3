"""Series of metrics whose labels are a backend and an address: as many as are kept, the oldest go first."""

from typing import Any

from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend

MAX_ADDRESSES = 200
"""Addresses whose series are kept. Every rollout of a backend brings new ones, and what failed is seen only if its
series outlives it."""


class AddressSeries:
    """The series of some metrics of the client library, together."""

    def __init__(self, *families: Any) -> None:
        """`families` have the labels backend and address."""
        self._families = families
        self._kept: dict[tuple[str, str], None] = {}
        """Backend and address, those that were told of or listed last at the end."""
        self._listed: dict[Backend, frozenset[str]] = {}
        """The addresses that each backend has."""

    def of(self, family: Any, backend: Backend, address: str) -> Any:
        """The series of one metric."""
        key = (backend.value, address)
        self._kept.pop(key, None)
        self._kept[key] = None
        return family.labels(*key)

    def seen(self, backend: Backend, status: BackendStatus) -> frozenset[str]:
        """What is listed has its series, so that the first failure is seen to rise; of the rest the oldest go.

        Returns the addresses that were listed before and are no more.
        """
        for each in status.addresses:
            for family in self._families:
                self.of(family, backend, each.address)
        before, self._listed[backend] = (
            self._listed.get(backend, frozenset()),
            frozenset(each.address for each in status.addresses),
        )
        while len(self._kept) > max(MAX_ADDRESSES, sum(map(len, self._listed.values()))):
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            for family in self._families:
                family.remove(*oldest)
        return before - self._listed[backend]
