"""Which JWTs are genuine, and what each forgery is told."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from gateway_kit.issuer import AUDIENCE, NAME, NOW_S, Issuer, new_key, public_jwk
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.identity.identify import KeyUnknown
from voice_gateway.identity.issuer_keys import IssuerKeys, read_keys
from voice_gateway.identity.json_web_token import MAX_TOKEN_CHARS, subject_of
from voice_gateway.identity.settings import ASYMMETRIC, JwtSettings

SETTINGS = JwtSettings("https://issuer.example/jwks", NAME, (AUDIENCE, "desk"))
ISSUER = Issuer()
KEYS = read_keys(ISSUER.jwks())
UNKNOWN_KEY = "the token's key is unknown"


def part(value: Any) -> str:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: Any, claims: Any = None) -> str:
    """A token whose signature is none."""
    return f"{part(header)}.{part(claims or {'sub': 'eve'})}.{part(b'x')}"


def refusal(token: str, keys: IssuerKeys = KEYS, settings: JwtSettings = SETTINGS) -> str:
    """What its bearer is told."""
    with pytest.raises(ClientError) as caught:
        subject_of(token, keys, settings, NOW_S)
    assert caught.value.reason is Reason.TOKEN_INVALID
    return caught.value.message


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_every_algorithm_that_is_listed_is_checked(algorithm: str) -> None:
    """A genuine token opens, one whose claims were changed does not, with each kind of key."""
    key = new_key(algorithm)
    keys = read_keys(json.dumps({"keys": [public_jwk(key, "k", algorithm)]}).encode())
    claims = {"iss": NAME, "aud": ["other", "desk"], "sub": "ada", "exp": NOW_S + 1}
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, {"kid": "k"})
    assert subject_of(token, keys, SETTINGS, NOW_S) == "ada"
    head, _, signature = token.split(".")
    forged = f"{head}.{part(claims | {'sub': 'eve'})}.{signature}"
    assert refusal(forged, keys) == "the token's signature is wrong"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://issuer.example/"}, "the token is from another issuer"),
        ({"iss": None}, "the token is from another issuer"),
        ({"iss": [NAME]}, "the token is from another issuer"),
        ({"aud": "voices"}, "the token is meant for another audience"),
        ({"aud": ["other", {}, 7]}, "the token is meant for another audience"),
        ({"aud": None}, "the token is meant for another audience"),
        ({"exp": NOW_S - 30}, "the token has expired"),
        ({"exp": None}, "the token has no expiry (exp)"),
        ({"exp": "never"}, "the token's exp is no time"),
        ({"exp": True}, "the token's exp is no time"),
        ({"exp": float("inf")}, "the token's exp is no time"),
        ({"exp": float("nan")}, "the token's exp is no time"),
        ({"exp": 10**400}, "the token's exp is no time"),
        ({"nbf": NOW_S + 31}, "the token is not valid yet"),
        ({"nbf": []}, "the token's nbf is no time"),
        ({"sub": ""}, "the token has no subject (sub) that can be shown"),
        ({"sub": "a\nlevel=fake"}, "the token has no subject (sub) that can be shown"),
        ({"sub": "half \ud800 a pair"}, "the token has no subject (sub) that can be shown"),
        ({"sub": "a" * 256}, "the token has no subject (sub) that can be shown"),
        ({"sub": 7}, "the token has no subject (sub) that can be shown"),
    ],
)
def test_claims_that_do_not_open(claims: dict[str, Any], said: str) -> None:
    """A genuine token for somebody else, of another time or of nobody; the words say which and no more."""
    assert refusal(ISSUER.token(**{"sub": "ada", **claims})) == said


@pytest.mark.parametrize("claims", [{"exp": NOW_S - 29}, {"nbf": NOW_S + 30}, {"iat": NOW_S + 9_999}])
def test_clocks_may_differ_a_little(claims: dict[str, Any]) -> None:
    """The issuer's clock is another one: within the skew a token is good."""
    assert subject_of(ISSUER.token(**claims), KEYS, SETTINGS, NOW_S) == "ada"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (unsigned({"alg": "none"}), "the token is not signed"),
        (unsigned({"alg": "nOnE", "kid": "first"}), "the token is not signed"),
        (unsigned({"kid": "first"}), "the token is not signed"),
        (unsigned({"alg": ["ES256"], "kid": "first"}), "the token is not signed"),
        (unsigned({"alg": "HS256", "kid": "first"}), "the token is signed with an algorithm that is not taken here"),
        (unsigned({"alg": "ES256K", "kid": "first"}), "the token is signed with an algorithm that is not taken here"),
        (unsigned({"alg": "ES256", "kid": "first"}), "the token's signature is wrong"),
        (unsigned({"alg": "ES256", "kid": "second"}), UNKNOWN_KEY),
        (unsigned({"alg": "RS256", "kid": "first"}), UNKNOWN_KEY),
        (unsigned({"alg": "ES384", "kid": "first"}), UNKNOWN_KEY),
        (unsigned({"alg": "ES256", "kid": 7}), "the token is no JWT"),
        (
            unsigned({"alg": "ES256", "kid": "first", "crit": ["exp"]}),
            "the token needs extensions (crit) that this server does not know",
        ),
        (
            unsigned({"alg": "ES256", "kid": "first", "crit": []}),
            "the token needs extensions (crit) that this server does not know",
        ),
        (unsigned(["ES256"]), "the token is no JWT"),
        (unsigned(b"{"), "the token is no JWT"),
        (unsigned(b"[" * 5_000), "the token is no JWT"),
        (unsigned(b"\xff"), "the token is no JWT"),
        ("..", "the token is no JWT"),
        ("a.b.c", "the token is no JWT"),
        ("\u00fc.\u00fc.\u00fc", "the token is no JWT"),
        (f"{'a' * MAX_TOKEN_CHARS}.b.c", f"the token is longer than {MAX_TOKEN_CHARS} characters"),
    ],
    ids=range(21),
)
def test_forgeries_and_rubbish(token: str, said: str) -> None:
    """Each is refused in its own plain words, whatever it costs its maker, and none breaks the check."""
    assert refusal(token) == said


@pytest.mark.parametrize("payload", [b"{", b"[]", b'"ada"', b"[" * 5_000, b"\xff\xfe{"])
def test_signed_rubbish_is_refused_too(payload: bytes) -> None:
    """Also an issuer makes mistakes."""
    token = jwt.PyJWS().encode(payload, ISSUER.keys["first"], "ES256", {"kid": "first"})
    assert refusal(token).startswith("the token's claims are no JSON")


def test_a_public_key_is_no_secret() -> None:
    """Whoever signs by HMAC with the public key, which all know, gets nowhere: HMAC is not taken at all."""
    public = ISSUER.keys["first"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part({'sub': 'eve'})}"
    token = f"{signed}.{part(hmac.digest(pem, signed.encode(), 'sha256'))}"
    assert refusal(token) == "the token is signed with an algorithm that is not taken here"
    assert not any(name.startswith("HS") for name in ASYMMETRIC)


def test_a_foreign_key_of_the_same_name_does_not_open() -> None:
    """A key's name is its maker's choice."""
    assert refusal(Issuer().token()) == "the token's signature is wrong"


def test_keys_that_come_in_the_token_are_not_looked_at() -> None:
    """`jwk` and `jku` in the header are the forger's own (RFC 8725 section 2.6)."""
    eve = Issuer({"eve": new_key()})
    own = {"jwk": public_jwk(eve.keys["eve"], "eve"), "jku": "http://eve.example/jwks"}
    assert refusal(eve.token(header=own)) == UNKNOWN_KEY


def test_a_token_without_a_key_name_needs_exactly_one_key() -> None:
    """Small issuers name no key; where several could be meant, none is guessed."""
    key = new_key()
    one = read_keys(json.dumps({"keys": [public_jwk(key, None)]}).encode())
    claims = {"iss": NAME, "aud": AUDIENCE, "sub": "ada", "exp": NOW_S + 1}
    token = jwt.PyJWS().encode(json.dumps(claims).encode(), key, "ES256")
    assert subject_of(token, one, SETTINGS, NOW_S) == "ada"
    two = read_keys(json.dumps({"keys": [public_jwk(key, None), public_jwk(new_key(), "b")]}).encode())
    assert refusal(token, two) == "the token does not say which key it is signed with"


def test_two_keys_of_one_name_are_both_tried() -> None:
    """An issuer that gives a new key an old name locks nobody out while both are published."""
    first, second = new_key(), new_key()
    both = read_keys(json.dumps({"keys": [public_jwk(first, "k"), public_jwk(second, "k")]}).encode())
    for key in (first, second):
        assert subject_of(Issuer({"k": key}).token(), both, SETTINGS, NOW_S) == "ada"


def test_algorithms_can_be_fewer() -> None:
    """Whoever takes one algorithm takes no other."""
    narrow = JwtSettings("", NAME, (AUDIENCE,), algorithms=("RS256",))
    assert refusal(ISSUER.token(), settings=narrow) == "the token is signed with an algorithm that is not taken here"


def test_an_unknown_key_is_told_apart() -> None:
    """Only that may be mended by fetching the keys again."""
    with pytest.raises(KeyUnknown):
        subject_of(Issuer({"second": new_key()}).token(), KEYS, SETTINGS, NOW_S)
    with pytest.raises(ClientError) as caught:
        subject_of(Issuer().token(), KEYS, SETTINGS, NOW_S)
    assert not isinstance(caught.value, KeyUnknown)


RSA_1024 = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": part(b"\xc1" + b"\x01" * 127)}


@pytest.mark.parametrize(
    "stranger",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 7},
        {"kty": "EC"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": ["RSA"]},
        RSA_1024,
        public_jwk(new_key(), "sealed", use="enc"),
        public_jwk(new_key(), "wraps", key_ops=["wrapKey"]),
        public_jwk(new_key(), "bare", d="AA"),
        {**public_jwk(new_key(), "k"), "kid": 7},
        public_jwk(new_key(), "listed", alg=["RS256"]),
        public_jwk(new_key(), "mapped", alg={}),
        public_jwk(new_key(), "seals", alg="RSA-OAEP"),
        "a key",
        None,
    ],
    ids=range(17),
)
def test_what_is_no_key_for_signatures_is_left_out(stranger: Any) -> None:
    """Issuers list keys of every kind beside theirs, and add new ones; the good ones go on working."""
    keys = read_keys(json.dumps({"keys": [stranger, public_jwk(ISSUER.keys["first"], "first")]}).encode())
    assert [key.kid for key in keys.keys] == ["first"]


def test_a_key_is_used_only_as_its_issuer_says() -> None:
    """A key whose `alg` is named is good for no other, though its kind could do it."""
    key = new_key("RS256")
    keys = read_keys(json.dumps({"keys": [public_jwk(key, "k", "RS256", alg="PS256")]}).encode())
    assert [one.algorithms for one in keys.keys] == [frozenset({"PS256"})]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"[" * 5_000,
        b'{"keys": [{"kty": "oct"}]}',
        b"\xff",
    ],
)
def test_what_is_no_key_set_is_refused(raw: bytes) -> None:
    """An error page, a half-written file or an empty set never takes the place of keys that work."""
    with pytest.raises(ValueError, match=r"^must be a JSON Web Key Set"):
        read_keys(raw)


def test_a_key_set_without_measure_is_refused() -> None:
    """Whoever answers for the issuer cannot make the gateway read keys for ever."""
    with pytest.raises(ValueError, match="at most 100"):
        read_keys(json.dumps({"keys": [None] * 101}).encode())
