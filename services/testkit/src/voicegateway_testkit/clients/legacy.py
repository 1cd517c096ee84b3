"""A client of the older contract on a raw channel: hand-made messages in, everything that comes back kept."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
import voice_workflow_pb2 as workflow_pb2

from voicegateway_testkit.clients.call import PeerCall, channel
from voicegateway_testkit.clients.log import CallLog, CallStatus, Entry

METHOD = "/voice_workflow.VoiceGateway/StreamAudio"
DEFAULT_RATE_HZ = 16000
_SAMPLE_BYTES = 2

LegacyEntry = Entry[workflow_pb2.ServerMessage]


class LegacyClient:
    """One StreamAudio call; an async context manager, which on leaving gives the call up if it is still open."""

    def __init__(
        self,
        address: str,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Makes a client for host and port; with `credentials` it speaks TLS."""
        self._metadata = tuple(metadata)
        self._credentials = credentials
        self.log: CallLog[workflow_pb2.ServerMessage] = CallLog("content")
        self._address = address
        self._rate_hz = DEFAULT_RATE_HZ

    async def __aenter__(self) -> Self:
        self._channel = channel(self._address, self._credentials)
        method = self._channel.stream_stream(
            METHOD,
            request_serializer=workflow_pb2.ClientMessage.SerializeToString,
            response_deserializer=workflow_pb2.ServerMessage.FromString,
        )
        self.call: PeerCall[workflow_pb2.ClientMessage, workflow_pb2.ServerMessage] = PeerCall(
            method(metadata=self._metadata), self.log
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.call.close()
        await self._channel.close()

    def send(self, message: workflow_pb2.ClientMessage) -> None:
        """Sends any message, a wrong one too."""
        self.call.send(message)

    def configure(self, language_code: str = "", session_id: str = "", sample_rate_hz: int = 0) -> None:
        """Sends the first message."""
        self._rate_hz = sample_rate_hz or DEFAULT_RATE_HZ
        config = workflow_pb2.VoiceConfig(
            language_code=language_code, session_id=session_id, sample_rate=sample_rate_hz
        )
        self.send(workflow_pb2.ClientMessage(config=config))

    def send_text(self, text: str) -> None:
        """Types a turn."""
        self.send(workflow_pb2.ClientMessage(text_input=text))

    async def push(self, pcm: bytes, speed: float | None = None, chunk_ms: int = 64) -> None:
        """Sends s16le audio in chunks at `speed` times real time, None as fast as possible."""
        chunk_bytes = self._rate_hz * chunk_ms // 1000 * _SAMPLE_BYTES
        start_s = time.monotonic()
        for number, at in enumerate(range(0, len(pcm), chunk_bytes)):
            if speed is not None:
                leaves_s = start_s + number * chunk_ms / 1000 / speed
                await asyncio.sleep(max(0.0, leaves_s - time.monotonic()))
            self.send(workflow_pb2.ClientMessage(audio_chunk=pcm[at : at + chunk_bytes]))
        await self.call.drain()

    async def half_close(self) -> None:
        """Says that nothing more will come."""
        await self.call.half_close()

    async def collect(self, timeout_s: float = 30.0) -> list[str]:
        """Reads to the end of the call; gives what came as one line each, runs of audio as `audio N` with N samples."""
        await self.log.wait_end(timeout_s)
        return tell(self.log.entries)

    async def wait_end(self, timeout_s: float = 30.0) -> CallStatus:
        """Waits for the call's status."""
        return await self.log.wait_end(timeout_s)


def tell(entries: list[LegacyEntry]) -> list[str]:
    """Gives messages as readable lines; neighbouring pieces of audio are joined."""
    lines: list[str] = []
    samples = 0
    for entry in entries:
        if entry.kind == "audio_chunk":
            samples += len(entry.response.audio_chunk) // _SAMPLE_BYTES
            continue
        if samples:
            lines.append(f"audio {samples}")
            samples = 0
        lines.append(_line(entry.response))
    return [*lines, f"audio {samples}"] if samples else lines


def _line(message: workflow_pb2.ServerMessage) -> str:
    match message.WhichOneof("content"):
        case "transcript_chunk":
            return f"transcript {message.transcript_chunk}"
        case "llm_response_chunk":
            return f"reply {message.llm_response_chunk}"
        case "event":
            name = workflow_pb2.EventType.Name(message.event.type)
            return f"event {name} {message.event.message}".rstrip()
        case _:
            return "nothing"
