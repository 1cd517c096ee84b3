"""A scripted server of v1 and of the older contract, for the kit's own tests of its clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import voice_workflow_pb2 as workflow_pb2
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit.clients.legacy import METHOD

RATE_HZ = 16000


class ScriptedCall:
    """The server's side of one call: reads into `received`, and the script writes."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.is_cancelled = False

    async def read_on(self) -> None:
        """Puts each message into `received`, and None for the half-close."""
        while (message := await self.context.read()) is not grpc.aio.EOF:
            self.received.put_nowait(message)
        self.received.put_nowait(None)

    async def write(self, **payload: Any) -> None:
        """Writes a ConverseResponse."""
        await self.context.write(service_pb2.ConverseResponse(**payload))

    async def open_session(self) -> client_pb2.Start:
        """Takes `start` and answers it."""
        request = await self.received.get()
        rate = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
        await self.write(started=server_pb2.Started(session_id="s", audio_in=request.start.audio_in, audio_out=rate))
        start: client_pb2.Start = request.start
        return start

    async def take(self, kind: str) -> Any:
        """Gives the next message of a kind, the ones before it dropped."""
        while (message := await self.received.get()).WhichOneof("payload") != kind:
            pass
        return getattr(message, kind)

    async def fail(self, code: grpc.StatusCode, reason: str) -> None:
        """Ends the call with a status that has an ErrorInfo."""
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(domain="voicegateway.v1", reason=reason, metadata={"backend": "asr"}))
        status = status_pb2.Status(code=code.value[0], message="no", details=[detail])
        await self.context.abort_with_status(rpc_status.to_status(status))


Script = Callable[[ScriptedCall], Awaitable[None]]


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncIterator[tuple[str, list[ScriptedCall]]]:
    """Serves calls of both contracts by `script`; gives the address and the calls so far."""
    calls: list[ScriptedCall] = []

    async def handle(_requests: object, context: Any) -> None:
        call = ScriptedCall(context)
        calls.append(call)
        reader = asyncio.create_task(call.read_on())
        try:
            await script(call)
        except asyncio.CancelledError:
            call.is_cancelled = True
            raise
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    server = grpc.aio.server()
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "voicegateway.v1.VoiceGatewayService",
                {
                    "Converse": grpc.stream_stream_rpc_method_handler(
                        handle,
                        service_pb2.ConverseRequest.FromString,
                        service_pb2.ConverseResponse.SerializeToString,
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                service,
                {
                    method: grpc.stream_stream_rpc_method_handler(
                        handle, workflow_pb2.ClientMessage.FromString, workflow_pb2.ServerMessage.SerializeToString
                    )
                },
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", calls
    finally:
        await server.stop(grace=None)
