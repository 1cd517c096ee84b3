"""Who calls, as admission, quotas and logs know it."""

from dataclasses import dataclass
from enum import StrEnum


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
        """Under what name usage is counted: the proven identity, else the address."""
        return f"{self.proof}:{self.name}" if self.name else f"address:{self.address}"


UNKNOWN = Caller()
"""Nobody said anything about the caller."""
