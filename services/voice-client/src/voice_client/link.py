"""The gRPC shell: one call, one writer, one reader. Knows messages, not conversations."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import grpc
from voicegateway.v1 import client_pb2, server_pb2, voice_gateway_service_pb2, voice_gateway_service_pb2_grpc

from voice_client.errors import ContractError, TlsError, UnreachableError, error_of_rpc
from voice_client.true_status import TrueStatus

# An answer to `start` needs a round trip and the backends' addresses; a dead address would hang for minutes.
CONNECT_TIMEOUT_S = 10
# Two minutes of 16 kHz audio: a server that has not read for two minutes never will.
MAX_PENDING_BYTES = 4 * 1024 * 1024

ClientMessage = (
    client_pb2.Start
    | client_pb2.AudioInput
    | client_pb2.TextInput
    | client_pb2.Playback
    | client_pb2.Interrupt
    | client_pb2.End
)
ServerEvent = (
    server_pb2.Started
    | server_pb2.SpeechStarted
    | server_pb2.SpeechEnded
    | server_pb2.Transcript
    | server_pb2.ReplyText
    | server_pb2.ReplyAudio
    | server_pb2.ReplyPaused
    | server_pb2.ReplyResumed
    | server_pb2.ReplyInterrupted
    | server_pb2.ReplyHeard
    | server_pb2.ReplyFinished
    | server_pb2.ToolCall
    | server_pb2.TurnReport
    | server_pb2.Checkpoint
    | server_pb2.Notice
    | server_pb2.GoingAway
    | server_pb2.Ended
)
Call = grpc.aio.StreamStreamCall[voice_gateway_service_pb2.ConverseRequest, voice_gateway_service_pb2.ConverseResponse]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is: `host:port`, and whether it speaks TLS; `ca_file` is PEM, None for the system's roots."""

    address: str
    tls: bool = False
    ca_file: Path | None = None
    token: str = field(default="", repr=False)
    """Shown to the server with each call; empty: none."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def open_channel(target: Target, options: Sequence[tuple[str, int]] = ()) -> grpc.aio.Channel:
    """Make a channel with options of gRPC; nothing is connected yet.

    Raises:
        TlsError: the CA file cannot be read.
    """
    if not target.tls:
        return grpc.aio.insecure_channel(target.address, options=options)
    try:
        roots = target.ca_file.read_bytes() if target.ca_file else None
    except OSError as error:
        raise TlsError(f"cannot read the CA file {target.ca_file}: {error.strerror}") from error
    credentials = grpc.ssl_channel_credentials(root_certificates=roots)
    return grpc.aio.secure_channel(target.address, credentials, options=options)


async def fetch_capabilities(target: Target) -> voice_gateway_service_pb2.GetCapabilitiesResponse:
    """Ask the server what it can do.

    Raises:
        UnreachableError, TlsError, ServerError: see errors.py.
    """
    async with open_channel(target) as channel:
        stub = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(channel)
        try:
            request = voice_gateway_service_pb2.GetCapabilitiesRequest()
            return await stub.GetCapabilities(request, timeout=CONNECT_TIMEOUT_S, metadata=target.metadata)
        except grpc.aio.AioRpcError as error:
            raise error_of_rpc(error, target.address, tls=target.tls) from error


_HALF_CLOSE: Final = None


class Link:
    """One `Converse` call. `send` queues and returns; the messages leave in order."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel = open_channel(target)
        self._queue: asyncio.Queue[ClientMessage | None] = asyncio.Queue()
        self._pending_bytes = 0
        self._is_closing = False

    async def __aenter__(self) -> Self:
        stub = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(self._channel)
        self._call: Call = stub.Converse(metadata=self._target.metadata)
        self._status = TrueStatus(self._call)
        self._writer = asyncio.create_task(self._write_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing = True
        self._writer.cancel()
        await asyncio.wait([self._writer])
        self._call.cancel()
        await self._channel.close()

    def send(self, message: ClientMessage) -> None:
        """Queue a message; after `half_close`, after the server's `ended` and on a call that is over it is dropped.

        Raises:
            UnreachableError: the server has not read for `MAX_PENDING_BYTES`.
        """
        if self._is_closing:
            return
        self._pending_bytes += message.ByteSize()
        if self._pending_bytes > MAX_PENDING_BYTES:
            raise UnreachableError(f"{self._target.address} has stopped reading")
        self._queue.put_nowait(message)

    def half_close(self) -> None:
        """Say that nothing more will be sent, after what is queued."""
        if not self._is_closing:
            self._is_closing = True
            self._queue.put_nowait(_HALF_CLOSE)

    async def drained(self) -> None:
        """Wait until everything queued has been handed to gRPC, which waits for the server beyond its own buffers."""
        await self._queue.join()

    async def events(self) -> AsyncIterator[ServerEvent]:
        """What the server says, until it ends the call with OK; payloads this client does not know are left out.

        Raises:
            UnreachableError, TlsError, ServerError: see errors.py.
        """
        has_answered = False
        try:
            async for response in self._call:
                has_answered = True
                payload = response.WhichOneof("payload")
                # A write that meets the end of the call would turn its status into INTERNAL (grpcio 1.85).
                self._is_closing |= payload == "ended"
                if payload is not None:
                    yield getattr(response, payload)
        except grpc.aio.AioRpcError as error:
            target, meant = self._target, await self._status.of(error)
            raise error_of_rpc(meant, target.address, tls=target.tls, has_answered=has_answered) from error

    async def _write_all(self) -> None:
        try:
            while (message := await self._queue.get()) is not _HALF_CLOSE:
                await self._call.write(_request(message))
                self._pending_bytes -= message.ByteSize()
                self._queue.task_done()
            await self._call.done_writing()
            self._queue.task_done()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The call has ended; its status reaches the reader, which reports it. Nobody may wait for this queue.
            self._is_closing = True
            self._queue.task_done()
            while not self._queue.empty():
                self._queue.get_nowait()
                self._queue.task_done()


_FIELDS: Final = {
    field.message_type.name: field.name
    for field in voice_gateway_service_pb2.ConverseRequest.DESCRIPTOR.oneofs_by_name["payload"].fields
}


def _request(message: ClientMessage) -> voice_gateway_service_pb2.ConverseRequest:
    request = voice_gateway_service_pb2.ConverseRequest()
    field: str = _FIELDS[message.DESCRIPTOR.name]
    getattr(request, field).SetInParent()
    getattr(request, field).CopyFrom(message)
    return request


async def first_event(events: AsyncIterator[ServerEvent], target: Target) -> server_pb2.Started:
    """Wait for `started`.

    Raises:
        UnreachableError: nothing came within `CONNECT_TIMEOUT_S`.
        ContractError: something else came first, or the call ended without it.
    """
    try:
        event = await asyncio.wait_for(anext(events, None), CONNECT_TIMEOUT_S)
    except TimeoutError as error:
        raise UnreachableError(f"no answer from {target.address} within {CONNECT_TIMEOUT_S} s") from error
    if not isinstance(event, server_pb2.Started):
        raise ContractError(f"the server began with {type(event).__name__}, not with Started")
    return event
