"""Several that are told the same, none of which can hurt a call or one another."""

import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError
from voice_gateway.domain.events import DisregardCause, Ended, Event, TurnOutcome, TurnRecord
from voice_gateway.domain.ids import TurnId
from voice_gateway.session.ports import AdmissionWatch, BackendWatch, Bound, Telemetry

_log = logging.getLogger("voice_gateway.observability")
T = TypeVar("T")


class Listeners(Generic[T]):
    """Those who are told. One that fails is told of in the log, once for each kind of failure, and told the next."""

    def __init__(self, *listeners: T) -> None:
        self._listeners = listeners
        self._failed: set[tuple[str, str]] = set()
        """Names of listeners and of their exceptions: as many as the code has."""

    def tell(self, what: Callable[[T], None]) -> None:
        """Tell each of them."""
        for listener in self._listeners:
            try:
                what(listener)
            except Exception as error:  # noqa: BLE001  whoever watches a call must not end it
                self._log_once(listener, error)

    def _log_once(self, listener: T, error: Exception) -> None:
        kind = (type(listener).__name__, type(error).__name__)
        if kind not in self._failed:
            self._failed.add(kind)
            _log.error("listener_failed", extra={"listener": kind[0]}, exc_info=error)


class SharedTelemetry:
    """Implements `Telemetry` by telling several, each of which may fail."""

    def __init__(self, *listeners: Telemetry) -> None:
        self._listeners = Listeners(*listeners)

    def session_started(self, agreement: Agreement) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.session_started(agreement))

    def session_ended(
        self, agreement: Agreement, outcome: Ended | GatewayError | None, duration_ms: int, turns: int
    ) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.session_ended(agreement, outcome, duration_ms, turns))

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.turn_ended(agreement, record))

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: TurnOutcome) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.turn_counted(agreement, turn, outcome))

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.trouble(agreement, error))

    def told(self, agreement: Agreement, event: Event) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.told(agreement, event))

    def silenced(self, agreement: Agreement, after_ms: int) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.silenced(agreement, after_ms))

    def disregarded(self, agreement: Agreement, cause: DisregardCause, words: int) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.disregarded(agreement, cause, words))

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
        """See `Telemetry`."""
        self._listeners.tell(lambda each: each.bound_reached(agreement, bound))


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
