"""A `BackendWatch` that keeps what it is told."""

from dataclasses import dataclass, field

from voice_gateway.domain.backend_status import BackendStatus
from voice_gateway.domain.errors import Backend


@dataclass
class FakeWatch:
    """Each list in the order in which it was told."""

    failures: list[tuple[Backend, str]] = field(default_factory=list)
    skipped: list[tuple[Backend, str]] = field(default_factory=list)
    began: list[tuple[Backend, str, float]] = field(default_factory=list)
    seen: list[tuple[Backend, BackendStatus]] = field(default_factory=list)

    def backend_failed(self, backend: Backend, address: str) -> None:
        """Keep."""
        self.failures.append((backend, address))

    def backend_began(self, backend: Backend, address: str, after_s: float) -> None:
        """Keep."""
        self.began.append((backend, address, after_s))

    def backend_skipped(self, backend: Backend, kind: str) -> None:
        """Keep."""
        self.skipped.append((backend, kind))

    def backend_seen(self, backend: Backend, status: BackendStatus) -> None:
        """Keep."""
        self.seen.append((backend, status))
