"""Public keys of an issuer: a JSON Web Key Set (RFC 7517), read once and kept ready for use."""

import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MAX_KEYS = 100
"""Issuers have two to ten."""
MIN_RSA_BITS = 2_048
"""RFC 7518 section 3.3."""
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a key that anybody could sign with (RFC 7518 section 6)."""
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key.

    Attributes:
        kid: its name; empty: it has none.
        algorithms: those that it may be used with.
    """

    kid: str
    algorithms: frozenset[str]
    key: PublicKey


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """All that an issuer signs with now."""

    keys: tuple[IssuerKey, ...]

    def fitting(self, kid: str | None, algorithm: str) -> tuple[IssuerKey, ...]:
        """Keys of that name for that algorithm; without a name, the one key for it if there is exactly one."""
        able = tuple(key for key in self.keys if algorithm in key.algorithms)
        if kid is None:
            return able if len(able) == 1 else ()
        return tuple(key for key in able if key.kid == kid)


def read_keys(raw: bytes) -> IssuerKeys:
    """The usable keys of a key set; those of other kinds, which an issuer may list beside them, are left out.

    Raises:
        ValueError: says what is wrong with it, without quoting it.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("must be a JSON Web Key Set: it is no JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"must be a JSON Web Key Set: an object with a list `keys` of at most {MAX_KEYS}")
    keys = tuple(key for key in map(_read_key, listed) if key is not None)
    if not keys:
        raise ValueError("must be a JSON Web Key Set with a public key for signatures: RSA, EC or Ed25519")
    return IssuerKeys(keys)


def _read_key(item: object) -> IssuerKey | None:
    if not isinstance(item, dict) or item.keys() & _PRIVATE or not _is_for_signatures(item):
        return None
    able = _able(item)
    if not able or not isinstance(item.get("kid", ""), str):
        return None
    try:
        key: Any = jwt.PyJWK(item, algorithm=min(able)).key
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        return None
    named = item.get("alg")
    usable = able if named is None else frozenset(algorithm for algorithm in able if algorithm == named)
    return IssuerKey(item.get("kid", ""), usable, key) if usable else None


def _is_for_signatures(item: dict[str, Any]) -> bool:
    operations = item.get("key_ops")
    return item.get("use", "sig") == "sig" and (not isinstance(operations, list) or "verify" in operations)


def _able(item: dict[str, Any]) -> frozenset[str]:
    """What a key of that type can be used with; nothing: no signatures that are known here."""
    match item.get("kty"), item.get("crv"):
        case "RSA", _:
            return _RSA
        case "EC", str(curve) if curve in _CURVES:
            return frozenset({_CURVES[curve]})
        case "OKP", "Ed25519":
            return frozenset({"EdDSA"})
    return frozenset()
