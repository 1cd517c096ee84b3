"""Who may come in, as configured."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

ASYMMETRIC = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""Signatures that are checked with a public key (RFC 7518 section 3.1, RFC 8037). HMAC is not among them: who can check
it can make it, and a public key that is taken for its secret opens to everybody (RFC 8725 section 2.1)."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the server shows its clients, and whose certificates it takes from them."""

    cert: Path
    key: Path
    client_ca: Path | None = None
    """None: clients show no certificate."""


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """Which JWTs open."""

    jwks: str | Path
    """Where the issuer's public keys are: a URL or a file."""
    issuer: str
    audiences: tuple[str, ...]
    """A token must be meant for one of them."""
    clock_skew_ms: int = 30_000
    algorithms: tuple[str, ...] = ASYMMETRIC


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What callers are asked for. Each of the two kinds, a bearer and a certificate, is asked for if it is set."""

    tokens: tuple[str, ...] = ()
    tokens_file: Path | None = None
    """Its tokens open beside `tokens`."""
    jwt: JwtSettings | None = None
    asks_certificate: bool = False
    """TLS has let in only those whose certificate the client CA signed."""
    certificate_names: tuple[str, ...] = ()
    """Names of which a certificate must hold one; empty: any that the CA signed."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Peers whose word about their own peer is taken."""

    @property
    def asks_bearer(self) -> bool:
        """Whether a token or a JWT is asked for; never a matter of what a file holds now."""
        return bool(self.tokens or self.tokens_file or self.jwt)
