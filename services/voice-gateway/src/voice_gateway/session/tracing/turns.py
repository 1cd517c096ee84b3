"""The spans of turns: what the user said and all that answered it, and where the time went until the first sound."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.trace import Span, SpanContext

from voice_gateway.domain import events
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.session.tracing import names
from voice_gateway.session.tracing.pen import Attributes, Pen


@dataclass(slots=True)
class _Turn:
    span: Span
    dropped: list[SpanContext] = field(default_factory=list)
    """Replies that were prepared early and dropped, in order."""
    speculations: tuple[events.Speculation, ...] = ()
    """What the report tells of all that were prepared early."""


class TurnSpans:
    """Those of one session that are open: the turn that is being said, and those that are being answered."""

    def __init__(self, pen: Pen, *, has_text: bool) -> None:
        self._pen = pen
        self._has_text = has_text
        self._turns: dict[TurnId, _Turn] = {}
        self._unfinished: TurnId | None = None
        """The turn that is being said."""
        self._spoke: Instant | None = None
        """When the user began to speak, if no words of that were told yet."""

    def speech_started(self) -> None:
        """The user begins to speak, or goes on."""
        if self._unfinished is None:
            self._spoke = self._pen.now

    def said(self, told: events.Transcript, answered: Iterable[TurnId | None]) -> None:
        """The words of a turn so far; `answered`: turns that have a reply in progress."""
        span = self.of(told.turn, answered)
        self._unfinished, self._spoke = None if told.is_final else told.turn, None
        if told.is_final:
            span.set_attribute(names.USER_CHARS, len(told.text))
            if self._has_text:
                span.set_attribute(names.USER_TEXT, told.text[:MAX_SPAN_TEXT_CHARS])

    def of(self, turn: TurnId, answered: Iterable[TurnId | None]) -> Span:
        """The turn's span; it begins with the user's voice."""
        if turn not in self._turns:
            self.leave(answered)
            span = self._pen.begin(names.TURN, self._pen.session, {names.TURN_ID: turn}, self._spoke)
            self._turns[turn] = _Turn(span)
        return self._turns[turn].span

    def open(self, turn: TurnId | None) -> Span | None:
        """The span of a turn that is not over."""
        return self._turns[turn].span if turn in self._turns else None

    def reported(self, report: events.TurnReport, answered: Iterable[TurnId | None]) -> None:
        """Draw the latency budget: the first audio leaves now, and there its spans end."""
        span = self.of(report.turn, answered)
        self._turns[report.turn].speculations = report.speculations
        span.set_attribute(names.VOICE_TO_VOICE_MS, report.total_ms)
        zero = self._pen.now - report.total_ms * NS_PER_MS
        for each in report.spans:
            began = Instant(zero + each.start_ms * NS_PER_MS)
            drawn = self._pen.begin(each.name, span, _of_budget(each), began)
            self._pen.end(drawn, Instant(began + each.duration_ms * NS_PER_MS))

    def dropped(self, turn: TurnId | None, reply: SpanContext) -> None:
        """A reply that was prepared early for this turn is not the answer."""
        if turn in self._turns:
            self._turns[turn].dropped.append(reply)

    def end(self, turn: TurnId, outcome: str) -> None:
        """Nothing more follows to answer it."""
        over = self._turns.pop(turn, None)
        if over is None:
            return
        lost = [each for each in over.speculations if each.outcome is not events.SpeculationOutcome.WON]
        for number, reply in enumerate(over.dropped):
            over.span.add_link(reply, _of_speculation(lost[number]) if number < len(lost) else {})
        over.span.set_attribute(names.OUTCOME, outcome)
        self._pen.end(over.span)

    def leave(self, answered: Iterable[TurnId | None]) -> None:
        """Turns that nobody is answering have had no reply: another begins, or the session is over."""
        for turn in self._turns.keys() - answered:
            self.end(turn, names.UNANSWERED)


def _of_budget(span: events.LatencySpan) -> Attributes:
    told = {names.IS_OVERLAPPED: span.is_overlapped}
    return told | {names.SETTING: span.setting} if span.setting else told


def _of_speculation(lost: events.Speculation) -> Attributes:
    return {
        names.TRIGGER: lost.trigger.value,
        names.OUTCOME: lost.outcome.value,
        names.WASTED_TOKENS: lost.wasted_tokens,
    }
