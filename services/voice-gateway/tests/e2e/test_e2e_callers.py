"""Who comes in, on real sockets: JWTs, certificates and addresses, and what changes under a call that goes on."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
import trustme
from cryptography import x509
from gateway_kit import issuer
from gateway_kit.issuer import AUDIENCE, NAME, Issuer, new_key
from gateway_kit.whole_gateway import World, world
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from voice_gateway.identity import key_ring
from voice_gateway.observability.logs import fields_of
from voicegateway.v1 import client_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseRequest, GetCapabilitiesRequest
from voicegateway.v1.voice_gateway_service_pb2_grpc import VoiceGatewayServiceStub

BOUND_S = 30.0
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    """Metadata that shows a token."""
    return (("authorization", f"Bearer {token}"),)


async def outcome(channel: grpc.aio.Channel, metadata: Metadata = ()) -> str:
    """What a call comes to: OK, or status, reason and message."""
    try:
        await VoiceGatewayServiceStub(channel).GetCapabilities(
            GetCapabilitiesRequest(), metadata=metadata, timeout=BOUND_S
        )
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(cast("Any", error))
        info = error_details_pb2.ErrorInfo()
        if status is not None:
            status.details[0].Unpack(info)
        return f"{error.code().name} {info.reason}: {error.details()}"
    return "OK"


class LiveCall:
    """A conversation that goes on."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
        self._call = VoiceGatewayServiceStub(channel).Converse(metadata=metadata)

    async def begin(self) -> None:
        """Start the session."""
        await self._call.write(ConverseRequest(start=client_pb2.Start()))
        await self._until("started")

    async def goes_on(self) -> None:
        """Type a turn and wait until it has been answered."""
        await self._call.write(ConverseRequest(text=client_pb2.TextInput(text="Are you still there?")))
        await self._until("reply_finished")

    async def end(self) -> grpc.StatusCode:
        """Half-close and read to the status."""
        await self._call.done_writing()
        async with asyncio.timeout(BOUND_S):
            while await self._call.read() is not grpc.aio.EOF:
                pass
        return await self._call.code()

    async def _until(self, kind: str) -> None:
        async with asyncio.timeout(BOUND_S):
            while True:
                response: Any = await self._call.read()
                assert response is not grpc.aio.EOF, await self._call.details()
                if response.WhichOneof("payload") == kind:
                    return


@dataclass
class TlsWorld:
    """A gateway with TLS, and the folder of its files."""

    around: World
    folder: Path
    authority: trustme.CA

    def write(self, *names: str, ends: datetime | None = None) -> None:
        """Put another certificate and key in place."""
        issued = self.authority.issue_cert(*names, not_after=ends)
        (self.folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.folder / "key.pem")

    def credentials(self, client: trustme.LeafCert | None = None) -> grpc.ChannelCredentials:
        """Those of a client, with a certificate or without."""
        if client is None:
            return grpc.ssl_channel_credentials(self.authority.cert_pem.bytes())
        chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
        return grpc.ssl_channel_credentials(self.authority.cert_pem.bytes(), client.private_key_pem.bytes(), chain)

    def channel(self, client: trustme.LeafCert | None = None) -> grpc.aio.Channel:
        """A connection of its own."""
        alone = (("grpc.use_local_subchannel_pool", 1),)
        return grpc.aio.secure_channel(self._address, self.credentials(client), options=alone)

    @property
    def _address(self) -> str:
        return self.around.address.replace("127.0.0.1", "localhost")

    def look(self) -> None:
        """Have the files looked at now and not in some seconds."""
        self.around.gateway._entrance.look()


@asynccontextmanager
async def tls_world(folder: Path, client: str | None = None, **settings: str) -> AsyncIterator[TlsWorld]:
    """A gateway with TLS; `client` is a name for which a certificate is made, where one is asked for."""
    made = TlsWorld(cast("World", None), folder, trustme.CA())
    made.write("localhost")
    files = {"GRPC_TLS_CERT": str(folder / "cert.pem"), "GRPC_TLS_KEY": str(folder / "key.pem")}
    if client:
        made.authority.cert_pem.write_to_path(folder / "ca.pem")
        files["GRPC_TLS_CLIENT_CA"] = str(folder / "ca.pem")
    leaf = made.authority.issue_cert(client) if client else None
    async with world(settings={**files, **settings}, credentials=made.credentials(leaf)) as around:
        made.around = around
        yield made


async def shown_by(address: str, client: Path | None = None) -> tuple[str, ...]:
    """The DNS names in the certificate that a new handshake shows."""
    port = int(address.rpartition(":")[2])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if client:
        context.load_cert_chain(client)
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    blob = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    names = x509.load_der_x509_certificate(blob).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return tuple(names.value.get_values_for_type(x509.DNSName))


# --- JWTs --------------------------------------------------------------------------------------------------------


def live_issuer() -> Issuer:
    """An issuer of this very hour."""
    return Issuer(now_s=time.time())


def jwt_settings(jwks: str) -> dict[str, str]:
    """Settings of a gateway that takes its tokens."""
    return {"JWT_JWKS": jwks, "JWT_ISSUER": NAME, "JWT_AUDIENCE": AUDIENCE}


async def test_each_forgery_has_its_status_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A genuine JWT opens; each other is UNAUTHENTICATED with TOKEN_INVALID and words of its own."""
    monkeypatch.setattr(key_ring, "RETRY_INTERVAL_S", 0.0)  # an unknown key is one once the issuer has been asked
    signer = live_issuer()
    invalid = "UNAUTHENTICATED TOKEN_INVALID: "
    expected: dict[str, str] = {
        signer.token(): "OK",
        signer.token(exp=time.time() - 60): f"{invalid}the token has expired",
        signer.token(nbf=time.time() + 60): f"{invalid}the token is not valid yet",
        signer.token(exp=None): f"{invalid}the token has no expiry (exp)",
        signer.token(iss="https://other.example"): f"{invalid}the token is from another issuer",
        signer.token(aud="other"): f"{invalid}the token is meant for another audience",
        live_issuer().token(): f"{invalid}the token's signature is wrong",
        Issuer({"eve": new_key()}).token(): f"{invalid}the token's key is unknown",
        "eyJhbGciOiJub25lIn0.e30.": f"{invalid}the token is not signed",
        "hush": f"{invalid}the token is unknown",
    }
    async with (
        issuer.serving(lambda: issuer.ok(signer.jwks())) as page,
        world(settings=jwt_settings(page.url)) as on,
        grpc.aio.insecure_channel(on.address) as channel,
    ):
        assert {token: await outcome(channel, bearer(token)) for token in expected} == expected
        assert await outcome(channel) == f"{invalid}show a token: authorization: Bearer ..."


async def test_keys_rotate_under_a_live_call(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer signs with a new key and takes the old one back: new tokens open at once, old ones do not, and the
    call that came in by an old one is not touched.
    """
    monkeypatch.setattr(key_ring, "RETRY_INTERVAL_S", 0.0)
    caplog.set_level(logging.INFO)
    signer = live_issuer()
    old = signer.token()
    async with (
        issuer.serving(lambda: issuer.ok(signer.jwks())) as page,
        world(settings=jwt_settings(page.url)) as on,
        grpc.aio.insecure_channel(on.address) as channel,
    ):
        call = LiveCall(channel, bearer(old))
        await call.begin()
        signer.rotate("second", keep=False)
        assert await outcome(channel, bearer(signer.token("bob"))) == "OK"
        assert await outcome(channel, bearer(old)) == "UNAUTHENTICATED TOKEN_INVALID: the token's key is unknown"
        await call.goes_on()
        assert await call.end() is grpc.StatusCode.OK
    (started,) = [fields_of(line) for line in caplog.records if line.getMessage() == "session_started"]
    assert started["account"] == "jwt:ada"
    assert old not in caplog.text + str([vars(line) for line in caplog.records])


async def test_an_issuer_that_is_away_at_the_start_is_told_as_that() -> None:
    """A gateway starts without its issuer, and says to bearers of good tokens that they may try again."""
    away = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with (
        issuer.serving(lambda: away) as page,
        world(settings=jwt_settings(page.url)) as on,
        grpc.aio.insecure_channel(on.address) as channel,
    ):
        said = await outcome(channel, bearer(live_issuer().token()))
    assert said == "UNAVAILABLE BACKEND_UNAVAILABLE: the issuer's keys have not been read yet; try again"


async def test_files_of_tokens_and_keys_change_under_a_live_call(tmp_path: Path) -> None:
    """A token and a key that are exchanged in their files, each file ending its last line, count for the next call."""
    signer = live_issuer()
    tokens, keys = tmp_path / "tokens", tmp_path / "jwks.json"
    tokens.write_text("hush\n")
    keys.write_bytes(signer.jwks() + b"\n")
    old = signer.token()
    settings = {**jwt_settings(str(keys) + "\n"), "AUTH_TOKENS_FILE": str(tokens) + "\n"}
    async with world(settings=settings) as on, grpc.aio.insecure_channel(on.address) as channel:
        call = LiveCall(channel, bearer("hush"))
        await call.begin()
        assert await outcome(channel, bearer(old)) == "OK"
        signer.rotate("second", keep=False)
        keys.write_bytes(signer.jwks())
        tokens.write_text("hush\thush\n")
        on.gateway._entrance.look()
        assert await outcome(channel, bearer(signer.token())) == "OK"
        assert await outcome(channel, bearer(old)) == "UNAUTHENTICATED TOKEN_INVALID: the token's key is unknown"
        assert await outcome(channel, bearer("hush")) == "OK"
        tokens.write_text("hush2\r\nhush3\r\n")
        on.gateway._entrance.look()
        assert await outcome(channel, bearer("hush")) == "UNAUTHENTICATED TOKEN_INVALID: the token is unknown"
        assert await outcome(channel, bearer("hush3")) == "OK"
        await call.goes_on()
        assert await call.end() is grpc.StatusCode.OK


async def test_files_are_looked_at_again_and_again(tmp_path: Path) -> None:
    """Nobody has to tell the gateway that a file has changed."""
    tokens = tmp_path / "tokens"
    tokens.write_text("old")
    async with world(settings={"AUTH_TOKENS_FILE": str(tokens)}) as on, asyncio.timeout(BOUND_S):
        watching = asyncio.create_task(on.gateway._entrance.watch(every_s=0.0))
        async with grpc.aio.insecure_channel(on.address) as channel:
            tokens.write_text("new")
            while await outcome(channel, bearer("new")) != "OK":
                pass
            assert await outcome(channel, bearer("old")) != "OK"
        watching.cancel()


# --- certificates ------------------------------------------------------------------------------------------------


async def test_a_certificate_is_replaced_under_a_live_call(tmp_path: Path) -> None:
    """The next handshake shows the new certificate; a call on an old connection goes on, and new calls on it too."""
    async with tls_world(tmp_path) as on, on.channel() as channel:
        call = LiveCall(channel)
        await call.begin()
        assert await shown_by(on.around.address) == ("localhost",)
        on.write("localhost", "renewed.example")
        on.look()
        assert await shown_by(on.around.address) == ("localhost", "renewed.example")
        (tmp_path / "key.pem").write_bytes(b"half")
        on.look()
        assert await shown_by(on.around.address) == ("localhost", "renewed.example")
        await call.goes_on()
        assert await outcome(channel) == "OK"
        assert await call.end() is grpc.StatusCode.OK


async def test_the_end_of_the_certificate_is_measured(tmp_path: Path) -> None:
    """Who is to renew it is told in time, and seen to have done so without a restart; without TLS nothing ends."""
    name = "voicegateway_certificate_expiry_timestamp_seconds"
    first, then = datetime(2040, 1, 1, tzinfo=UTC), datetime(2040, 1, 2, tzinfo=UTC)
    async with tls_world(tmp_path) as on:
        registry = on.around.gateway._metrics.registry
        on.write("localhost", ends=first)
        on.look()
        assert registry.get_sample_value(name) == 2_208_988_800
        on.write("localhost", ends=then)
        on.look()
        assert registry.get_sample_value(name) == 2_208_988_800 + 86_400
    async with world() as around:
        assert around.gateway._metrics.registry.get_sample_value(name) is None


async def test_only_certificates_of_those_names_come_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a client CA TLS lets in whom it signed; of those the names decide, and the log tells who it was."""
    caplog.set_level(logging.INFO)
    stranger = trustme.CA().issue_cert("desk.example")
    async with tls_world(tmp_path, "desk.example", GRPC_TLS_CLIENT_NAMES="Desk.Example,spiffe://x/y") as on:
        async with on.channel(on.authority.issue_cert("Desk.example")) as channel:
            assert await outcome(channel) == "OK"
            call = LiveCall(channel)
            await call.begin()
            assert await call.end() is grpc.StatusCode.OK
        async with on.channel(on.authority.issue_cert("other.example", common_name="other")) as channel:
            said = await outcome(channel)
            assert said == ("PERMISSION_DENIED CALLER_NOT_ALLOWED: the client certificate holds no name that may call")
        for nobody in (None, stranger):
            async with on.channel(nobody) as channel:
                assert (await outcome(channel)).startswith("UNAVAILABLE : ")
    (started,) = [fields_of(line) for line in caplog.records if line.getMessage() == "session_started"]
    assert started["account"] == "certificate:desk.example"
    refused = [fields_of(line) for line in caplog.records if line.getMessage() == "call_refused"]
    assert [line["reason"] for line in refused] == ["CALLER_NOT_ALLOWED"]


async def test_the_authority_of_clients_is_replaced_under_a_live_call(tmp_path: Path) -> None:
    """After the change the new authority's clients come in and the old one's do not; who is in stays in."""
    async with tls_world(tmp_path, "desk.example") as on:
        old, successor = on.authority.issue_cert("desk.example"), trustme.CA()
        async with on.channel(old) as channel, on.channel(successor.issue_cert("desk.example")) as later:
            call = LiveCall(channel)
            await call.begin()
            successor.cert_pem.write_to_path(tmp_path / "ca.pem")
            on.look()
            assert await outcome(later) == "OK"
            async with on.channel(old) as refused:
                assert (await outcome(refused)).startswith("UNAVAILABLE : ")
            await call.goes_on()
            assert await call.end() is grpc.StatusCode.OK


async def test_a_certificate_and_a_token_are_both_asked_for(tmp_path: Path) -> None:
    """Where both are set neither opens alone."""
    async with tls_world(tmp_path, "desk.example", AUTH_TOKENS="hush\n") as on:
        async with on.channel(on.authority.issue_cert("desk.example")) as channel:
            assert await outcome(channel, bearer("hush")) == "OK"
            assert (await outcome(channel)).startswith("UNAUTHENTICATED TOKEN_INVALID: ")
        async with on.channel() as channel:
            assert (await outcome(channel, bearer("hush"))).startswith("UNAVAILABLE : ")


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "account"),
    [("", "address:127.0.0.1"), ("10.0.0.0/8", "address:127.0.0.1"), ("127.0.0.0/8, ::1", "address:198.51.100.7")],
)
async def test_an_address_is_forwarded_by_trusted_proxies_alone(
    proxies: str, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By default a caller is the peer's address, whatever its headers say; a session's first line tells it."""
    caplog.set_level(logging.INFO)
    async with world(settings={"TRUSTED_PROXIES": proxies}) as on, grpc.aio.insecure_channel(on.address) as channel:
        call = LiveCall(channel, (("x-forwarded-for", "6.6.6.6, 198.51.100.7"),))
        await call.begin()
        assert await call.end() is grpc.StatusCode.OK
    (started,) = [fields_of(line) for line in caplog.records if line.getMessage() == "session_started"]
    assert started["account"] == account
