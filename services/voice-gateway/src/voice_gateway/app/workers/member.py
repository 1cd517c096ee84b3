"""A worker's side: what it is told and asked by the process that has started it."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import Answer, Channel, Silent
from voice_gateway.app.workers.place import Place
from voice_gateway.app.workers.worker import ANSWER_S

OTHERS_S = ANSWER_S + 1.0
"""The parent waits ANSWER_S for each of the others, at once."""


@dataclass(slots=True)
class Orders:
    """When this worker is to leave. However often it is told, it drains once.

    Whoever stops the gateway may tell all its processes (systemd does, and a terminal), and the parent passes on what
    it was told: a second signal that each would have from both must not cut off calls. So the parent alone hurries a
    drain. Without a parent a second signal does; signals from before it was gone do not count, because systemd tells
    those that it left behind once more.
    """

    drain: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    is_orphan: bool = False
    is_orphan_told: bool = False
    """Whether a signal has come since the parent is gone."""

    def signalled(self) -> None:
        """SIGTERM or SIGINT has come."""
        if self.is_orphan_told:
            self.stop.set()
        self.is_orphan_told = self.is_orphan
        self.drain.set()

    def orphaned(self) -> None:
        """The parent is gone: there is nobody to start this worker again, or to end it."""
        self.is_orphan = True
        self.drain.set()


class Member:
    """One of several workers, to itself."""

    def __init__(self, where: Place) -> None:
        """Nobody is talked to yet."""
        self.place = where
        self.orders = Orders()
        self._channel: Channel | None = None
        self._reading: asyncio.Task[None] | None = None

    async def join(self, answers: Mapping[str, Answer]) -> None:
        """Talk to the parent; `answers` has who answers its questions."""

        async def drain(_: bytes) -> bytes:
            self.orders.drain.set()
            return b""

        async def stop(_: bytes) -> bytes:
            self.orders.drain.set()
            self.orders.stop.set()
            return b""

        reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=self.place.channel))
        self._channel = Channel(reader, writer, {place.DRAIN: drain, place.STOP: stop, **answers})
        self._reading = asyncio.create_task(self._read(self._channel), name="parent")

    def listens(self) -> None:
        """Say that the ports are open."""
        if self._channel is not None:
            self._channel.tell(place.LISTENING)

    async def others(self) -> dict[int, bytes | None]:
        """What each of the other workers does, by its number; None: it did not answer, or the parent did not."""
        silent = dict.fromkeys(set(range(self.place.count)) - {self.place.index})
        if self._channel is None:
            return silent
        try:
            return place.split(await self._channel.ask(place.OTHERS, OTHERS_S))
        except Silent:
            return silent

    async def leave(self) -> None:
        """Talk to nobody any more."""
        if self._channel is not None and self._reading is not None:
            self._reading.cancel()
            self._channel.close()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, channel: Channel) -> None:
        await channel.run()
        self.orders.orphaned()
