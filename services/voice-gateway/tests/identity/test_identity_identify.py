"""Who calls: what is asked for, what opens, and what each refusal says."""

import hashlib
from typing import Any

import pytest
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.identity.identify import Known, identify
from voice_gateway.identity.settings import IdentitySettings, JwtSettings
from voice_gateway.identity.shown import PeerCertificate, Shown
from voice_gateway.identity.tokens import hashes_of, read_token_file, split_tokens

JWT = JwtSettings("https://issuer.example/jwks", "https://issuer.example", ("voice",))
DESK = PeerCertificate(("spiffe://x/desk",), ("Desk.Example",), "desk")
TOKEN_NAME = hashlib.sha256(b"hush").hexdigest()[:12]


def known(**settings: Any) -> Known:
    """What is known with those settings; each JWT is of ada."""
    asked = IdentitySettings(**settings)
    return Known(asked, (hashes_of(asked.tokens),), (lambda _: "ada") if asked.jwt else None)


def refusal(shown: Shown, of: Known) -> tuple[Reason, str]:
    """How a caller is refused."""
    with pytest.raises(ClientError) as caught:
        identify(shown, of)
    return caught.value.reason, caught.value.message


def test_where_nothing_is_asked_for_the_address_is_all_there_is() -> None:
    """On a laptop everybody may call, whatever is shown."""
    caller = identify(Shown("192.0.2.1", "Bearer hush", DESK), known())
    assert caller == Caller("", Proof.NONE, "192.0.2.1")
    assert caller.account == "address:192.0.2.1"


@pytest.mark.parametrize("shown", ["Bearer hush", "bearer hush", "BEARER   hush  "])
def test_a_token_opens_and_is_never_told(shown: str) -> None:
    """The caller of a token is known by a piece of its hash, the same for each call."""
    caller = identify(Shown("192.0.2.1", shown), known(tokens=("other", "hush")))
    assert caller == Caller(TOKEN_NAME, Proof.TOKEN, "192.0.2.1")
    assert "hush" not in repr(caller) + caller.account


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (None, "show a token: authorization: Bearer ..."),
        ("hush", "show a token: authorization: Bearer ..."),
        ("Basic hush", "show a token: authorization: Bearer ..."),
        ("Bearer", "show a token: authorization: Bearer ..."),
        ("Bearer ", "the token is unknown"),
        ("Bearer hus", "the token is unknown"),
        ("Bearer hush,other", "the token is unknown"),
        ("Bearer h\u00fcsh", "the token is unknown"),
        ("Bearer \ud800", "the token is unknown"),
        ("Bearer a.b.c", "the token is unknown"),
    ],
)
def test_another_token_does_not_open(shown: str | None, said: str) -> None:
    """Each refusal says what to do, and is UNAUTHENTICATED on every wire."""
    assert refusal(Shown(authorization=shown), known(tokens=("hush", "other"))) == (Reason.TOKEN_INVALID, said)


def test_tokens_that_are_gone_open_to_nobody() -> None:
    """A gateway that is told to ask for tokens never lets everybody in because none is left."""
    empty = Known(IdentitySettings(tokens=("hush",)), (hashes_of(()),))
    assert refusal(Shown(authorization="Bearer hush"), empty)[0] is Reason.TOKEN_INVALID
    assert refusal(Shown(authorization="Bearer "), empty)[0] is Reason.TOKEN_INVALID
    assert refusal(Shown(), empty)[0] is Reason.TOKEN_INVALID


def test_tokens_and_jwts_open_side_by_side() -> None:
    """Whoever moves from tokens to JWTs has both for a while; a word without two dots is no JWT."""
    both = known(tokens=("hush",), jwt=JWT)
    assert identify(Shown(authorization="Bearer hush"), both).proof is Proof.TOKEN
    assert identify(Shown(authorization="Bearer a.b.c"), both) == Caller("ada", Proof.JWT)
    assert refusal(Shown(authorization="Bearer a.b"), both) == (Reason.TOKEN_INVALID, "the token is unknown")


@pytest.mark.parametrize("allowed", ["spiffe://x/desk", "desk.example", "Desk.Example"])
def test_any_name_of_a_certificate_opens(allowed: str) -> None:
    """URI, or DNS name in any case: the one that opened is who calls."""
    caller = identify(Shown(certificate=DESK), known(asks_certificate=True, certificate_names=("x", allowed)))
    assert (caller.name, caller.proof) == (allowed.lower(), Proof.CERTIFICATE)


def test_a_common_name_opens_where_it_is_the_only_name() -> None:
    """Old authorities write nothing else."""
    of = known(asks_certificate=True, certificate_names=("desk",))
    assert identify(Shown(certificate=PeerCertificate(common_name="desk")), of).name == "desk"


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (None, "show a client certificate"),
        (PeerCertificate(), "the client certificate holds no name that may call"),
        (PeerCertificate(common_name="desk.example.evil"), "the client certificate holds no name that may call"),
        (PeerCertificate(common_name="spiffe://x/desk"), "the client certificate holds no name that may call"),
        (
            PeerCertificate(dns=("evil.example",), common_name="desk.example"),
            "the client certificate holds no name that may call",
        ),
        (PeerCertificate(uris=("spiffe://X/DESK",)), "the client certificate holds no name that may call"),
        (
            PeerCertificate(("spiffe://x/desk/2",), ("evil.example",)),
            "the client certificate holds no name that may call",
        ),
    ],
)
def test_a_certificate_of_somebody_else_does_not_open(certificate: PeerCertificate | None, said: str) -> None:
    """The authority signs for many; names are compared whole."""
    of = known(asks_certificate=True, certificate_names=("desk.example", "spiffe://x/desk"))
    assert refusal(Shown(certificate=certificate), of) == (Reason.CALLER_NOT_ALLOWED, said)


def test_without_names_any_certificate_opens() -> None:
    """TLS has checked who signed it; one without a name counts by its address."""
    of = known(asks_certificate=True)
    assert identify(Shown("192.0.2.1", certificate=DESK), of).account == "certificate:spiffe://x/desk"
    assert identify(Shown("192.0.2.1", certificate=PeerCertificate()), of).account == "address:192.0.2.1"


def test_a_certificate_and_a_token_are_both_asked_for() -> None:
    """Each that is set is asked for; the bearer is who calls, since a certificate may be that of a proxy for many."""
    of = known(asks_certificate=True, certificate_names=("desk.example",), tokens=("hush",))
    assert identify(Shown("", "Bearer hush", DESK), of) == Caller(TOKEN_NAME, Proof.TOKEN)
    assert refusal(Shown("", "Bearer hush"), of)[0] is Reason.CALLER_NOT_ALLOWED
    assert refusal(Shown("", None, DESK), of)[0] is Reason.TOKEN_INVALID


@pytest.mark.parametrize("raw", [b"hush\n", b"\n  hush \r\n", b"other,hush", b"other\nhush\n", b"other, hush ,\n"])
def test_a_file_of_tokens_is_read_as_people_write_it(raw: bytes) -> None:
    """An editor ends the line, `echo` does, Secrets hold it, and none of it is part of a token."""
    assert read_token_file(raw).name_of("hush") == TOKEN_NAME


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "must have a token"),
        (b" ,\n", "must have a token: commas alone would let everybody in"),
        (b"two words\n", "must have no spaces inside a token"),
        (b"h\xc3\xbcsh", "must be printable ASCII, several joined by commas"),
    ],
)
def test_a_file_without_tokens_is_refused(raw: bytes, said: str) -> None:
    """What a half-written or wrong file holds is told without being quoted."""
    with pytest.raises(ValueError, match=f"^{said}$"):
        read_token_file(raw)


def test_no_text_at_all_is_no_token() -> None:
    """An unset variable has none."""
    assert split_tokens("") == ()
