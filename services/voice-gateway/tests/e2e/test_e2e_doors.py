"""Who gets in, what is counted, and how long a connection lives: the whole gateway on real sockets."""

import asyncio
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from gateway_kit.whole_gateway import NOWHERE, world
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_status import rpc_status
from voice_gateway.app.servers import age_options
from voice_workflow_pb2_grpc import VoiceGatewayStub
from voicegateway.v1.voice_gateway_service_pb2 import GetCapabilitiesRequest
from voicegateway.v1.voice_gateway_service_pb2_grpc import VoiceGatewayServiceStub
from voicegateway_testkit import ConverseClient, utterance_pcm

BOUND_S = 30.0
TOKENS = {"AUTH_TOKENS": "first-token, second-token"}


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata that shows a token."""
    return (("authorization", token),)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Status and reason of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(cast("Any", caught.value))
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    status.details[0].Unpack(info)
    return caught.value.code(), info.reason


@pytest.mark.parametrize(
    "shown", [(), bearer("Bearer other"), bearer("first-token"), bearer("Basic first-token")], ids=str
)
async def test_without_a_known_token_nothing_opens(shown: tuple[tuple[str, str], ...]) -> None:
    """Neither contract nor reflection answers a caller without a token, and the reason says why."""
    expected = (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    async with world(settings=TOKENS) as around, grpc.aio.insecure_channel(around.address) as channel:
        stub = VoiceGatewayServiceStub(channel)
        assert (
            await refused(stub.GetCapabilities(GetCapabilitiesRequest(), metadata=shown, timeout=BOUND_S)) == expected
        )
        assert await refused(stub.Converse(metadata=shown, timeout=BOUND_S).read()) == expected
        older: Any = VoiceGatewayStub(channel)
        assert await refused(older.StreamAudio(metadata=shown, timeout=BOUND_S).read()) == expected
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        call = reflection.ServerReflectionInfo(metadata=shown, timeout=BOUND_S)
        assert await refused(call.read()) == expected
        assert around.asr.open_streams == 0


@pytest.mark.parametrize("shown", ["Bearer first-token", "bearer second-token"])
async def test_any_known_token_opens(shown: str) -> None:
    """Two tokens at a time let one be changed without refusing anybody; the scheme is in any case (RFC 9110)."""
    async with world(settings=TOKENS) as around, grpc.aio.insecure_channel(around.address) as channel:
        stub = VoiceGatewayServiceStub(channel)
        answer = await stub.GetCapabilities(GetCapabilitiesRequest(), metadata=bearer(shown), timeout=BOUND_S)
        assert answer.server_version


async def scraped(port: int, request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[str, str]:
    """Status line and body of one HTTP request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(BOUND_S):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head.split("\r\n", 1)[0], body


async def test_a_conversation_is_counted() -> None:
    """A session, its turn and its latency are on the metrics port, while it runs and after it."""
    async with world("How are you?") as around:
        port = around.gateway.metrics_port
        async with ConverseClient(around.address) as client:
            await client.start()
            client.send_audio(utterance_pcm(speech_ms=900, silence_ms=700))
            await client.wait_for("reply_finished", timeout_s=BOUND_S)
            _, during = await scraped(port)
            await client.half_close()
            await client.wait_end(timeout_s=BOUND_S)
        await around.wait_quiet()
        status, after = await scraped(port)
    assert status == "HTTP/1.1 200 OK"
    assert "\nvoicegateway_sessions_in_progress 1.0" in during
    assert "\nvoicegateway_sessions_in_progress 0.0" in after
    assert 'voicegateway_sessions_ended_total{reason="CLIENT_HALF_CLOSED",transport="grpc_v1"} 1.0' in after
    assert 'voicegateway_turns_total{outcome="ANSWERED"} 1.0' in after
    assert "\nvoicegateway_voice_to_voice_seconds_count 1.0" in after
    assert f'voicegateway_backend_errors_total{{address="{around.asr.address}",backend="asr"}} 0.0' in after
    model = around.llm.base_url.removeprefix("http://").removesuffix("/v1")
    first = "voicegateway_backend_first_output_seconds_count"
    assert f'{first}{{address="{model}",backend="llm"}} 1.0' in after
    assert f'{first}{{address="{around.tts.address}",backend="tts"}} 2.0' in after
    assert "\nprocess_cpu_seconds_total " in after


@pytest.mark.parametrize("request_line", [b"GET /", b"POST /metrics", b"nonsense"])
async def test_the_metrics_port_has_nothing_else(request_line: bytes) -> None:
    """A port scan learns nothing and breaks nothing."""
    async with world() as around:
        status, _ = await scraped(around.gateway.metrics_port, request_line + b" HTTP/1.1\r\n\r\n")
        assert status == "HTTP/1.1 404 Not Found"
        assert (await scraped(around.gateway.metrics_port))[0] == "HTTP/1.1 200 OK"


async def test_failures_of_an_address_are_counted_by_address() -> None:
    """Which replica is ill can be seen, also where no session has noticed."""
    async with world(settings={"TTS_URI": NOWHERE}) as around, asyncio.timeout(BOUND_S):
        none = f'voicegateway_backend_errors_total{{address="{NOWHERE}",backend="tts"}} 0.0'
        while none in (await scraped(around.gateway.metrics_port))[1]:
            pass


async def test_an_old_connection_ends_between_calls_and_cuts_none() -> None:
    """Clients that stay for days move to new pods; a call that runs is never ended by its connection's age."""
    async with world(settings={"MAX_CONNECTION_AGE_MS": "50"}) as around, ConverseClient(around.address) as client:
        await client.start()
        async with grpc.aio.insecure_channel(around.address) as younger, asyncio.timeout(BOUND_S):
            await VoiceGatewayServiceStub(younger).GetCapabilities(GetCapabilitiesRequest())
            while younger.get_state() is grpc.ChannelConnectivity.READY:
                await younger.wait_for_state_change(grpc.ChannelConnectivity.READY)
        client.send_text("Are you still there?")
        await client.wait_for("reply_finished", timeout_s=BOUND_S)


def test_age_options_stand_for_ever_when_there_is_no_age() -> None:
    """0 leaves connections alone, and the grace of an old one has no end."""
    assert age_options(0) == ()
    assert dict(age_options(60_000)) == {
        "grpc.max_connection_age_ms": 60_000,
        "grpc.max_connection_age_grace_ms": 2**31 - 1,
    }
