"""The server's certificate, its key, and the authority of its clients, as every door takes them."""

import math
import os
import ssl
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile

from voice_gateway.identity.settings import TlsFiles
from voice_gateway.identity.watched import WatchedFiles


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM, as the files have it."""

    key: bytes = field(repr=False)
    chain: bytes
    client_ca: bytes | None = None
    """None: clients show no certificate."""


class ClientCaInvalid(ValueError):  # noqa: N818  said as the fact it is
    """The file of the clients' authority has no certificate in PEM."""


def watched_certificates(files: TlsFiles) -> WatchedFiles[Certificates]:
    """Certificates of those files, followed as they change. Raises OSError and ValueError as `WatchedFiles` does."""
    # heavy, and who serves without TLS needs none of it: read now, or it would stop everybody when the first reader of
    # metrics asks for the certificate's end, or the first client shows its own
    from voice_gateway.identity import peer_names  # noqa: F401, PLC0415

    paths = (files.key, files.cert) if files.client_ca is None else (files.key, files.cert, files.client_ca)
    return WatchedFiles("certificates", paths, _read)


def _read(contents: tuple[bytes, ...]) -> Certificates:
    # Editors of Windows begin a file so, and no reader of PEM finds a certificate right behind it.
    certificates = Certificates(*(content.replace(BOM_UTF8, b"") for content in contents))
    server_context(certificates)
    return certificates


def ends_at_s(certificates: Certificates) -> float:
    """When the first certificate of the chain ends, in seconds since 1970; NaN if only OpenSSL can read it."""
    from cryptography import x509  # noqa: PLC0415  read by `watched_certificates`, if there is TLS

    try:
        chain = x509.load_pem_x509_certificates(certificates.chain)
        return min(one.not_valid_after_utc.timestamp() for one in chain)
    except (ValueError, OverflowError, x509.InvalidVersion):
        return math.nan


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """A context of the standard library for them.

    Raises:
        ClientCaInvalid: the client CA has no certificate in PEM.
        ValueError: key and certificate do not belong together, or are no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ExitStack() as files:
        chain, key = (files.enter_context(_as_file(blob)) for blob in (certificates.chain, certificates.key))
        try:
            # An empty password: an encrypted key must be refused, not asked for on a terminal.
            context.load_cert_chain(chain, key, password="")
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"are not a certificate and its key: {error}") from error
    if certificates.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            # as a file, in which comments may be written in any letters
            with _as_file(certificates.client_ca) as path:
                context.load_verify_locations(path)
        except (ssl.SSLError, OSError) as error:
            raise ClientCaInvalid("has no PEM certificates") from error
    return context


@contextmanager
def _as_file(blob: bytes) -> Iterator[str]:
    """A path under which OpenSSL finds the bytes, which it takes from files alone.

    In memory where the system can: a pod's file system cannot be written, and a key belongs on no disk.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as memory:
            memory.write(blob)
            memory.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with NamedTemporaryFile() as file:
        file.write(blob)
        file.flush()
        yield file.name
