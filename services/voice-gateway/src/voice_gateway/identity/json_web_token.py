"""Whether a JWT is genuine, and whose it is: a pure function of the token, the issuer's keys and the time.

PyJWT checks the signature alone. The claims are checked here, because the time is an argument and each refusal has its
own words. RFC 8725 has the attacks that this stands against.
"""

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import jwt

from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.identity.identify import KeyUnknown
from voice_gateway.identity.issuer_keys import IssuerKeys
from voice_gateway.identity.settings import JwtSettings
from voice_gateway.identity.shown import is_printable

MAX_TOKEN_CHARS = 8_192
"""gRPC's own soft limit of all metadata is 8 KiB (`grpc.max_metadata_size`); nothing longer is decoded."""
_JWS = jwt.PyJWS()
_MS_PER_S = 1_000


def subject_of(token: str, keys: IssuerKeys, settings: JwtSettings, now_s: float) -> str:
    """The subject of a genuine token.

    Args:
        token: in its compact form, as it came.
        keys: the issuer's, as they are known now.
        settings: what a token must hold.
        now_s: seconds since 1970, UTC.

    Raises:
        KeyUnknown: its key is not among `keys`.
        ClientError: TOKEN_INVALID, saying why; never anything of the token or the key.
    """
    claims = _claims(_signed(token, keys, settings))
    _check_times(claims, now_s, settings.clock_skew_ms / _MS_PER_S)
    if claims.get("iss") != settings.issuer:
        raise _refused("the token is from another issuer")
    if not _audiences(claims) & set(settings.audiences):
        raise _refused("the token is meant for another audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_printable(subject):
        raise _refused("the token has no subject (sub) that can be shown")
    return subject


def _signed(token: str, keys: IssuerKeys, settings: JwtSettings) -> bytes:
    """The payload, once a key of the issuer has been found to have signed it."""
    header = _header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm.lower() == "none":
        raise _refused("the token is not signed")
    if algorithm not in settings.algorithms:
        raise _refused("the token is signed with an algorithm that is not taken here")
    kid = header.get("kid")
    fitting = keys.fitting(kid, algorithm)
    if not fitting:
        told = "the token does not say which key it is signed with" if kid is None else "the token's key is unknown"
        raise KeyUnknown(Reason.TOKEN_INVALID, told)
    for key in fitting:
        try:
            payload: bytes = _JWS.decode_complete(token, key=key.key, algorithms=[algorithm])["payload"]
        except jwt.InvalidTokenError:
            continue
        return payload
    raise _refused("the token's signature is wrong")


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise _refused(f"the token is longer than {MAX_TOKEN_CHARS} characters")
    encoded = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError) as error:
        raise _refused("the token is no JWT") from error
    if not isinstance(header, dict) or not isinstance(header.get("kid", ""), str):
        raise _refused("the token is no JWT")
    if "crit" in header or header.get("b64", True) is not True:
        raise _refused("the token needs extensions (crit) that this server does not know")
    return header


def _claims(payload: bytes) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise _refused("the token's claims are no JSON") from error
    if not isinstance(claims, dict):
        raise _refused("the token's claims are no JSON object")
    return claims


def _check_times(claims: Mapping[str, Any], now_s: float, skew_s: float) -> None:
    """RFC 7519 sections 4.1.4 and 4.1.5; a token without an end would open for ever."""
    if "exp" not in claims:
        raise _refused("the token has no expiry (exp)")
    if now_s - skew_s >= _seconds(claims, "exp"):
        raise _refused("the token has expired")
    if "nbf" in claims and now_s + skew_s < _seconds(claims, "nbf"):
        raise _refused("the token is not valid yet")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    try:
        is_time = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        is_time = False
    if not is_time:
        raise _refused(f"the token's {name} is no time")
    return float(value)


def _audiences(claims: Mapping[str, Any]) -> set[str]:
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    return {name for name in listed if isinstance(name, str)}


def _refused(message: str) -> ClientError:
    return ClientError(Reason.TOKEN_INVALID, message)
