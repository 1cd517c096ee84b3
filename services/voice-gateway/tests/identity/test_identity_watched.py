"""Files that change under a running gateway."""

import logging
import math
import ssl
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import trustme
from voice_gateway.identity.certificates import (
    Certificates,
    ClientCaInvalid,
    ends_at_s,
    server_context,
    watched_certificates,
)
from voice_gateway.identity.settings import TlsFiles
from voice_gateway.identity.watched import MAX_FILE_BYTES, WatchedFiles

AUTHORITY = trustme.CA()


def read_word(contents: tuple[bytes, ...]) -> str:
    """A word; anything else makes no sense."""
    if not contents[0].isalpha():
        raise ValueError("must be a word")
    return contents[0].decode()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and event of every line, in order."""
    return [(line.levelname, line.getMessage()) for line in caplog.records]


TAKEN, LEFT = ("INFO", "files read anew"), ("ERROR", "changed files not taken, the old ones stay")


def test_a_changed_file_is_taken_and_a_wrong_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What works goes on working while a file is half written or gone; each mistake is one line, however long."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "word"
    path.write_text("old")
    files = WatchedFiles("word", (path,), read_word)
    files.look()
    assert (files.value, lines(caplog)) == ("old", [])
    path.write_text("new")
    files.look()
    files.look()
    assert (files.value, lines(caplog)) == ("new", [TAKEN])
    for wrong in ("", "1", "2"):
        path.write_text(wrong)
        files.look()
    assert (files.value, lines(caplog)) == ("new", [TAKEN, LEFT])
    path.unlink()
    files.look()
    files.look()
    assert (files.value, lines(caplog)) == ("new", [TAKEN, LEFT, LEFT])
    path.write_text("newest")
    files.look()
    path.write_text("3")
    files.look()
    assert (files.value, lines(caplog)) == ("newest", [TAKEN, LEFT, LEFT, TAKEN, LEFT])


def test_a_secret_of_kubernetes_changes_by_a_symlink(tmp_path: Path) -> None:
    """A mounted Secret is a symlink to a folder that is swapped: the file's own path and times tell nothing."""
    for name in ("one", "two"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "word").write_text(name)
    link = tmp_path / "..data"
    link.symlink_to("..one")
    (tmp_path / "word").symlink_to("..data/word")
    files = WatchedFiles("word", (tmp_path / "word",), read_word)
    assert files.value == "one"
    (tmp_path / "..new").symlink_to("..two")
    (tmp_path / "..new").rename(link)
    files.look()
    assert files.value == "two"


def test_a_file_put_back_is_the_old_value_again(tmp_path: Path) -> None:
    """A mistake that is taken back needs nothing else; content counts, not time."""
    path = tmp_path / "word"
    path.write_text("old")
    files = WatchedFiles("word", (path,), read_word)
    before = files.value
    path.write_text("!")
    files.look()
    path.write_text("old")
    files.look()
    assert files.value is before


def test_a_file_without_measure_is_not_read(tmp_path: Path) -> None:
    """A path that leads to something endless takes no memory."""
    path = tmp_path / "word"
    path.write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ValueError, match="must be at most 1048576 bytes"):
        WatchedFiles("word", (path,), read_word)


def issue(folder: Path, *names: str) -> tuple[bytes, bytes]:
    """Write a certificate with those names and its key; give both."""
    issued = AUTHORITY.issue_cert(*names)
    chain, key = b"".join(blob.bytes() for blob in issued.cert_chain_pems), issued.private_key_pem.bytes()
    (folder / "cert.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key)
    return chain, key


def test_a_certificate_waits_for_its_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Between the writing of the two files they do not fit, and clients see the old pair."""
    caplog.set_level(logging.INFO)
    old = issue(tmp_path, "old.example")
    files = watched_certificates(TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert files.value == Certificates(old[1], old[0])
    new = issue(tmp_path, "new.example")
    (tmp_path / "key.pem").write_bytes(old[1])
    files.look()
    assert files.value.chain == old[0]
    (tmp_path / "key.pem").write_bytes(new[1])
    files.look()
    assert files.value == Certificates(new[1], new[0])
    assert lines(caplog) == [LEFT, TAKEN]
    assert "PRIVATE" not in caplog.text + repr(files.value.chain) + repr(files.value)


def test_a_chain_ends_with_its_first_certificate() -> None:
    """Clients refuse a chain once one of its certificates has ended; one that cannot be read stops nothing."""
    january, march = (
        AUTHORITY.issue_cert("a.example", not_after=datetime(2040, month, 1, tzinfo=UTC)) for month in (1, 3)
    )
    chain = march.cert_chain_pems[0].bytes() + january.cert_chain_pems[0].bytes()
    assert ends_at_s(Certificates(b"", chain)) == 2_208_988_800
    assert math.isnan(ends_at_s(Certificates(b"", b"none")))


def test_the_authority_of_clients_changes_with_the_rest(tmp_path: Path) -> None:
    """A new client CA is taken; an empty or broken one is not, since nobody could come in then, or anybody."""
    issue(tmp_path, "gateway.example")
    ca = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca)
    files = watched_certificates(TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", ca))
    first = files.value.client_ca
    for wrong in (b"", b"-----BEGIN CERTIFICATE-----\n", b"\xff"):
        ca.write_bytes(wrong)
        files.look()
        assert files.value.client_ca == first
    other = trustme.CA().cert_pem.bytes()
    ca.write_bytes(other)
    files.look()
    assert files.value.client_ca == other


def test_a_context_of_the_standard_library_is_made_of_the_same_bytes(tmp_path: Path) -> None:
    """What gRPC shows any other door can show: a handshake with it shows the certificate and asks for the client's."""
    chain, key = issue(tmp_path, "gateway.example")
    server = server_context(Certificates(key, chain, AUTHORITY.cert_pem.bytes()))
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    AUTHORITY.issue_cert("desk.example").configure_cert(client)
    shown = handshake(server, client)
    assert ("DNS", "desk.example") in shown["subjectAltName"]
    nameless = ssl.create_default_context()
    AUTHORITY.configure_trust(nameless)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(server, nameless)


@pytest.mark.parametrize(
    "around",
    [
        "# Zertifizierungsstelle für München, Čeština, 認証局\n".encode(),
        b"\xff\xfe caf\xe9\n",
        b"\xef\xbb\xbf",
        b"\r\n",
    ],
    ids=["UTF-8", "no UTF-8", "byte order mark", "DOS"],
)
def test_a_bundle_of_authorities_is_read_as_people_write_it(tmp_path: Path, around: bytes) -> None:
    """Bundles have comments between their certificates, in any language, and each certificate of them counts."""
    chain, key = issue(tmp_path, "gateway.example")
    bundle = tmp_path / "clients.pem"
    bundle.write_bytes(around + trustme.CA().cert_pem.bytes() + around + AUTHORITY.cert_pem.bytes() + around)
    files = watched_certificates(TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", bundle))
    assert len(server_context(files.value).get_ca_certs()) == 2
    grpc.ssl_server_credentials([(key, chain)], files.value.client_ca, require_client_auth=True)
    client = ssl.create_default_context()
    AUTHORITY.configure_trust(client)
    AUTHORITY.issue_cert("desk.example").configure_cert(client)
    assert handshake(server_context(files.value), client)["subjectAltName"]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, tuple[tuple[str, str], ...]]:
    """Shake hands in memory; the client's certificate as the server sees it."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(up, down, server_side=True)
    here = client.wrap_bio(down, up, server_hostname="gateway.example")
    waiting = [here, there]
    while waiting:
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    certificate: dict[str, tuple[tuple[str, str], ...]] = there.getpeercert() or {}  # type: ignore[assignment]
    return certificate


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    """The words are those of the check of the configuration, and an encrypted key is refused, not asked for."""
    chain, key = issue(tmp_path, "gateway.example")
    with pytest.raises(ValueError, match=r"^are not a certificate and its key: "):
        server_context(Certificates(b"x", chain))
    with pytest.raises(ClientCaInvalid, match=r"^has no PEM certificates$"):
        server_context(Certificates(key, chain, b"x"))
