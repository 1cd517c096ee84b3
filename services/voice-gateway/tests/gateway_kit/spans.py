"""Spans kept in memory, and a trace drawn as lines."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import Tracer

NONE_SAMPLED = ParentBased(ALWAYS_OFF)
"""Nothing is sampled, unless the parent is."""
NS_PER_MS = 1_000_000


class Recorder:
    """A tracer whose spans are kept."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer: Tracer = provider.get_tracer("test")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Those that have ended."""
        return self._kept.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """The children of a span, in order of their start."""
        assert parent.context is not None
        return self._below(parent.context.span_id)

    def tree(self) -> list[str]:
        """A line for each span below the one it belongs to: when it began after the first one, how long it took."""
        first = min((_start(span) for span in self.spans), default=0)
        return [line for root in self._below(None) for line in self._drawn(root, first, 0)]

    def _drawn(self, span: ReadableSpan, first: int, depth: int) -> list[str]:
        began, took = (_start(span) - first) // NS_PER_MS, ((span.end_time or 0) - _start(span)) // NS_PER_MS
        lines = [f"{'  ' * depth}{span.name} {began}+{took}"]
        return lines + [line for child in self.below(span) for line in self._drawn(child, first, depth + 1)]

    def _below(self, parent: int | None) -> list[ReadableSpan]:
        found = [span for span in self.spans if (span.parent.span_id if span.parent else None) == parent]
        return sorted(found, key=_start)


def _start(span: ReadableSpan) -> int:
    return span.start_time or 0
