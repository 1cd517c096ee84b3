"""A fake of an OpenTelemetry collector: takes spans by gRPC and by HTTP, on real sockets, and can be slow or refuse."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from voicegateway_testkit.fakes.grpc_fake import GrpcFake

_EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened within a span."""

    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that a span names."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span as it was sent; ids in hexadecimal digits, instants in nanoseconds since 1970."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty: it has no parent."""
    kind: str
    """SERVER, CLIENT, INTERNAL."""
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    is_error: bool
    error: str
    """What describes the error; empty if nothing does."""
    resource: dict[str, Any]

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1_000_000


class FakeCollector(GrpcFake):
    """A collector; an async context manager. `base_url` takes HTTP, `address` gRPC."""

    def __init__(self, *, delay_ms: int = 0, refuses: bool = False) -> None:
        """Makes one that takes each batch after `delay_ms`, or refuses all: by gRPC INVALID_ARGUMENT, by HTTP 400."""
        super().__init__()
        self.spans: list[CollectedSpan] = []
        self.delay_ms = delay_ms
        self.refuses = refuses
        self.batches = 0
        """How many were sent, whether taken or not."""
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """Where HTTP is spoken, once started."""
        if self._runner is None:
            raise RuntimeError("start the fake first")
        return f"http://{self._host}:{self._runner.addresses[0][1]}"

    def named(self, name: str) -> list[CollectedSpan]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def below(self, parent: CollectedSpan) -> list[CollectedSpan]:
        """The children of a span, in order of their start."""
        children = [span for span in self.spans if span.parent_id == parent.span_id]
        return sorted(children, key=lambda span: span.start_ns)

    def describe(self) -> str:
        """Names the spans that came."""
        return ", ".join(span.name for span in self.spans) or "no span"

    async def __aenter__(self) -> Self:
        await self.start()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        export = grpc.unary_unary_rpc_method_handler(
            self._export,
            trace_service_pb2.ExportTraceServiceRequest.FromString,
            trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
        )
        return [grpc.method_handlers_generic_handler(_EXPORT, {"Export": export})]

    async def _export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        if not await self._take(request):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the fake refuses")
        return trace_service_pb2.ExportTraceServiceResponse()

    async def _post(self, http: web.Request) -> web.Response:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(await http.read())
        is_taken = await self._take(request)
        answer = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf", status=200 if is_taken else 400)

    async def _take(self, request: trace_service_pb2.ExportTraceServiceRequest) -> bool:
        self.batches += 1
        await asyncio.sleep(self.delay_ms / 1000)
        if not self.refuses:
            self.spans += _collected(request.resource_spans)
        self._changed()
        return not self.refuses


def _collected(batches: Iterable[trace_pb2.ResourceSpans]) -> Iterator[CollectedSpan]:
    for batch in batches:
        resource = _values(batch.resource.attributes)
        for scope in batch.scope_spans:
            for span in scope.spans:
                yield _span(span, resource)


def _span(span: trace_pb2.Span, resource: dict[str, Any]) -> CollectedSpan:
    return CollectedSpan(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        tuple(Event(event.name, _values(event.attributes)) for event in span.events),
        tuple(Link(link.trace_id.hex(), link.span_id.hex(), _values(link.attributes)) for link in span.links),
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        span.status.message,
        resource,
    )


def _values(attributes: Iterable[common_pb2.KeyValue]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in attributes}
