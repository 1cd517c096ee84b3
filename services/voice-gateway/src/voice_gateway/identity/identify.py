"""Who calls: a pure function of what was shown and of what is known, to a `Caller` or a typed refusal.

Knows no wire, no file and no clock; each transport says what was shown in the words of `shown.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.identity.settings import IdentitySettings
from voice_gateway.identity.shown import PeerCertificate, Shown, caller_address, is_uri
from voice_gateway.identity.tokens import TokenHashes

_SCHEME = "bearer "
_DOTS_OF_A_JWT = 2


class KeyUnknown(ClientError):  # noqa: N818  said as the fact it is
    """The issuer of a JWT may have a new key that has not been read yet."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at this moment.

    Attributes:
        tokens: from the settings and from the file.
        subject_of: gives the subject of a genuine JWT or raises ClientError; None: JWTs do not open.
    """

    settings: IdentitySettings
    tokens: tuple[TokenHashes, ...] = ()
    subject_of: Callable[[str], str] | None = None


def identify(shown: Shown, known: Known) -> Caller:
    """Who calls.

    The name is that of the bearer, if one is asked for: a certificate may be that of a proxy for many.

    Raises:
        ClientError: TOKEN_INVALID, or CALLER_NOT_ALLOWED for a certificate of nobody who may call.
    """
    address = caller_address(shown, known.settings.trusted_proxies)
    certified = _certified(shown.certificate, known.settings) if known.settings.asks_certificate else ""
    if known.settings.asks_bearer:
        name, proof = _borne(shown.authorization, known)
        return Caller(name, proof, address)
    if known.settings.asks_certificate:
        return Caller(certified, Proof.CERTIFICATE, address)
    return Caller(address=address)


def _certified(certificate: PeerCertificate | None, settings: IdentitySettings) -> str:
    """The name that opens, or the certificate's first where any does; empty where it holds none."""
    if certificate is None:
        raise ClientError(Reason.CALLER_NOT_ALLOWED, "show a client certificate")
    names = certificate.names()
    if not settings.certificate_names:
        return next(iter(names), "")
    # a DNS name means the same in any case, and an operator writes it in any
    written = settings.certificate_names
    allowed = {*written, *(name.lower() for name in written if not is_uri(name))}
    for name in names:
        if name in allowed:
            return name
    raise ClientError(Reason.CALLER_NOT_ALLOWED, "the client certificate holds no name that may call")


def _borne(authorization: str | None, known: Known) -> tuple[str, Proof]:
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise ClientError(Reason.TOKEN_INVALID, "show a token: authorization: Bearer ...")
    bearer = authorization[len(_SCHEME) :].strip()
    for tokens in known.tokens:
        if name := tokens.name_of(bearer):
            return name, Proof.TOKEN
    if known.subject_of is None or bearer.count(".") != _DOTS_OF_A_JWT:
        raise ClientError(Reason.TOKEN_INVALID, "the token is unknown")
    return known.subject_of(bearer), Proof.JWT
