"""Several that watch backends and refusals, as one."""

from typing import Protocol

from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError
from voice_gateway.observability.listeners import Listeners
from voice_gateway.session.ports import AdmissionWatch, BackendWatch


class ProcessWatch(BackendWatch, AdmissionWatch, Protocol):
    """Watches both."""


class SharedWatch:
    """Implements `BackendWatch` and `AdmissionWatch` by telling several, each of which may fail."""

    def __init__(self, *listeners: ProcessWatch) -> None:
        self._listeners = Listeners(*listeners)

    def session_refused(self, error: GatewayError) -> None:
        """See `AdmissionWatch`."""
        self._listeners.tell(lambda each: each.session_refused(error))

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        self._listeners.tell(lambda each: each.backend_failed(backend, address))

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """See `BackendWatch`."""
        self._listeners.tell(lambda each: each.backend_began(backend, address, after_s))

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """See `BackendWatch`."""
        self._listeners.tell(lambda each: each.backend_skipped(backend, kind))

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """See `BackendWatch`."""
        self._listeners.tell(lambda each: each.backend_seen(backend, status))
