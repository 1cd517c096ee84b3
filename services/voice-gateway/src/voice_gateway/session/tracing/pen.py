"""Draws spans at instants of the monotonic clock."""

import time
from collections.abc import Mapping

from opentelemetry.trace import INVALID_SPAN, Span, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from voice_gateway.domain.instant import Instant

Attributes = Mapping[str, AttributeValue]
_NOTHING: Attributes = {}


class Pen:
    """Begins, marks and ends the spans of one session."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._epoch_ns = 0
        """What the wall clock shows at instant 0."""
        self.now = Instant(0)
        """When what is drawn happens."""
        self.session: Span = INVALID_SPAN
        """The span below which all others are."""

    def set(self, now: Instant) -> None:
        """The wall clock shows this instant now. Steps that it takes later move nothing of the session."""
        self._epoch_ns, self.now = time.time_ns() - now, now

    def begin(self, name: str, parent: Span, attributes: Attributes = _NOTHING, began: Instant | None = None) -> Span:
        """A span that begins now, or began then."""
        at_ns = self.wall_ns(self.now if began is None else began)
        return self._tracer.start_span(name, set_span_in_context(parent), attributes=attributes, start_time=at_ns)

    def mark(self, span: Span, event: str, attributes: Attributes = _NOTHING) -> None:
        """Something happened now, within the span."""
        span.add_event(event, attributes, self.wall_ns(self.now))

    def end(self, span: Span, ended: Instant | None = None) -> None:
        """The span ends now, or ended then."""
        span.end(self.wall_ns(self.now if ended is None else ended))

    def wall_ns(self, instant: Instant) -> int:
        """Nanoseconds since 1970, in UTC."""
        return self._epoch_ns + instant
