"""Several that watch backends and refusals, as one."""

from typing import Protocol

from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError
from voice_gateway.session.ports import AdmissionWatch, BackendWatch


class ProcessWatch(BackendWatch, AdmissionWatch, Protocol):
    """Watches both."""


class SharedWatch:
    """Implements `BackendWatch` and `AdmissionWatch` by telling several."""

    def __init__(self, *watches: ProcessWatch) -> None:
        self._watches = watches

    def session_refused(self, error: GatewayError) -> None:
        """See `AdmissionWatch`."""
        for watch in self._watches:
            watch.session_refused(error)

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        for watch in self._watches:
            watch.backend_failed(backend, address)

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """See `BackendWatch`."""
        for watch in self._watches:
            watch.backend_began(backend, address, after_s)

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """See `BackendWatch`."""
        for watch in self._watches:
            watch.backend_skipped(backend, kind)

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """See `BackendWatch`."""
        for watch in self._watches:
            watch.backend_seen(backend, status)
