"""What a screen shows of an overview, in which order, and what stands out. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.events import LatencySpan
from voice_gateway.domain.overview.values import AddressSeen, BackendSeen, CallSeen, FloorSeen, Overview, TurnSeen
from voice_gateway.observability.loop_lag import percentile

SLOW_MS = 400
"""A first output that takes as long is slow, whoever gives it: a turn's end is believed after 480 ms, and no reply that
was prepared meanwhile can hide more behind that (docs/explanation/latency-budget.md). Less marks large models too."""
SLOWER_TIMES = 2
"""An address is slow, too, that takes so many times as long as the fastest of its backend,"""
SLOWER_MS = 100
"""and so much longer: a few milliseconds more are nobody's loss."""
ORDER = (
    "endpointing",
    "asr_final",
    "hold",
    "reply_request",
    "settle",
    "earlier_turns",
    "llm_tool_call",
    "tools",
    "llm_first_token",
    "first_sentence",
    "tts_first_audio",
    "contested",
    "playout",
)
"""Spans in the order in which a turn has them (docs/explanation/latency-budget.md)."""
LEAST_MEASURED = 3
"""One slow call, or two, are no slow address."""
_ASR_SPAN = "asr_final"
"""What a turn waits for recognition; its addresses measure nothing by themselves."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The median and the 95th percentile of some times."""

    p50_ms: int
    p95_ms: int
    count: int

    @property
    def enough(self) -> bool:
        """Whether they say something of who took the times."""
        return self.count >= LEAST_MEASURED


@dataclass(frozen=True, slots=True)
class AddressRow:
    """One address of a backend."""

    backend: Backend
    seen: AddressSeen
    measured: Measured | None
    """Its first outputs; for the only address of `asr` the turns' waits for it. None: nothing is measured."""
    is_slow: bool

    @property
    def is_ejected(self) -> bool:
        """Whether it gets no calls though it should."""
        return self.seen.status.state is AddressState.EJECTED and not self.seen.status.is_leaving


def address_rows(overview: Overview) -> tuple[AddressRow, ...]:
    """Ejected addresses first, then the slowest."""
    waited = _waits(overview.turns)
    rows = [row for backend in overview.backends for row in _rows(backend, waited)]
    return tuple(sorted(rows, key=_urgency))


def _waits(turns: Iterable[TurnSeen]) -> Measured | None:
    """How long turns waited for recognition, of those that did."""
    spans = ([span for span in turn.spans if span.name == _ASR_SPAN and not span.is_overlapped] for turn in turns)
    waits_ms = sorted(sum(span.duration_ms for span in each) for each in spans if each)
    if not waits_ms:
        return None
    p50_ms, p95_ms = (round(percentile(waits_ms, percent)) for percent in (50, 95))
    return Measured(p50_ms, p95_ms, len(waits_ms))


def _rows(backend: BackendSeen, waited: Measured | None) -> Iterable[AddressRow]:
    is_only_asr = backend.backend is Backend.ASR and len(backend.addresses) == 1
    found = [(seen, _first_outputs(seen) or (waited if is_only_asr else None)) for seen in backend.addresses]
    peers = [each for seen, each in found if each is not None and each.enough and not seen.status.is_leaving]
    fastest_ms = min((each.p50_ms for each in peers), default=0)
    for seen, each in found:
        is_slow = not seen.status.is_leaving and _is_slow(each, fastest_ms)
        yield AddressRow(backend.backend, seen, each, is_slow)


def _first_outputs(seen: AddressSeen) -> Measured | None:
    if not seen.first_outputs:
        return None
    return Measured(seen.first_output_p50_ms, seen.first_output_p95_ms, seen.first_outputs)


def _is_slow(measured: Measured | None, fastest_ms: int) -> bool:
    if measured is None or not measured.enough:
        return False
    p50_ms = measured.p50_ms
    return p50_ms >= SLOW_MS or (fastest_ms > 0 and p50_ms >= max(SLOWER_TIMES * fastest_ms, fastest_ms + SLOWER_MS))


def _urgency(row: AddressRow) -> tuple[bool, bool, int, str]:
    p50_ms = -1 if row.measured is None else row.measured.p50_ms
    return not row.is_ejected, not row.is_slow, -p50_ms, row.seen.status.address


def verdict(rows: Sequence[AddressRow], turns: Iterable[TurnSeen]) -> tuple[str, ...]:
    """A line for each address that stands out, the most urgent first; one for all addresses of recognition."""
    statuses = [(row.backend, row.seen.status) for row in rows if row.is_ejected]
    ejected = [f"ejected: {backend} {status.address}: {status.cause}" for backend, status in statuses]
    slow = [(row.measured, _who(row)) for row in rows if row.is_slow and row.measured is not None]
    recognition = [row for row in rows if row.backend is Backend.ASR]
    waited = _waits(turns)
    if len(recognition) > 1 and waited is not None and _is_slow(waited, 0):
        slow.append((waited, f"{Backend.ASR}: {_ASR_SPAN}"))
    slow.sort(key=lambda each: -each[0].p50_ms)
    return (*ejected, *(f"slow: {who} p50 {took.p50_ms} ms, p95 {took.p95_ms} ms" for took, who in slow))


def _who(row: AddressRow) -> str:
    what = f"{_ASR_SPAN} of the last turns" if row.backend is Backend.ASR else "first output"
    return f"{row.backend} {row.seen.status.address}: {what}"


def typical(turns: Sequence[TurnSeen]) -> TurnSeen | None:
    """A turn of the mean of each span of these, without what ran beside others; None if there are no turns."""
    if not turns:
        return None
    totals_ms: dict[str, int] = {}
    for span in (span for turn in turns for span in turn.spans if not span.is_overlapped):
        totals_ms[span.name] = totals_ms.get(span.name, 0) + span.duration_ms
    spans, start_ms = [], 0
    for name in sorted(totals_ms, key=_place):
        duration_ms = round(totals_ms[name] / len(turns))
        spans.append(LatencySpan(name, start_ms, duration_ms))
        start_ms += duration_ms
    return TurnSeen("", 0, 0, start_ms, tuple(spans))


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def floors(calls: Iterable[CallSeen]) -> str:
    """How many calls are in each state of the floor."""
    counts = Counter(call.floor for call in calls)
    return ", ".join(f"{floor} {counts[floor]}" for floor in FloorSeen)


def cells(turn: TurnSeen, longest_ms: int, width: int) -> tuple[tuple[LatencySpan, int], ...]:
    """The turn's tiles and how many of `width` characters each has, where `longest_ms` fills them all."""
    ends_ms = [(span, span.start_ms + span.duration_ms) for span in turn.spans if not span.is_overlapped]
    found, begun = [], 0
    for span, end_ms in ends_ms:
        end = end_ms * width // longest_ms
        if end > begun:
            found.append((span, end - begun))
            begun = end
    return tuple(found)


def duration(ms: int) -> str:
    """A time in its two largest units."""
    seconds = ms // 1_000
    for size, unit, smaller, name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {name}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def plain(text: str) -> str:
    """What somebody else chose to be called or said, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)
