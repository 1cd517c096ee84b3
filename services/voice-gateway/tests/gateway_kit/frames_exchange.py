"""Calls over frames: who dials is served, in this process and in virtual time."""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway_kit import virtual_time
from gateway_kit.frames_wire import FramesClient, FramesCodec, Kind, frame, json_frame, serve_frames
from gateway_kit.session_world import World
from voice_gateway.domain.errors import GatewayError
from voice_gateway.transports.call import CallLimits, Doors
from voice_gateway.transports.refusal_log import RefusalLog

ID = frame(Kind.ID, bytes(range(16)))
HELLO = {"hello": "frames"}
LIMITS = CallLimits()
BOUND_S = 120
"""Of virtual time. A session is never still, so that a test which waits for what does not come would go on for ever."""
T = TypeVar("T")


def in_time(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end."""

    async def bounded() -> T:
        async with asyncio.timeout(BOUND_S):
            return await main

    return virtual_time.run(bounded())


@dataclass
class Exchange:
    """Serves whoever dials, on pairs of sockets of this process: what one side sends, the other has at once."""

    world: World = field(default_factory=World)
    refused: list[GatewayError] = field(default_factory=list)
    calls: list[asyncio.Task[None]] = field(default_factory=list)
    clients: list[FramesClient] = field(default_factory=list)

    faults: list[dict[str, Any]] = field(default_factory=list)
    """What the loop tells of: tasks that died of something at which nobody looked."""

    def __post_init__(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: self.faults.append(fault))
        service = self.world.service()
        self.doors = Doors(service.expect, service.admit, service.open, RefusalLog(self))

    def session_refused(self, error: GatewayError) -> None:
        """Keep."""
        self.refused.append(error)

    async def dial(self, codec: FramesCodec | None = None, doors: Doors | None = None) -> FramesClient:
        """A connected client, which has not read anything."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        serving = serve_frames(reader, writer, doors or self.doors, LIMITS, codec)
        self.calls.append(asyncio.create_task(serving))
        self.clients.append(FramesClient(*await asyncio.open_connection(sock=theirs)))
        return self.clients[-1]

    async def opened(self) -> FramesClient:
        """A client with a session, which has said a word of its own."""
        client = await self.dial()
        await client.send(ID, json_frame([]))
        assert [await client.next(), await client.next()] == [HELLO, {"session": f"s{len(self.calls)}"}]
        return client

    async def nothing_is_left(self) -> None:
        """Every call has ended, well or with its reason told; nothing of it is there from that moment on."""
        await asyncio.gather(*self.calls)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert self.faults == []
        await asyncio.gather(*(client.close() for client in self.clients))
        assert self.world.nothing_is_left()
