"""One channel for each address of a Riva service, and what a failure of a call says of its address."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from voice_gateway.backends.addresses.book import Address
from voice_gateway.backends.addresses.names import Resolve, endpoint_of, is_ip
from voice_gateway.backends.addresses.pool import AddressPool, CheckFailedError, Member, Request
from voice_gateway.backends.riva.failures import Blame, CallFailedError, failure_of
from voice_gateway.backends.riva.offers import Offers, merge_offers, spelled
from voice_gateway.backends.riva.settings import RivaSettings
from voice_gateway.domain.errors import Backend

# gRPC would wait up to 120 s between attempts to connect (grpc doc/connection-backoff.md): too long for a server that
# is back. Attempts to a dead address cost a packet each.
_BACKOFF = (("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 2_000))
# gRPC would let channels to one address share a connection; one that replaces a dead one must not.
_OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
_PROXIES = ("grpc", "https", "http")
"""Variables that gRPC obeys, whether it calls over TLS or not (grpc doc/environment_variables.md)."""

_MS_PER_S = 1_000
_LEAST_S = 0.001
"""A deadline that has passed is told as one."""
_MAX_DETAIL_CHARS = 300
FULL_MS = 1_000
"""An address that has refused a call for want of room is left alone for this time, if there are others."""
SLOW_MS = 10_000
"""The same for one that has kept a speaker waiting; only a health check may say more, as not every sound has words."""

Ask = Callable[[Any, float], Awaitable[Offers]]
"""Asks a stub what its server serves, for the given seconds at most; raises grpc.aio.AioRpcError.

The deadline is the call's own: to cancel who waits for a call costs native memory (`whole_call.py`).
"""


class RivaChannel:
    """The connection to one address."""

    def __init__(
        self, channel: grpc.aio.Channel, stub_type: Callable[[grpc.aio.Channel], Any], offers: Offers | None
    ) -> None:
        self.stub = stub_type(channel)
        """The generated stub; Riva's stubs have no types."""
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.offers = offers
        """What it last said it serves; None before its first answer."""
        self._channel = channel

    def serves(self, language_code: str) -> bool:
        """True unless it has said what it serves and the language is not among it."""
        return self.offers is None or spelled(language_code, self.offers) is not None

    def spelled(self, language_code: str) -> str:
        """What the server calls this language; as it is, if it has not said or does not know it."""
        return spelled(language_code, self.offers or {}) or language_code

    async def close(self) -> None:
        """Close the channel; calls that still run are cancelled."""
        await self._channel.close()


Replica = Member[RivaChannel]
"""One address of a service."""


class RivaChannels:
    """The channels of one service. Construct it, use it and close it in the event loop that runs the calls."""

    def __init__(
        self,
        backend: Backend,
        settings: RivaSettings,
        stub_type: Callable[[grpc.aio.Channel], Any],
        ask: Ask,
        resolve: Resolve,
    ) -> None:
        """Make a channel for each address that is known; they connect when first used.

        Args:
            backend: which one this is.
            settings: where the service is.
            stub_type: the generated stub class.
            ask: asks a server what it serves.
            resolve: finds the addresses of a name.

        Raises:
            OSError: the file of certificate authorities cannot be read.
        """
        credentials = _credentials(settings)
        self._settings = settings
        self._ask = ask

        def connect(address: Address, old: RivaChannel | None) -> RivaChannel:
            return RivaChannel(_make_channel(address, credentials), stub_type, old.offers if old else None)

        endpoints = [endpoint_of(f"http://{address}", _PROXIES) for address in settings.addresses]
        self.pool = AddressPool(backend, endpoints, connect, self._check, resolve)

    @property
    def offers(self) -> Offers:
        """What all addresses together last said they serve, failing ones included; empty before the first answer."""
        return merge_offers(each.offers for each in self.pool.connections if each.offers is not None)

    def candidates(self, language_code: str) -> Iterator[Replica]:
        """Addresses for a call in this language, to be tried one after the other."""
        return self.pool.candidates(lambda channel: channel.serves(language_code))

    async def _check(self, channel: RivaChannel) -> None:
        """Ask a server for its health, where it knows of such a question, and for what it serves."""
        loop = asyncio.get_running_loop()
        answer_by = loop.time() + self._settings.probe_deadline_ms / _MS_PER_S
        try:
            await self._ask_health(channel, self._settings.probe_deadline_ms / _MS_PER_S)
            channel.offers = await self._ask(channel.stub, max(answer_by - loop.time(), _LEAST_S))
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            if failure.blame is Blame.LOAD and channel.offers is not None:
                return  # it lives, and what it serves is known: a full server serves those who are there
            # Here alone gRPC's own words are safe to log: a check carries nothing that anybody said.
            raise CheckFailedError(failure.cause, (error.details() or "")[:_MAX_DETAIL_CHARS]) from error

    async def _ask_health(self, channel: RivaChannel, within_s: float) -> None:
        with suppress(grpc.aio.AioRpcError):  # not every server knows the question; the next one tells what is wrong
            response = await channel.health.Check(
                health_pb2.HealthCheckRequest(), timeout=within_s, metadata=self._settings.metadata
            )
            if response.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                raise CheckFailedError("not serving")


def blame(replica: Replica, failure: CallFailedError, request: Request[RivaChannel]) -> None:
    """Tell an address that it did not serve a request, as far as that may be its fault."""
    if failure.blame is Blame.REPLICA:
        request.failed(replica, failure.cause)
    elif failure.blame is Blame.LOAD:
        replica.rest(FULL_MS if failure.rest_ms is None else failure.rest_ms)


def _credentials(settings: RivaSettings) -> grpc.ChannelCredentials | None:
    if not settings.tls:
        return None
    roots = settings.tls_ca_file.read_bytes() if settings.tls_ca_file else None
    return grpc.ssl_channel_credentials(root_certificates=roots)


def _make_channel(address: Address, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """To this very address, under the name by which it is configured."""
    options: list[tuple[str, str | int]] = [*_BACKOFF, _OWN_CONNECTION]
    if address.is_proxied:
        target = str(address)
    else:
        target = f"{'ipv6' if ':' in address.host else 'ipv4'}:{address}"
        options += [("grpc.enable_http_proxy", 0), ("grpc.default_authority", address.name)]
        host = address.name.rpartition(":")[0].strip("[]")
        if not is_ip(host):  # an address is checked against the certificate's addresses as it is
            options.append(("grpc.ssl_target_name_override", host))
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)
