"""What one client may cost a server on the wire, and how it is told: rates, patience, sizes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from gateway_kit import virtual_time
from transports.transport_fakes import (
    FakeGateway,
    FakeSession,
    RawCall,
    converse,
    read_all,
    reason_of,
    send,
    serving,
    serving_port,
    stream_audio,
)
from transports.v1_calls import START, next_reply, nothing_is_left, payloads
from transports.v1_messages import raw
from voice_gateway.domain import events
from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, Limit, Reason, Refused, Unavailable
from voice_gateway.identity.shown import Shown
from voice_gateway.session.ports import ClientSink, SessionRequest
from voice_gateway.transports import operations
from voice_gateway.transports.call import MESSAGES, CallLimits, Pace
from voice_gateway.transports.client_input import MAX_REQUEST_BYTES
from voicegateway.v1 import client_pb2
from voicegateway_testkit.hostile.half_sent import HalfSentCalls


def test_messages_are_read_at_a_pace() -> None:
    """What fits the bucket is read at once; a flood of five seconds takes five seconds, whatever it says."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        pace, began_s = Pace(MESSAGES), loop.time()
        for _ in range(MESSAGES.capacity):
            assert pace.spend() == 0
        for _ in range(5 * MESSAGES.per_s):
            await asyncio.sleep(pace.spend())
        return loop.time() - began_s

    assert virtual_time.run(main()) == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize(
    ("chunk_ms", "speed"), [(64, 12.8), (20, 8), (10, 4), (20, 1)], ids=["older contract", "pushed", "WebRTC", "calls"]
)
def test_real_clients_are_not_paced(chunk_ms: int, speed: float) -> None:
    """Five minutes of audio as clients send it are read as they come: nobody waits for a token."""

    async def main() -> None:
        pace = Pace(MESSAGES)
        for _ in range(300_000 // chunk_ms):
            await asyncio.sleep(chunk_ms / 1_000 / speed)
            assert pace.spend() == 0

    virtual_time.run(main())


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
            return Strict(self.agreement, sink, wait)

    async with serving(StrictGateway()) as channel:
        call = converse(channel)
        await send(call, START, raw(text=client_pb2.TextInput(text="Hi.")))
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_EXCEEDED", {})
    await nothing_is_left()


# --- waiting for `start` ---


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame, RFC 9113, section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _field(name: bytes, value: bytes) -> bytes:
    """A literal header field without indexing, RFC 7541, section 6.2.2."""
    return bytes((0, len(name))) + name + bytes((len(value),)) + value


def all_but_a_byte(path: bytes, first: bytes) -> bytes:
    """A call as it is on the wire, whose first message is one byte longer than what comes of it."""
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"localhost"))
    grpc_fields = ((b"te", b"trailers"), (b"content-type", b"application/grpc"))
    head = b"".join(_field(name, value) for name, value in (*fields, *grpc_fields))
    message = b"\0" + (len(first) + 1).to_bytes(4, "big") + first
    return b"".join(
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _frame(4, 0, 0, b""),
            _frame(1, 4, 1, head),
            _frame(0, 0, 1, message),
        )
    )


HURRIED = CallLimits(start_timeout_ms=50)


@pytest.mark.parametrize("open_call", [converse, stream_audio])
async def test_a_client_that_never_starts_is_not_waited_for(open_call: Callable[[grpc.aio.Channel], RawCall]) -> None:
    """Over either contract: no first message in time is DEADLINE_EXCEEDED / START_TIMEOUT, and no session opens."""
    gateway = FakeGateway()
    async with serving(gateway, HURRIED) as channel:
        call = open_call(channel)
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.DEADLINE_EXCEEDED, "START_TIMEOUT", {})
    await nothing_is_left()
    assert gateway.requests == []


async def test_half_a_message_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """A first message of which all but the last byte came: the stream ends, and the memory that holds it is let go."""
    caplog.set_level(logging.INFO)
    gateway = FakeGateway()
    async with serving_port(gateway, HURRIED) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(all_but_a_byte(b"/voicegateway.v1.VoiceGatewayService/Converse", bytes(10_000)))
        while True:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == 1 and head[4] & 1:  # trailers
                break
        writer.close()
        await writer.wait_closed()
    (refused,) = (line for line in caplog.records if line.msg == "call_refused")
    assert vars(refused)["reason"] == "START_TIMEOUT"
    await nothing_is_left()


async def test_a_client_that_starts_in_time_may_be_silent() -> None:
    """The patience is for the first message alone."""
    async with serving(FakeGateway(), HURRIED) as channel:
        call = converse(channel)
        await send(call, START)
        assert (await next_reply(call)).started.session_id == "s7"
        waiting: asyncio.Task[Any] = asyncio.create_task(call.read())
        await asyncio.wait({waiting}, timeout=0.2)
        assert not waiting.done()
        await call.done_writing()
        last = await waiting
        assert isinstance(last, bytes)
        assert payloads([last]) == ["ended"]
        assert await call.code() is grpc.StatusCode.OK


FULL = Refused(Reason.AT_CAPACITY, Limit.UNSTARTED, "a crowd", 1_000)


@pytest.mark.parametrize("open_call", [converse, stream_audio])
async def test_one_of_a_crowd_is_told_so(
    open_call: Callable[[grpc.aio.Channel], RawCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where too many wait for their first message, one that does not come at once is AT_CAPACITY."""
    monkeypatch.setattr(operations, "CROWDED_MS", 50)
    gateway = FakeGateway(crowded=FULL)
    async with serving(gateway, CallLimits(start_timeout_ms=3_600_000)) as channel:
        call = open_call(channel)
        await read_all(call)
        assert await reason_of(call) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "AT_CAPACITY", {})
    await nothing_is_left()
    assert (gateway.requests, gateway.refused, gateway.expected.total) == ([], [FULL], 0)


async def test_one_of_a_crowd_that_starts_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd of strangers keeps nobody out who says what it wants, and one that was served waits no more."""
    monkeypatch.setattr(operations, "CROWDED_MS", 30_000)
    gateway = FakeGateway(crowded=FULL)
    async with serving(gateway) as channel:
        call = converse(channel)
        await send(call, START)
        assert (await next_reply(call)).started.session_id == "s7"
        assert gateway.expected.total == 0
        call.cancel()
    await nothing_is_left()


async def test_one_of_a_crowd_that_asks_a_question_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request of a unary method is one of those that are waited for."""
    monkeypatch.setattr(operations, "CROWDED_MS", 50)
    gateway = FakeGateway(crowded=FULL)
    async with serving_port(gateway) as port:
        method = "/voicegateway.v1.VoiceGatewayService/GetCapabilities"
        calls = HalfSentCalls("127.0.0.1", port, 100, method)
        await calls.hold(2, 30)
    assert list(calls.statuses.values()) == ["grpc-status 8"] * 2  # RESOURCE_EXHAUSTED
    assert gateway.expected.total == 0


class Stranger:
    """An entrance that knows nobody."""

    async def caller(self, shown: Shown) -> Caller:
        """See Identifies."""
        raise ClientError(Reason.TOKEN_INVALID, f"{shown.address} shows nothing")


@pytest.mark.parametrize(
    ("gateway", "entrance", "sent", "reason"),
    [
        (FakeGateway(), None, None, Reason.START_TIMEOUT),
        (FakeGateway(), None, b"", Reason.MESSAGE_EMPTY),
        (FakeGateway(), Stranger(), None, Reason.TOKEN_INVALID),
        (FakeGateway(early_refusal=Unavailable(Reason.DRAINING, "")), None, START, Reason.DRAINING),
        (FakeGateway(refusal=ClientError(Reason.VOICE_UNSUPPORTED, "")), None, START, Reason.VOICE_UNSUPPORTED),
    ],
    ids=["late", "empty", "stranger", "draining", "voice"],
)
async def test_whoever_got_no_session_is_counted_once(
    gateway: FakeGateway, entrance: Stranger | None, sent: bytes | None, reason: Reason
) -> None:
    """Whatever it is refused for and by whom, the metric of refusals has it."""
    async with serving(gateway, HURRIED if sent is None else None, entrance) as channel:
        call = converse(channel)
        if sent is not None:
            await send(call, sent)
        await read_all(call)
        assert (await reason_of(call))[1] == reason
    assert [error.reason for error in gateway.refused] == [reason]


# --- sizes ---


@pytest.mark.parametrize(
    ("size_bytes", "code", "reason"),
    [
        (MAX_REQUEST_BYTES + 1, grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE"),
        (MAX_REQUEST_BYTES + 65_536, grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE"),
        (MAX_REQUEST_BYTES + 65_537, grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_too_large_is_said_by_whoever_sees_it(
    size_bytes: int, code: grpc.StatusCode, reason: str, *, is_first: bool
) -> None:
    """A little too large is told with a reason; what is larger is refused by gRPC, which does not hold it."""
    async with serving(FakeGateway()) as channel:
        call = converse(channel)
        if not is_first:
            await send(call, START)
        await send(call, bytes(size_bytes))
        await read_all(call)
        assert await reason_of(call) == (code, reason, {})
    await nothing_is_left()
