"""What this room asks of the outside."""

from typing import Protocol


class IssuerAway(Exception):  # noqa: N818  said as the fact it is
    """The issuer's keys could not be fetched; says why, for the log."""


class KeysPage(Protocol):
    """Where an issuer publishes its keys."""

    async def fetch(self) -> bytes:
        """The key set as it is published now: bounded in size and time. Raises IssuerAway."""

    async def close(self) -> None:
        """Close its connections, once nothing is being fetched."""
