"""Server reflection that tools in other languages can use: methods are found by their names, and v1 is spoken too.

Protobuf's pool finds every kind of symbol but methods, and ghz asks for the method that it is to call
(`voicegateway.v1.VoiceGatewayService.Converse`). grpcio-reflection speaks only v1alpha, whose messages are v1's, byte
for byte; newer clients ask for v1 first, and some for nothing else.

Tools ask a few questions and leave. A stream that asks nothing any more ends, and one account has at most
`MAX_STREAMS_OF_AN_ACCOUNT` of them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from voice_gateway.domain.errors import GatewayError
from voice_gateway.domain.limits import Tally, TokenBucket
from voice_gateway.transports.call import Pace
from voice_gateway.transports.failures import without_frames
from voice_gateway.transports.grpc_wire.auth import account_of
from voice_gateway.transports.grpc_wire.parsing import parse
from voice_gateway.transports.grpc_wire.wire import GrpcWire, RawContext
from voice_gateway.transports.operations import read_within, write_within
from voice_gateway.transports.wire import Vanished

OLD, NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"
SERVICE: Final = "ServerReflection"
NAMES: Final = (f"{NEW}.{SERVICE}", f"{OLD}.{SERVICE}")
MAX_STREAMS: Final = 100
MAX_STREAMS_OF_AN_ACCOUNT: Final = 10
"""Tools open one stream at a time, and some open one for each question."""
IDLE_MS: Final = 10_000
"""A stream ends after this time without a question, or with an answer that is not taken; a tool that a person looks
at opens another."""
QUESTIONS: Final = TokenBucket(capacity=100, per_s=20)
"""Questions of one stream; more of them wait. An answer has up to 30 kB, and a tool asks some 20 questions about all
the services here."""

_Question = reflection_pb2.ServerReflectionRequest


class _Symbols:
    """The files of a pool and of v1's own description, as the reflection servicer asks for them.

    Raises KeyError for what is not there, as a pool does.
    """

    def __init__(self) -> None:
        pools: Any = descriptor_pool  # whose functions have no types
        self._pool = pools.Default()
        self._v1 = pools.DescriptorPool()
        self._v1.Add(_described_as_v1())

    def FindFileByName(self, name: str) -> Any:  # noqa: N802  protobuf's name
        try:
            return self._pool.FindFileByName(name)
        except KeyError:
            return self._v1.FindFileByName(name)

    def FindFileContainingSymbol(self, name: str) -> Any:  # noqa: N802  protobuf's name
        pool = self._v1 if name.startswith(f"{NEW}.") else self._pool
        try:
            return pool.FindFileContainingSymbol(name)
        except KeyError:
            parent, _, method = name.rpartition(".")
            service = pool.FindServiceByName(parent)
            return service.methods_by_name[method].containing_service.file

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802  protobuf's name
        return self._pool.FindMessageTypeByName(name)

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:  # noqa: N802  protobuf's name
        return self._pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Any) -> Any:  # noqa: N802  protobuf's name
        return self._pool.FindAllExtensions(message)


class _Bounded:
    """The reflection servicer, for streams that are bounded."""

    def __init__(self, names: Iterable[str]) -> None:
        self._servicer: Any = reflection.aio.ReflectionServicer(names, pool=_Symbols())  # whose types say coroutine
        self._answered = Tally()
        self._held = Tally()
        """Those too whose status is not out yet, which a client can put off for ever."""

    async def serve(self, _: object, context: RawContext) -> None:
        """Answer what is asked on one stream."""
        account, wire = account_of(context), GrpcWire(context)
        if self._answered.total >= MAX_STREAMS or self._held.of(account) >= MAX_STREAMS_OF_AN_ACCOUNT:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams of reflection")
        with self._held.one_more(account):
            try:
                with self._answered.one_more(account):
                    await self._answer(wire, context)
            except Vanished as error:
                without_frames(error)
                return
            except GatewayError as error:
                failure = without_frames(error)
            else:
                return
            await wire.fail(failure)

    async def _answer(self, wire: GrpcWire, context: RawContext) -> None:
        pace = Pace(QUESTIONS)
        while (raw := await read_within(wire, IDLE_MS)) is not None:
            if wait_s := pace.spend():
                await asyncio.sleep(wait_s)
            question = parse(raw, _Question)
            async for answer in self._servicer.ServerReflectionInfo(_one(question), context):
                await write_within(wire, answer.SerializeToString(), IDLE_MS)


async def _one(question: _Question) -> AsyncIterator[_Question]:
    yield question


def enable(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Serve reflection of `services` and of itself, in both versions."""
    handler: Any = grpc.stream_stream_rpc_method_handler(_Bounded((*services, *NAMES)).serve)
    for name in NAMES:
        handlers = grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
        server.add_generic_rpc_handlers((handlers,))


def _described_as_v1() -> descriptor_pb2.FileDescriptorProto:
    """What v1alpha is described by, under the names of v1."""
    file = descriptor_pb2.FileDescriptorProto()
    known: Any = reflection_pb2.DESCRIPTOR  # whose functions have no types
    known.CopyToProto(file)
    file.name, file.package = f"{NEW.replace('.', '/')}/reflection.proto", NEW
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(OLD, NEW)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(OLD, NEW)
        method.output_type = method.output_type.replace(OLD, NEW)
    return file
