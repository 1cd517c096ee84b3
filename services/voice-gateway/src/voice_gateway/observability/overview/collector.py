"""Collects what the admin service tells, from what every listener is told. Made only where that service is switched on.

Nothing is computed until somebody asks: a turn of 18 events costs 40 us (2026-11-30, a busy machine).
"""

from collections import deque
from collections.abc import Callable

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend, GatewayError
from voice_gateway.domain.events import DisregardCause, Ended, Event, TurnOutcome, TurnRecord
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.overview.values import LagSeen
from voice_gateway.observability.loop_lag import EVERY_MS, summary
from voice_gateway.observability.overview.addresses import Addresses
from voice_gateway.observability.overview.calls import Calls
from voice_gateway.observability.overview.refusals import Refusals
from voice_gateway.session.ports import Bound

MAX_LAGS = 60_000 // EVERY_MS
"""One minute of them."""
_US_PER_MS = 1_000
_MS_PER_S = 1_000


class Collector:
    """Implements `Telemetry`, `BackendWatch` and `AdmissionWatch`. All that it holds is bounded."""

    def __init__(self, clock: Callable[[], Instant], *, has_text: bool) -> None:
        """Words are kept only if `has_text`."""
        self.calls = Calls(clock, has_text=has_text)
        self.addresses = Addresses(clock)
        self.refusals = Refusals(clock)
        self.cpu_percent = 0.0
        """Of what the process can use, in the last second."""
        self._lags_ms: deque[float] = deque(maxlen=MAX_LAGS)

    # --- the process ---------------------------------------------------------------------------------------------

    def loop_lagged(self, lag_s: float) -> None:
        """Take one measurement of the event loop."""
        self._lags_ms.append(lag_s * _MS_PER_S)

    def loop_lag(self) -> LagSeen | None:
        """How late the event loop was; None before the first measurement."""
        lag = summary(self._lags_ms)
        return None if lag is None else LagSeen(round(lag.p50_ms * _US_PER_MS), round(lag.p99_ms * _US_PER_MS))

    def session_refused(self, error: GatewayError) -> None:
        """See `AdmissionWatch`."""
        self.refusals.count(error)

    # --- sessions ------------------------------------------------------------------------------------------------

    def session_started(self, agreement: Agreement) -> None:
        """See `Telemetry`."""
        self.calls.began(agreement)

    def session_ended(
        self,
        agreement: Agreement,
        outcome: Ended | GatewayError | None,  # noqa: ARG002  of the Protocol
        duration_ms: int,  # noqa: ARG002  of the Protocol
        turns: int,  # noqa: ARG002  of the Protocol
    ) -> None:
        """See `Telemetry`."""
        self.calls.ended(agreement)

    def told(self, agreement: Agreement, event: Event) -> None:
        """See `Telemetry`."""
        self.calls.told(agreement, event)

    def turn_ended(self, agreement: Agreement, record: TurnRecord) -> None:
        """See `Telemetry`. Its report was told when the answer began."""

    def turn_counted(self, agreement: Agreement, turn: TurnId, outcome: TurnOutcome) -> None:
        """See `Telemetry`. Metrics tell of it."""

    def trouble(self, agreement: Agreement, error: GatewayError) -> None:
        """See `Telemetry`. Addresses tell themselves what they do wrong."""

    def silenced(self, agreement: Agreement, after_ms: int) -> None:
        """See `Telemetry`. Metrics tell of it."""

    def disregarded(self, agreement: Agreement, cause: DisregardCause, words: int) -> None:
        """See `Telemetry`. Metrics tell of it."""

    def bound_reached(self, agreement: Agreement, bound: Bound) -> None:
        """See `Telemetry`. Metrics tell of it."""

    # --- backends ------------------------------------------------------------------------------------------------

    def backend_failed(self, backend: Backend, address: str) -> None:
        """See `BackendWatch`."""
        self.addresses.failed(backend, address)

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """See `BackendWatch`."""
        self.addresses.began(backend, address, after_s)

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """See `BackendWatch`. Metrics tell of it."""

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """See `BackendWatch`. It is asked for when somebody looks."""
