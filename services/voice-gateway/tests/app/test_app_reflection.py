"""Reflection is for tools that ask and leave: its streams are bounded in number and in patience."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc.aio
import pytest
from gateway_kit import virtual_time
from gateway_kit.counted import Sent
from gateway_kit.loopback import listening
from grpc_reflection.v1alpha import reflection_pb2
from voice_gateway.app import reflection

Stream = grpc.aio.StreamStreamCall[bytes, bytes]
LIST = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
SERVICE = "voicegateway.v1.VoiceGatewayService"


@asynccontextmanager
async def reflecting() -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server that has reflection alone."""
    server = grpc.aio.server()
    reflection.enable(server, (SERVICE,))
    async with listening(server) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel


def opened(channel: grpc.aio.Channel, version: int = 0) -> Stream:
    """A stream of one of the two versions."""
    stream: Stream = channel.stream_stream(f"/{reflection.NAMES[version]}/ServerReflectionInfo")()
    return stream


async def services(stream: Stream) -> list[str]:
    """What there is, as one answer tells."""
    await stream.write(LIST)
    raw = await stream.read()
    assert isinstance(raw, bytes)
    answer = reflection_pb2.ServerReflectionResponse.FromString(raw)
    return [service.name for service in answer.list_services_response.service]


@pytest.mark.parametrize("version", [0, 1])
async def test_a_tool_asks_as_often_as_it_likes_and_leaves(version: int) -> None:
    """One stream answers one question after another, and ends OK when its client has no more."""
    async with reflecting() as channel:
        stream = opened(channel, version)
        for _ in range(5):
            assert await services(stream) == sorted([SERVICE, *reflection.NAMES])
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("asked", [0, 2])
async def test_a_stream_that_asks_nothing_ends(asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it has asked before or not: it would keep a stream of its connection from a call."""
    if not asked:
        monkeypatch.setattr(reflection, "IDLE_MS", 50)
    async with reflecting() as channel:
        stream = opened(channel)
        for question in range(asked):
            if question == asked - 1:
                monkeypatch.setattr(reflection, "IDLE_MS", 50)  # from the next question on
            await services(stream)
        assert await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_streams_of_one_account_are_bounded() -> None:
    """One more is refused at once, and there is room when one has left."""
    async with reflecting() as channel:
        streams = [opened(channel) for _ in range(reflection.MAX_STREAMS_OF_AN_ACCOUNT)]
        for stream in streams:
            await services(stream)
        assert await opened(channel).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await streams[0].done_writing()
        assert await streams[0].code() is grpc.StatusCode.OK
        assert SERVICE in await services(opened(channel))


async def test_streams_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many accounts have no more than there is; what is no question is told."""
    monkeypatch.setattr(reflection, "MAX_STREAMS", 1)
    async with reflecting() as channel:
        stream = opened(channel)
        await services(stream)
        assert await opened(channel).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await stream.write(b"\xff")
        assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT


class NotReading:
    """A call whose client asks and takes no answer."""

    status: Any = None

    def peer(self) -> str:
        """Where it comes from."""
        return "ipv4:192.0.2.1:5000"

    async def read(self) -> bytes:
        """A question."""
        return LIST

    async def write(self, raw: bytes) -> None:
        """Is not over before the call is."""
        del raw
        await asyncio.Event().wait()

    async def abort_with_status(self, status: Any) -> None:
        """Is not over either: gRPC sends no status before what was written."""
        self.status = status
        await asyncio.Event().wait()


def test_a_stream_whose_answers_are_not_taken_ends() -> None:
    """Who asks and reads nothing would keep for ever what one account may have, and ten of them all that there is."""

    async def main() -> None:
        call, bounded = NotReading(), reflection._Bounded((SERVICE,))
        serving = asyncio.create_task(bounded.serve(None, cast("Any", call)))
        await asyncio.sleep(reflection.IDLE_MS / 1_000 - 0.001)
        assert (bounded._answered.total, call.status) == (1, None)
        await asyncio.sleep(0.002)
        assert (bounded._answered.total, call.status.code) == (0, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert bounded._held.total == 1  # of its account alone, until its status is out
        serving.cancel()
        await asyncio.wait({serving})
        assert bounded._held.total == 0

    virtual_time.run(main())


class Gone(NotReading):
    """A call whose client has vanished after its question."""

    async def write(self, raw: bytes) -> None:
        """As gRPC does on an ended call."""
        raise asyncio.InvalidStateError(raw)


async def test_a_client_that_vanishes_is_no_fault() -> None:
    """Of whatever a method raises gRPC logs a traceback: every scanner that hangs up would leave one."""
    call, bounded = Gone(), reflection._Bounded((SERVICE,))
    await bounded.serve(None, cast("Any", call))
    assert (call.status, bounded._held.total) == (None, 0)


class Babbling:
    """A call whose client asks what nobody understands; keeps what ended it, as gRPC does."""

    ended: Exception | None = None

    def peer(self) -> str:
        """Where it comes from."""
        return "ipv4:192.0.2.1:5000"

    async def read(self) -> bytes:
        """No question."""
        return Sent(b"\xff")

    async def abort_with_status(self, _: object) -> None:
        """End the call."""
        self.ended = grpc.aio.AbortError()
        raise self.ended


async def test_a_question_that_is_refused_goes_with_its_call() -> None:
    """A megabyte of each would stay until the collector comes."""
    call, bounded = Babbling(), reflection._Bounded((SERVICE,))
    Sent.alive = 0
    gc.disable()
    try:
        with pytest.raises(grpc.aio.AbortError):
            await bounded.serve(None, cast("Any", call))
        assert call.ended is not None
        assert Sent.alive == 0
    finally:
        gc.enable()
