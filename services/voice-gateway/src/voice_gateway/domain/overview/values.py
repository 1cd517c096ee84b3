"""What one gateway does now, for whoever watches it."""

from dataclasses import dataclass
from enum import StrEnum

from voice_gateway.domain.backend_status import AddressStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.events import LatencySpan

MAX_CALLS = 200
"""Calls that are shown, more than a screen has lines for: with words and long turns 3 kB each, and gRPC's clients take
4 MB."""


class FloorSeen(StrEnum):
    """Who has the floor, as far as what the client was told shows it."""

    NOBODY = "nobody"
    USER = "user"
    AGENT = "agent"
    CONTESTED = "contested"
    """The user speaks over a reply, or it is held because somebody may."""


@dataclass(frozen=True, slots=True)
class TurnSeen:
    """Where the time of one answered turn went."""

    session_id: str
    turn: int
    ago_ms: int
    """Since its answer began."""
    total_ms: int
    spans: tuple[LatencySpan, ...]


@dataclass(frozen=True, slots=True)
class CallSeen:
    """One call in progress."""

    session_id: str
    transport: str
    account: str
    client_label: str
    age_ms: int
    floor: FloorSeen
    turns: int
    """Turns that were answered."""
    last_turn: TurnSeen | None
    user_text: str = ""
    """What the user said last; empty unless text may be told."""
    agent_text: str = ""
    """What the agent said last; as that of the user."""


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """One address of a backend: its state, and how its last calls did."""

    status: AddressStatus
    failures: int
    """Of calls and health checks, since the process began."""
    first_outputs: int
    """Calls that the two percentiles are of."""
    first_output_p50_ms: int
    """0 without any call."""
    first_output_p95_ms: int


@dataclass(frozen=True, slots=True)
class BackendSeen:
    """One backend."""

    backend: Backend
    is_healthy: bool
    addresses: tuple[AddressSeen, ...]


@dataclass(frozen=True, slots=True)
class RefusalsSeen:
    """Calls that got no session, of one kind."""

    reason: str
    limit: str
    """Which limit of admission it was; empty: none."""
    calls: int


@dataclass(frozen=True, slots=True)
class LagSeen:
    """How late the event loop was in the last minute."""

    p50_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One of several processes that serve the ports together."""

    index: int
    has_answered: bool
    """If not, nothing else is known of it."""
    sessions: int = 0
    capacity: int = 0
    fullness_ratio: float = 0.0
    cpu_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """What one gateway does now."""

    version: str
    uptime_ms: int
    is_ready: bool
    is_draining: bool
    sessions: int
    capacity: int
    fullness_ratio: float
    """0 to 1; 1 while newcomers are refused."""
    calls: tuple[CallSeen, ...]
    """The oldest first."""
    turns: tuple[TurnSeen, ...]
    """The newest first."""
    backends: tuple[BackendSeen, ...]
    refusals: tuple[RefusalsSeen, ...]
    """The most frequent first."""
    refusals_window_ms: int
    loop_lag: LagSeen | None
    """None before the first measurement."""
    cpu_percent: float
    """Of what the process can use, in the last second."""
    resident_bytes: int
    """0: the system does not tell."""
    workers: tuple[WorkerSeen, ...] = ()
    """Empty: there is one process."""
