"""Settings of who may call."""

from pathlib import Path

from voice_gateway.config.reader import Reader, Section
from voice_gateway.config.server import GRPC_TLS_CLIENT_CA
from voice_gateway.identity.settings import ASYMMETRIC, IdentitySettings, JwtSettings, TlsFiles
from voice_gateway.identity.tokens import read_token_file
from voice_gateway.setting_kinds import (
    choices,
    file,
    integer,
    keys,
    names,
    networks,
    text,
    web_address_or_file,
)

AUTH_TOKENS = keys("AUTH_TOKENS", "bearer tokens that open; with none, no JWKS and no client CA, anyone may call")
AUTH_TOKENS_FILE = file(
    "AUTH_TOKENS_FILE", "file with further such tokens, by commas or one a line; read anew when it changes"
)
JWT_JWKS = web_address_or_file(
    "JWT_JWKS", "the public keys (JWKS) of the issuer whose JWTs open; both are read anew as they change"
)
JWT_ISSUER = text("JWT_ISSUER", "", "issuer (`iss`) that a JWT must name", default_note="none")
JWT_AUDIENCE = names("JWT_AUDIENCE", "audiences (`aud`) of which a JWT must name one")
JWT_CLOCK_SKEW_MS = integer(
    "JWT_CLOCK_SKEW_MS", 30_000, (0, 600_000), "ms", "how far the issuer's clock may be from this one"
)
JWT_ALGORITHMS = choices("JWT_ALGORITHMS", ASYMMETRIC, "signatures that are taken")
GRPC_TLS_CLIENT_NAMES = names(
    "GRPC_TLS_CLIENT_NAMES",
    "names (URI or DNS; common name where there is neither) of which a client's certificate must hold one",
    default_note="any that the client CA signed",
)
TRUSTED_PROXIES = networks(
    "TRUSTED_PROXIES", "peers that say truly, in x-forwarded-for, whom they speak for; of others it is not looked at"
)

SECTIONS = (
    Section(
        "Callers",
        (
            AUTH_TOKENS,
            AUTH_TOKENS_FILE,
            JWT_JWKS,
            JWT_ISSUER,
            JWT_AUDIENCE,
            JWT_CLOCK_SKEW_MS,
            JWT_ALGORITHMS,
            GRPC_TLS_CLIENT_NAMES,
            TRUSTED_PROXIES,
        ),
    ),
)


def read_identity(reader: Reader, tls: TlsFiles | None) -> IdentitySettings:
    asks_certificate = tls is not None and tls.client_ca is not None
    client_names = reader.read(GRPC_TLS_CLIENT_NAMES)
    if client_names and not reader.raw(GRPC_TLS_CLIENT_CA):
        reader.mistakes.append(f"{GRPC_TLS_CLIENT_NAMES.name} is set, but {GRPC_TLS_CLIENT_CA.name} is not")
    return IdentitySettings(
        tokens=reader.read(AUTH_TOKENS),
        tokens_file=_read_tokens_file(reader),
        jwt=_read_jwt(reader),
        asks_certificate=asks_certificate,
        certificate_names=client_names,
        trusted_proxies=reader.read(TRUSTED_PROXIES),
    )


def _read_tokens_file(reader: Reader) -> Path | None:
    path = reader.read(AUTH_TOKENS_FILE)
    if path is None:
        return None
    try:
        read_token_file(path.read_bytes())
    except ValueError as error:
        reader.mistakes.append(f"{AUTH_TOKENS_FILE.name} {error}: {path}")
    return path


def _read_jwt(reader: Reader) -> JwtSettings | None:
    mistakes = len(reader.mistakes)
    jwks, issuer, audiences = reader.read(JWT_JWKS), reader.read(JWT_ISSUER), reader.read(JWT_AUDIENCE)
    skew_ms, algorithms = reader.read(JWT_CLOCK_SKEW_MS), reader.read(JWT_ALGORITHMS)
    if len(reader.mistakes) > mistakes:
        return None
    if jwks is None or not issuer or not audiences:
        if jwks or issuer or audiences:
            told = f"{JWT_JWKS.name}, {JWT_ISSUER.name} and {JWT_AUDIENCE.name} must all be set, or none"
            reader.mistakes.append(told)
        return None
    if isinstance(jwks, Path):
        reader.mistakes += _key_mistakes(jwks)
    return JwtSettings(jwks, issuer, audiences, skew_ms, algorithms)


def _key_mistakes(path: Path) -> tuple[str, ...]:
    from voice_gateway.identity.issuer_keys import read_keys  # noqa: PLC0415  heavy, see identity/jwt_door.py

    try:
        read_keys(path.read_bytes())
    except ValueError as error:
        return (f"{JWT_JWKS.name} {error}: {path}",)
    return ()
