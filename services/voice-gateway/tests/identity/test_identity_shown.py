"""Where a caller is, and which names a certificate holds."""

from ipaddress import ip_network

import pytest
from voice_gateway.identity.shown import MAX_HOPS, PeerCertificate, Shown, caller_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "where"),
    [
        ("10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.7, 10.2.3.4",), "198.51.100.7"),
        ("10.0.0.1", ("6.6.6.6", "198.51.100.7"), "198.51.100.7"),
        ("10.0.0.1", ("198.51.100.7:4711",), "198.51.100.7"),
        ("fd00::1", ("[2001:db8::7]:4711",), "2001:db8::7"),
        ("fd00::1", ("2001:DB8:0::7",), "2001:db8::7"),
        ("::ffff:10.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", ("6.6.6.6, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("6.6.6.6, unknown, 10.9.9.9",), "10.9.9.9"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("10.5.5.5",), "10.5.5.5"),
        ("198.51.100.9", ("6.6.6.6",), "198.51.100.9"),
        ("198.51.100.9", ("10.0.0.1",), "198.51.100.9"),
        ("fe80::1%eth0", (), "fe80::1"),
        ("::ffff:198.51.100.9", (), "198.51.100.9"),
        ("", ("6.6.6.6",), ""),
        ("a socket", ("6.6.6.6",), "a socket"),
    ],
)
def test_only_a_trusted_proxy_says_whom_it_speaks_for(peer: str, forwarded: tuple[str, ...], where: str) -> None:
    """Nobody picks an address for himself: neither without a proxy, nor by writing the header before one."""
    assert caller_address(Shown(peer, forwarded_for=forwarded), TRUSTED) == where


def test_without_trusted_proxies_the_header_is_nothing() -> None:
    """The default trusts nobody."""
    assert caller_address(Shown("10.0.0.1", forwarded_for=("198.51.100.7",)), ()) == "10.0.0.1"


def test_a_chain_without_end_is_not_walked() -> None:
    """A header of a million addresses costs no more than one of a few."""
    endless = ",".join(["10.1.1.1"] * 1_000)
    assert caller_address(Shown("10.0.0.1", forwarded_for=(f"198.51.100.7,{endless}",)), TRUSTED) == "10.1.1.1"
    near = ",".join(["198.51.100.7", *["10.1.1.1"] * (MAX_HOPS - 1)])
    assert caller_address(Shown("10.0.0.1", forwarded_for=(near,)), TRUSTED) == "198.51.100.7"


def test_names_that_nobody_can_read_are_none() -> None:
    """A name goes into logs and counts: no control characters, no padding that looks like another, no novel."""
    certificate = PeerCertificate(("spiffe://x/desk", "x:a\nb"), ("Desk.Example", "x\x00y", ""))
    assert certificate.names() == ("spiffe://x/desk", "desk.example")
    assert [PeerCertificate(common_name=name).names() for name in ("n" * 256, " padded", "")] == [(), (), ()]


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (PeerCertificate(common_name="desk"), ("desk",)),
        (PeerCertificate(dns=("desk.example",), common_name="admin"), ("desk.example",)),
        (PeerCertificate(uris=("spiffe://x/desk",), common_name="admin"), ("spiffe://x/desk",)),
        (PeerCertificate(common_name="admin", has_others=True), ()),
        (PeerCertificate(common_name="spiffe://x/admin"), ()),
        (PeerCertificate(common_name="urn:admin"), ()),
        (PeerCertificate(dns=("spiffe://x/admin", "desk.example")), ("desk.example",)),
        (PeerCertificate(uris=("admin.example", "spiffe://x/desk")), ("spiffe://x/desk",)),
    ],
)
def test_a_name_counts_as_what_its_authority_signed(certificate: PeerCertificate, names: tuple[str, ...]) -> None:
    """A common name beside alternative names is decoration, and no kind of name passes for another."""
    assert certificate.names() == names
