"""voice_workflow.VoiceGateway on grpc.aio."""

from typing import Final

import grpc
import voice_workflow_pb2

from voice_gateway.transports.call import CallLimits, Doors, hold_call
from voice_gateway.transports.grpc_legacy.codec import Codec
from voice_gateway.transports.grpc_wire.trace_headers import told_trace
from voice_gateway.transports.grpc_wire.wire import GrpcWire, RawContext

SERVICE_NAME: Final[str] = voice_workflow_pb2.DESCRIPTOR.services_by_name["VoiceGateway"].full_name
"""For server reflection."""


def add_to_server(
    server: grpc.aio.Server,
    *,
    doors: Doors,
    limits: CallLimits = CallLimits(),  # noqa: B008  a frozen value
) -> None:
    """Serve VoiceGateway on `server`, which needs `grpc_wire.wire.SERVER_OPTIONS`."""

    async def stream_audio(_: object, context: RawContext) -> None:
        await hold_call(GrpcWire(context), Codec(told_trace(context)), doors, limits)

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "StreamAudio": grpc.stream_stream_rpc_method_handler(stream_audio)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
