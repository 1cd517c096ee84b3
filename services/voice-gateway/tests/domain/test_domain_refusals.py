"""What somebody is told who may not begin a session, and on whose account it goes."""

from voice_gateway.domain.caller import UNKNOWN, Caller, Proof
from voice_gateway.domain.errors import ClientError, Limit, Reason, Refused, Unavailable


def test_a_refusal_names_its_limit_and_when_to_come_again() -> None:
    """Programs act on both; other failures know no time."""
    refused = Refused(Reason.QUOTA_EXCEEDED, Limit.CALLER_NEW, "enough for a minute", 1_500)
    assert (refused.reason, refused.limit, refused.retry_after_ms) == (Reason.QUOTA_EXCEEDED, Limit.CALLER_NEW, 1_500)
    assert str(refused) == "QUOTA_EXCEEDED: enough for a minute"
    assert Unavailable(Reason.DRAINING, "leaving").retry_after_ms is None
    assert ClientError(Reason.TEXT_INVALID, "empty").retry_after_ms is None


def test_an_account_is_the_proven_identity_or_the_address() -> None:
    """A name without the same proof is another account, an IPv6 customer is one, and nobody is an account too."""
    assert Caller("ada", Proof.JWT, "192.0.2.1").account == "jwt:ada"
    assert Caller(address="192.0.2.1").account == "address:192.0.2.1"
    assert Caller(address="2001:db8:0:7:1::9").account == "network:2001:db8:0:7::/64"
    assert Caller("ada", Proof.JWT, "2001:db8::1").account == "jwt:ada"
    assert UNKNOWN.account == "address:"
