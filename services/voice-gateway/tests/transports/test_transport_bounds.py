"""What one client may cost a server on the wire, and how it is told: rates, patience, sizes."""

import asyncio

import grpc
import pytest
from gateway_kit import virtual_time
from transports.transport_fakes import FakeGateway, FakeSession, converse, read_all, reason_of, send, serving
from transports.v1_calls import START, nothing_is_left
from transports.v1_messages import raw
from voice_gateway.domain import events
from voice_gateway.domain.errors import Reason, Unavailable
from voice_gateway.session.ports import ClientSink, SessionRequest
from voice_gateway.transports.call import MESSAGES, paced
from voicegateway.v1 import client_pb2


def test_messages_are_read_at_a_pace() -> None:
    """What fits the bucket is read at once; a flood of five seconds takes five seconds, whatever it says."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        pace, began_s = MESSAGES, loop.time()
        for _ in range(MESSAGES.capacity):
            pace = await paced(pace)
        assert loop.time() == began_s
        for _ in range(5 * MESSAGES.per_s):
            pace = await paced(pace)
        return loop.time() - began_s

    assert virtual_time.run(main()) == pytest.approx(5, abs=0.01)


async def test_a_client_over_its_bounds_is_told_so() -> None:
    """What a session refuses as too much ends the call RESOURCE_EXHAUSTED / RATE_EXCEEDED, and leaves nothing."""

    class Strict(FakeSession):
        def type_text(self, text: str) -> None:
            raise Unavailable(Reason.RATE_EXCEEDED, f"too much: {text}")

    async def wait(session: FakeSession) -> events.Ended:
        return events.Ended(await session.stop)

    class StrictGateway(FakeGateway):
        async def open_session(self, request: SessionRequest, sink: ClientSink) -> FakeSession:
            del request
            return Strict(self.info, sink, wait)

    async with serving(StrictGateway()) as channel:
        call = converse(channel)
        await send(call, START, raw(text=client_pb2.TextInput(text="Hi.")))
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_EXCEEDED", {})
    await nothing_is_left()
