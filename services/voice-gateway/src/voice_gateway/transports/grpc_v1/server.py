"""voicegateway.v1.VoiceGatewayService on grpc.aio."""

from typing import Final

import grpc
from voicegateway.v1 import voice_gateway_service_pb2

from voice_gateway.domain.errors import GatewayError
from voice_gateway.session.ports import DescribeCapabilities
from voice_gateway.transports.call import CallLimits, Doors, hold_call
from voice_gateway.transports.failures import without_frames
from voice_gateway.transports.grpc_v1.codec import Codec
from voice_gateway.transports.grpc_v1.encoding import capabilities
from voice_gateway.transports.grpc_wire.status import abort
from voice_gateway.transports.grpc_wire.trace_headers import told_trace
from voice_gateway.transports.grpc_wire.unary import unary
from voice_gateway.transports.grpc_wire.wire import GrpcWire, RawContext

SERVICE_NAME: Final[str] = voice_gateway_service_pb2.DESCRIPTOR.services_by_name["VoiceGatewayService"].full_name
"""For server reflection."""


class _Servicer:
    """Handlers that take and give bytes; the codec parses, so that what does not parse gets a typed status too."""

    def __init__(self, doors: Doors, describe: DescribeCapabilities, server_version: str, limits: CallLimits) -> None:
        self._doors = doors
        self._describe = describe
        self._server_version = server_version
        self._limits = limits

    async def converse(self, _: object, context: RawContext) -> None:
        """Hold one conversation."""
        codec = Codec(self._server_version, told_trace(context))
        await hold_call(GrpcWire(context), codec, self._doors, self._limits)

    async def get_capabilities(self, _: None, context: RawContext) -> bytes:
        """Tell what the server can do now."""
        try:
            return capabilities(self._describe(), self._server_version)
        except GatewayError as error:
            failure = without_frames(error)
        return await abort(context, failure)


def _nothing(_: bytes) -> None:
    """The request has no fields; its bytes are not kept."""


def add_to_server(
    server: grpc.aio.Server,
    *,
    doors: Doors,
    capabilities: DescribeCapabilities,
    server_version: str,
    limits: CallLimits = CallLimits(),  # noqa: B008  a frozen value
) -> None:
    """Serve VoiceGatewayService on `server`, which needs `grpc_wire.wire.SERVER_OPTIONS`."""
    servicer = _Servicer(doors, capabilities, server_version, limits)
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Converse": grpc.stream_stream_rpc_method_handler(servicer.converse),
        "GetCapabilities": unary(servicer.get_capabilities, parse=_nothing, expect=doors.expect),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
