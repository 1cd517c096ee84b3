"""What is known of a backend's addresses, for whoever watches."""

from dataclasses import dataclass
from enum import StrEnum


class AddressState(StrEnum):
    """What is known of an address."""

    NEW = "new"
    """It has neither answered yet nor failed so often that it is ejected."""
    HEALTHY = "healthy"
    EJECTED = "ejected"
    """It failed too often in a row: new calls go elsewhere until a health check succeeds."""


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """One address."""

    address: str
    """IP address and port."""
    name: str
    """The `host:port` of the setting that resolved to it."""
    state: AddressState
    calls: int
    """Calls in progress."""
    is_leaving: bool
    """Its name no longer resolves to it: it finishes its calls and gets no others."""
    check_in_ms: int | None
    """Time until the next health check; None while one runs, or when the address is leaving."""
    cause: str
    """Why it failed last; empty if it has not failed since it last answered."""
    failed_ago_ms: int | None


@dataclass(frozen=True, slots=True)
class NameStatus:
    """A name that cannot be resolved now; addresses that it had are kept."""

    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What is known of one backend."""

    addresses: tuple[AddressStatus, ...]
    unresolved: tuple[NameStatus, ...]
