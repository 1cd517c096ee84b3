"""Spans on their way to a collector: OpenTelemetry's SDK and its OTLP exporters, with a bound, and a count of what is
lost. Headers, certificates, compression, limits, OTEL_BSP_*, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are read by
the SDK itself; but not OTEL_BSP_MAX_QUEUE_SIZE: the bound is ours.
"""

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Tracer

from voice_gateway.observability.trace_settings import CountSpans, Protocol, SpanFate, TracingSettings

_log = logging.getLogger(__name__)

QUEUED_SPANS = 4_096
"""Some 2 kB each, so 8 MB: a turn has about 20 spans, and 150 sessions of ten turns a minute make 500 a second."""
LAST_SPANS_S = 2.0
"""Time for the spans that wait at the end; whoever collects them may be down."""


_SAMPLERS: dict[str, Callable[[float], Sampler]] = {
    "always_on": lambda _: ALWAYS_ON,
    "always_off": lambda _: ALWAYS_OFF,
    "traceidratio": TraceIdRatioBased,
    "parentbased_always_on": lambda _: ParentBased(ALWAYS_ON),
    "parentbased_always_off": lambda _: ParentBased(ALWAYS_OFF),
    "parentbased_traceidratio": lambda ratio: ParentBased(TraceIdRatioBased(ratio)),
}


class Traces:
    """The traces of one process; to be made in the process that makes the spans, after any fork."""

    def __init__(
        self, settings: TracingSettings, version: str, count: CountSpans, *, worker: int | None = None
    ) -> None:
        """Begin. `worker` is which of several processes this is; None: it is alone."""
        exporter = _Exporter(_otlp(settings), count)
        self._provider = TracerProvider(
            sampler=_SAMPLERS[settings.sampler](settings.sampled_ratio),
            resource=_resource(version, worker),
            shutdown_on_exit=False,
        )
        self._queue = _Queue(exporter, count)
        self._provider.add_span_processor(self._queue)
        self.tracer: Tracer = self._provider.get_tracer("voice_gateway", version)

    async def close(self) -> None:
        """Send what waits, for LAST_SPANS_S at most; the thread that does it holds up nobody's end."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
                loop.call_soon_threadsafe(over.set)

        threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SPANS_S):
                await over.wait()
        if left := self._queue.give_up():
            _log.warning("spans were not sent", extra={"spans": left})


def _resource(version: str, worker: int | None) -> Resource:
    told = OTELResourceDetector().detect()
    resource = Resource.create({"service.name": "voice-gateway", "service.version": version}).merge(told)
    if worker is None:
        return resource
    # Of one service each instance has an id of its own (Semantic Conventions, "Service"); workers share an environment.
    given = told.attributes.get(SERVICE_INSTANCE_ID)
    return resource.merge(Resource({SERVICE_INSTANCE_ID: f"{given}-{worker}" if given else str(uuid.uuid4())}))


def mistake(settings: TracingSettings) -> str:
    """What in the environment the SDK cannot use, in words; empty: nothing."""
    try:
        SpanLimits()
        exporter = _otlp(settings)
        _batches(exporter).shutdown()  # type: ignore[no-untyped-call]  # the library has no type there
    except Exception as error:  # noqa: BLE001  the library raises whatever its parsing does
        return f"a variable of OpenTelemetry cannot be used: {error}"
    return ""


def _otlp(settings: TracingSettings) -> SpanExporter:
    """The exporter; the one that is not used takes some 0.1 s of every start."""
    timeout_s = settings.timeout_ms / 1_000
    if settings.protocol is Protocol.GRPC:
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as by_grpc  # noqa: PLC0415

        is_plain = settings.endpoint.startswith("http://")
        return by_grpc.OTLPSpanExporter(endpoint=settings.endpoint, insecure=is_plain, timeout=timeout_s)
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as by_http  # noqa: PLC0415

    return by_http.OTLPSpanExporter(endpoint=settings.endpoint, timeout=timeout_s)


def _batches(exporter: SpanExporter) -> BatchSpanProcessor:
    return BatchSpanProcessor(exporter, max_queue_size=QUEUED_SPANS)


class _Exporter(SpanExporter):
    """Counts what an exporter sends, in the thread in which it does."""

    def __init__(self, exporter: SpanExporter, count: CountSpans) -> None:
        self._exporter = exporter
        self._count = count
        self.done = 0
        """Spans that were sent or not taken."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them, which may take a while."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self.done += len(spans)
            self._count(SpanFate.SENT if result is SpanExportResult.SUCCESS else SpanFate.FAILED, len(spans))
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()


class _Queue(SpanProcessor):
    """The SDK's batches, but what does not fit is counted: the SDK itself drops it in silence.

    The event loop alone ends spans, and the SDK's thread alone sends them: each counts for itself, without a lock.
    """

    def __init__(self, exporter: _Exporter, count: CountSpans) -> None:
        self._exporter = exporter
        self._count = count
        self._batches = _batches(exporter)
        self._queued = 0
        self._is_over = False

    @property
    def waiting(self) -> int:
        """Spans that wait, or are on their way."""
        return self._queued - self._exporter.done

    def give_up(self) -> int:
        """Nothing more is sent; returns how many spans are lost by that."""
        self._is_over, left = True, self.waiting
        if left:
            self._count(SpanFate.DROPPED, left)
        return left

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that is sampled."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._is_over or self.waiting >= QUEUED_SPANS:
            self._count(SpanFate.DROPPED, 1)
            return
        self._queued += 1
        self._batches.on_end(span)

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Nothing."""

    def shutdown(self) -> None:
        """Send what waits."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the library has no type there

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits, now."""
        return self._batches.force_flush(timeout_millis)
