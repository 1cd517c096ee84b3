"""Who calls, as admission, quotas and logs know it."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

IPV6_PREFIX_BITS = 64
"""One customer's network: the customer may call from any of its addresses (RFC 6177)."""


class Proof(StrEnum):
    """What shows who a caller is."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105  a kind of proof, not a token
    JWT = "jwt"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a call. Holds no secret, so that it may be logged."""

    name: str = ""
    """Stable and safe to show: the subject of a JWT, the name in a certificate, the first letters of a token's hash.
    Empty without proof."""
    proof: Proof = Proof.NONE
    address: str = ""
    """The peer's network address without its port; empty when it has none."""

    @property
    def account(self) -> str:
        """The name under which usage is counted: the proven identity, else the address; for IPv6 its network."""
        if self.name:
            return f"{self.proof}:{self.name}"
        if ":" not in self.address:
            return f"address:{self.address}"
        return f"network:{ipaddress.ip_network((self.address, IPV6_PREFIX_BITS), strict=False)}"


UNKNOWN = Caller()
"""Nothing is known of the caller."""
