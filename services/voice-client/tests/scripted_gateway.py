"""A gateway that follows a script, on a real socket: what the client under test talks to."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Never

import grpc
import numpy as np
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from voice_client.link import ServerEvent, Target
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2, voice_gateway_service_pb2_grpc
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

OUTPUT_RATE_HZ = 24_000

_FIELDS = {
    one.message_type.name: one.name for one in service_pb2.ConverseResponse.DESCRIPTOR.oneofs_by_name["payload"].fields
}
_CODES = {code.name: number for number, code in code_pb2.Code.DESCRIPTOR.values_by_number.items()}


def tone(duration_ms: int, rate_hz: int = OUTPUT_RATE_HZ) -> bytes:
    """A loud 440 Hz tone, s16le mono, that begins and ends with sound."""
    times = np.arange(duration_ms * rate_hz // 1000) / rate_hz
    return bytes((12_000 * np.cos(2 * np.pi * 440 * times)).astype("<i2").tobytes())


def started(**changes: object) -> server_pb2.Started:
    """What a healthy server begins with."""
    linear = audio_pb2.AUDIO_ENCODING_LINEAR_PCM
    message = server_pb2.Started(
        session_id="s-1",
        audio_in=audio_pb2.AudioFormat(encoding=linear, sample_rate_hz=16_000),
        audio_out=audio_pb2.AudioFormat(encoding=linear, sample_rate_hz=OUTPUT_RATE_HZ),
        language_code="en-US",
        limits=server_pb2.Limits(preferred_frame_ms=20, max_text_chars=4000),
        server_version="0.1.0",
    )
    message.MergeFrom(server_pb2.Started(**changes))  # type: ignore[arg-type]  # a test's own keywords
    return message


@dataclass
class Peer:
    """The server's end of one call, with everything the client has sent until now."""

    context: grpc.aio.ServicerContext[service_pb2.ConverseRequest, service_pb2.ConverseResponse]
    requests: list[service_pb2.ConverseRequest] = field(default_factory=list)
    has_half_closed: bool = False
    _has_arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _reply_numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def read_all(self, iterator: AsyncIterator[service_pb2.ConverseRequest]) -> None:
        """Collect requests until the client half-closes."""
        async for request in iterator:
            self.requests.append(request)
            self._tell()
        self.has_half_closed = True
        self._tell()

    def _tell(self) -> None:
        self._has_arrived.set()
        self._has_arrived.clear()

    async def send(self, event: ServerEvent) -> None:
        response = service_pb2.ConverseResponse()
        slot = getattr(response, _FIELDS[event.DESCRIPTOR.name])
        slot.SetInParent()
        slot.CopyFrom(event)
        await self.context.write(response)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the client has sent makes it true."""
        while not condition():
            await self._has_arrived.wait()

    async def more_than(self, kind: str, count: int) -> list[service_pb2.ConverseRequest]:
        """All requests of a kind, as soon as there are more than `count` of them or the client half-closes."""
        await self.until(lambda: len(self.of(kind)) > count or self.has_half_closed)
        return self.of(kind)

    async def burst(self) -> None:
        """Wait for new sound with 60 ms of silence after it."""
        begin = len(self.heard_pcm())
        await self.until(lambda: any(self.heard_pcm()[begin:]) and not any(self.heard_pcm()[-1920:]))

    def of(self, kind: str) -> list[service_pb2.ConverseRequest]:
        return [request for request in self.requests if request.WhichOneof("payload") == kind]

    def playbacks(self, reply_id: str) -> list[client_pb2.Playback]:
        return [one.playback for one in self.of("playback") if one.playback.reply_id == reply_id]

    def has_final(self, reply_id: str) -> bool:
        return any(report.is_final for report in self.playbacks(reply_id))

    def heard_pcm(self) -> bytes:
        """All audio so far; fails unless it is contiguous."""
        pcm = b""
        for request in self.of("audio"):
            assert request.audio.offset_samples * 2 == len(pcm)
            pcm += request.audio.data
        return pcm

    async def begin_reply(self, turn_id: str, text: str, pcm: bytes, *, is_last: bool = True) -> str:
        reply_id = f"s-1-r{next(self._reply_numbers)}"
        kind = server_pb2.REPLY_KIND_ANSWER
        await self.send(server_pb2.ReplyText(reply_id=reply_id, turn_id=turn_id, kind=kind, sentence_id=1, text=text))
        await self.send(server_pb2.ReplyAudio(reply_id=reply_id, sentence_id=1, data=pcm, is_last=is_last))
        return reply_id

    async def finish_reply(
        self,
        reply_id: str,
        turn_id: str,
        outcome: "server_pb2.ReplyOutcome.ValueType" = server_pb2.REPLY_OUTCOME_COMPLETED,
    ) -> None:
        kind = server_pb2.REPLY_KIND_ANSWER
        await self.send(server_pb2.ReplyFinished(reply_id=reply_id, turn_id=turn_id, kind=kind, outcome=outcome))

    async def answer(self, turn_id: str, user_text: str, text: str, pcm: bytes) -> str:
        """A whole turn: final transcript, reply, report, and the end once the client has played it out."""
        await self.send(server_pb2.Transcript(turn_id=turn_id, text=user_text, is_final=True))
        reply_id = await self.begin_reply(turn_id, text, pcm)
        spans = [server_pb2.LatencySpan(name="endpointing", duration_ms=480, setting="stop_history_ms")]
        spans.append(server_pb2.LatencySpan(name="llm_first_token", start_ms=480, duration_ms=70))
        await self.send(server_pb2.TurnReport(turn_id=turn_id, reply_id=reply_id, total_ms=550, spans=spans))
        await self.until(lambda: self.has_final(reply_id))
        await self.finish_reply(reply_id, turn_id)
        return reply_id

    async def end(self, reason: "server_pb2.EndReason.ValueType") -> None:
        await self.send(server_pb2.Ended(reason=reason))

    async def abort(self, code: grpc.StatusCode, reason: str, message: str) -> Never:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="voicegateway.v1"))
        status = status_pb2.Status(code=_CODES[code.name], message=message, details=[detail])
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
        await self.context.abort(code, message, trailing)


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Gateway(voice_gateway_service_pb2_grpc.VoiceGatewayServiceServicer):
    """Runs the script for each call; `peers` has every call's record, `failures` what a script raised."""

    script: Script
    capabilities: service_pb2.GetCapabilitiesResponse = field(default_factory=service_pb2.GetCapabilitiesResponse)
    peers: list[Peer] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def Converse(  # type: ignore[override]  # noqa: N802 gRPC's name
        self, iterator: AsyncIterator[service_pb2.ConverseRequest], context: object
    ) -> None:
        peer = Peer(context)  # type: ignore[arg-type]  # the stub's context is both kinds at once
        self.peers.append(peer)
        reading = asyncio.create_task(peer.read_all(iterator))
        try:
            await self.script(peer)
        except AssertionError as failure:
            self.failures.append(failure)
            raise
        finally:
            reading.cancel()
            await asyncio.wait((reading,))

    async def GetCapabilities(  # noqa: N802 gRPC's name
        self, _request: service_pb2.GetCapabilitiesRequest, _context: object
    ) -> service_pb2.GetCapabilitiesResponse:
        return self.capabilities


@asynccontextmanager
async def serving(
    script: Script, *, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[tuple[Gateway, Target]]:
    """Serve a script on a free port of the loopback."""
    gateway = Gateway(script)
    server = grpc.aio.server()
    voice_gateway_service_pb2_grpc.add_VoiceGatewayServiceServicer_to_server(gateway, server)
    port = (
        server.add_secure_port("localhost:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    )
    await server.start()
    try:
        host = "localhost" if credentials else "127.0.0.1"
        yield gateway, Target(f"{host}:{port}")
    finally:
        await server.stop(None)
        assert not gateway.failures
