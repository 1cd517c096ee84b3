"""Whose a client certificate is, from the certificate's own bytes."""

import base64
import datetime as dt
import ipaddress
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from voice_gateway.identity.peer_names import read_names
from voice_gateway.identity.shown import PeerCertificate

KEY = ec.generate_private_key(ec.SECP256R1())
DAY = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)


def pem(common_name: str, names: Sequence[x509.GeneralName] = ()) -> bytes:
    """A certificate of these names, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 1, DAY, DAY + dt.timedelta(days=1))
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_names_are_told_apart() -> None:
    """URI, DNS and common name, and whether there are names of other kinds."""
    uri, dns = x509.UniformResourceIdentifier("spiffe://x/desk"), x509.DNSName("desk.example")
    address = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))
    assert read_names(pem("desk", [dns, uri])) == PeerCertificate(("spiffe://x/desk",), ("desk.example",))
    assert read_names(pem("desk", [address])) == PeerCertificate(has_others=True)
    assert read_names(pem("desk")) == PeerCertificate(common_name="desk")


@pytest.mark.parametrize("raw", [b"", b"-----BEGIN", b"\xff" * 100, pem("desk").replace(b"MII", b"AAA")])
def test_a_certificate_that_cannot_be_read_has_no_names(raw: bytes) -> None:
    """TLS has checked it, so that nobody comes in who should not, and nobody is taken for somebody else."""
    assert read_names(raw) == PeerCertificate()


@pytest.mark.parametrize(
    "raw",
    [
        pem("z", [x509.DNSName("crm.example.com\0.evil.com")]),
        pem("z", [x509.DNSName("a.com"), x509.DNSName("crm.example.com\0")]),
        pem("z", [x509.UniformResourceIdentifier("spiffe://e/desk\0/evil")]),
        pem("crm.example.com\0.evil.com"),
    ],
    ids=["dns", "a second one", "uri", "common name"],
)
def test_a_name_does_not_end_at_its_nul(raw: bytes) -> None:
    """An authority that signs any name of evil.com must not open for crm.example.com."""
    assert not {"crm.example.com", "spiffe://e/desk"} & set(read_names(raw).names())


def test_a_dns_name_is_not_another_in_lower_case() -> None:
    """The sign for Kelvin becomes a k: who may have it signed must not come in as who has the k."""
    dns = x509.DNSName._init_without_validation("\u212aey.example")
    assert read_names(pem("z", [dns, x509.DNSName("KEY.example.org")])).names() == ("key.example.org",)


def test_one_common_name_counts_where_there_is_no_other() -> None:
    """The first, as it was written; one beside other names may be anything."""
    assert read_names(pem("B\u00fcro")).names() == ("B\u00fcro",)
    assert read_names(pem("crm.example.com", [x509.RFC822Name("a@example.com")])).names() == ()


def test_a_version_that_is_none_has_no_names() -> None:
    """TLS lets version 2 through, which nobody has used since 1996."""
    der = x509.load_pem_x509_certificate(pem("desk")).public_bytes(serialization.Encoding.DER)
    second = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1)
    assert second != der
    head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    assert read_names(f"{head}\n{base64.b64encode(second).decode()}\n{tail}\n".encode()) == PeerCertificate()
