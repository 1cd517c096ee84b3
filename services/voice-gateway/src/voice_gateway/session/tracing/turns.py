"""The spans of turns: what the user said and all that answered it, and where the time went until the first sound."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from opentelemetry.trace import Span, SpanContext

from voice_gateway.domain import events
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant, ms_between
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.session.tracing import names
from voice_gateway.session.tracing.pen import Attributes, Pen

MAX_OPEN = 32
"""Turns whose spans are open: of more, the oldest that nobody is answering ends. As many may wait to be answered, and
where the client asks for replies, any number is never answered."""
WORDS_WITHIN_MS = 5_000
"""Words that come later than this after a sound are not of that sound: recognition takes 1.4 s at the most."""


@dataclass(slots=True)
class _Turn:
    span: Span
    touched: Instant
    """When something of it happened last."""
    dropped: list[SpanContext] = field(default_factory=list)
    """Replies that were prepared early and dropped, in order."""
    speculations: tuple[events.Speculation, ...] = ()
    """What the report tells of all that were prepared early."""


class _Voice:
    """When what is being said began, by the sound or, without any, by the first words."""

    def __init__(self) -> None:
        self._began: Instant | None = None
        self._ended: Instant | None = None
        self._turn: TurnId | None = None
        """The turn that it has words of."""

    def started(self, now: Instant) -> None:
        """A sound begins, or goes on after a pause within the turn."""
        self._ended = None
        if self._turn is None:
            self._began = now

    def ended(self, now: Instant) -> None:
        """Nobody speaks any more."""
        self._ended = now

    def showed(self, turn: TurnId, now: Instant) -> None:
        """There are words of this turn."""
        if self._turn != turn:
            self._began, self._turn = self.of(turn, now), turn

    def of(self, turn: TurnId, now: Instant) -> Instant:
        """When this turn began."""
        is_stale = self._ended is not None and ms_between(self._ended, now) > WORDS_WITHIN_MS
        is_its = self._turn == turn or (self._turn is None and not is_stale)
        return self._began if self._began is not None and is_its else now

    def forget(self) -> None:
        """The turn is whole, or its words were no turn."""
        self._began = self._ended = self._turn = None


class TurnSpans:
    """Those of one session that are open: turns that are being said, that wait, and that are being answered."""

    def __init__(self, pen: Pen, *, has_text: bool, ended: Callable[[TurnId], bool]) -> None:
        """`ended` ends what still runs for a turn that is over, and says whether there was anything."""
        self._pen = pen
        self._has_text = has_text
        self._ended = ended
        self._turns: dict[TurnId, _Turn] = {}
        self._voice = _Voice()

    def speech_started(self) -> None:
        """The user begins to speak, or goes on."""
        self._voice.started(self._pen.now)

    def speech_ended(self) -> None:
        """The user pauses, or has ended."""
        self._voice.ended(self._pen.now)

    def said(self, told: events.Transcript, answered: Collection[TurnId | None]) -> None:
        """The words of a turn so far; `answered`: turns that have a reply in progress. Words may be taken back."""
        if told.is_final:
            span = self.of(told.turn, answered)
            span.set_attribute(names.USER_CHARS, len(told.text))
            if self._has_text:
                span.set_attribute(names.USER_TEXT, told.text[:MAX_SPAN_TEXT_CHARS])
        elif told.text:
            self._voice.showed(told.turn, self._pen.now)
            return
        self._voice.forget()

    def of(self, turn: TurnId, answered: Collection[TurnId | None]) -> Span:
        """The turn's span; it begins with the user's voice."""
        if turn not in self._turns:
            self._make_room(answered)
            began = self._voice.of(turn, self._pen.now)
            span = self._pen.begin(names.TURN, self._pen.session, {names.TURN_ID: turn}, began)
            self._turns[turn] = _Turn(span, self._pen.now)
        self.touch(turn)
        return self._turns[turn].span

    def open(self, turn: TurnId | None) -> Span | None:
        """The span of a turn that is not over."""
        return self._turns[turn].span if turn in self._turns else None

    def touch(self, turn: TurnId | None) -> None:
        """Something of this turn happens now."""
        if turn in self._turns:
            self._turns[turn].touched = self._pen.now

    def reported(self, report: events.TurnReport, answered: Collection[TurnId | None]) -> None:
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

    def end(self, turn: TurnId, outcome: str, at: Instant | None = None) -> None:
        """Nothing more follows to answer it, now or, unless something still runs for it, since then."""
        if turn not in self._turns:
            return
        at = None if self._ended(turn) else at
        over = self._turns.pop(turn)
        lost = [each for each in over.speculations if each.outcome is not events.SpeculationOutcome.WON]
        for number, reply in enumerate(over.dropped):
            over.span.add_link(reply, _of_speculation(lost[number]) if number < len(lost) else {})
        over.span.set_attribute(names.OUTCOME, outcome)
        self._pen.end(over.span, at)

    def leave(self) -> None:
        """The session is over: what is left was never answered."""
        for turn in tuple(self._turns):
            self.end(turn, names.UNANSWERED, self._turns[turn].touched)

    def _make_room(self, answered: Collection[TurnId | None]) -> None:
        oldest = next((turn for turn in self._turns if turn not in answered), None)
        if len(self._turns) >= MAX_OPEN and oldest is not None:
            self.end(oldest, names.UNANSWERED, self._turns[oldest].touched)


def _of_budget(span: events.LatencySpan) -> Attributes:
    told = {names.IS_OVERLAPPED: span.is_overlapped}
    return told | {names.SETTING: span.setting} if span.setting else told


def _of_speculation(lost: events.Speculation) -> Attributes:
    return {
        names.TRIGGER: lost.trigger.value,
        names.OUTCOME: lost.outcome.value,
        names.WASTED_TOKENS: lost.wasted_tokens,
    }
