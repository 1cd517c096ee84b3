r"""The names in a client certificate, read from the certificate itself.

What gRPC tells of it ends at the first NUL of each name, so that `crm.example.com\0.evil.com`, which an authority may
have signed for `evil.com`, would pass for `crm.example.com`.
"""

from cryptography import x509
from cryptography.x509.oid import NameOID

from voice_gateway.identity.shown import PeerCertificate


def read_names(pem: bytes) -> PeerCertificate:
    """The names of a certificate that TLS has checked, the common name only where there is no other.

    None of one that cannot be read: one extension that is broken, or a name of a kind that nobody uses (x400Address),
    takes them all.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = _alternative_names(certificate)
        if not names:
            return PeerCertificate(common_name=_common_name(certificate))
    except (ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType):
        return PeerCertificate()
    uris, dns = (
        tuple(name.value for name in names if isinstance(name, kind))
        for kind in (x509.UniformResourceIdentifier, x509.DNSName)
    )
    return PeerCertificate(uris, dns, has_others=len(names) > len(uris) + len(dns))


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)
