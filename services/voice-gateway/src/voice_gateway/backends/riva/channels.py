"""One channel for each address of a Riva service, and the state of each address.

An address is taken as it is configured, one channel each: the name behind it is left to gRPC.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from voice_gateway.backends.riva.failures import failure_of_code
from voice_gateway.backends.riva.replicas import Offers, Replica, ReplicaSet
from voice_gateway.backends.riva.settings import RivaSettings

# gRPC would wait up to 120 s between attempts to connect (grpc doc/connection-backoff.md): too long for a server that
# is back. Attempts to a dead address cost a packet each.
_CHANNEL_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 2_000))

_MAX_DETAIL_CHARS = 300

Ask = Callable[[Any], Awaitable[Offers]]
"""Asks a stub what its server serves; raises grpc.aio.AioRpcError."""


class RivaChannels:
    """The channels of one service. Construct it, use it and close it in the event loop that runs the calls."""

    def __init__(self, settings: RivaSettings, stub_type: Callable[[grpc.aio.Channel], Any]) -> None:
        """Make the channels; they connect when first used.

        Args:
            settings: where the service is.
            stub_type: the generated stub class.

        Raises:
            OSError: the file of certificate authorities cannot be read.
        """
        credentials = _credentials(settings)
        self._channels = tuple(_make_channel(address, credentials) for address in settings.addresses)
        self.replicas = ReplicaSet(
            tuple(
                Replica(address, stub_type(channel))
                for address, channel in zip(settings.addresses, self._channels, strict=True)
            )
        )

    def watch(self, on_failure: Callable[[str], None]) -> None:
        """Call `on_failure` with the address for every failure that is an address's fault."""
        for replica in self.replicas.replicas:
            replica.on_failure = on_failure

    async def probe(self, ask: Ask) -> None:
        """Ask every address once, all at the same time, and remember what each says."""
        await asyncio.gather(*(_probe(replica, ask) for replica in self.replicas.replicas))

    async def close(self) -> None:
        """Close all channels; calls that still run are cancelled."""
        await asyncio.gather(*(channel.close() for channel in self._channels))


async def _probe(replica: Replica, ask: Ask) -> None:
    try:
        replica.offers = await ask(replica.stub)
    except grpc.aio.AioRpcError as error:
        # Here alone gRPC's own words are safe to log: a probe carries nothing that anybody said.
        detail = (error.details() or "")[:_MAX_DETAIL_CHARS]
        replica.note_failure(failure_of_code(error.code()), detail=detail)
    else:
        replica.note_answer()


def _credentials(settings: RivaSettings) -> grpc.ChannelCredentials | None:
    if not settings.tls:
        return None
    roots = settings.tls_ca_file.read_bytes() if settings.tls_ca_file else None
    return grpc.ssl_channel_credentials(root_certificates=roots)


def _make_channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(address, credentials, options=_CHANNEL_OPTIONS)
