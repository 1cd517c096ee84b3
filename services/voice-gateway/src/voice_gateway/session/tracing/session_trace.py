"""The trace of one session: what its conversation is told and orders, as spans. Decides nothing.

A session has turns, a turn has replies and tools, and a reply has what backends were asked for it. The spans of those
questions are the backends' own, and find their parent in the task that asks (`in_reply`, `in_tool`). A turn has the
spans of its latency budget beside its replies. Replies that were prepared early and dropped are linked from their turn.
"""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from opentelemetry import context as otel
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import ClientError, GatewayError
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.session import clock
from voice_gateway.session.tracing import names
from voice_gateway.session.tracing.pen import Attributes, Pen
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.session.tracing.tools import ToolSpans
from voice_gateway.session.tracing.turns import TurnSpans
from voice_gateway.turn import effects, inputs

_OK = "OK"
_CANCELLED = "CANCELLED"
"""The status by which gRPC counts a call that its client has left."""


class _Reply(NamedTuple):
    span: Span
    turn: TurnId | None


class SessionTrace:
    """The spans of one session."""

    def __init__(self, tracing: Tracing, agreement: Agreement) -> None:
        self._tracing = tracing
        self._agreement = agreement
        self._pen = Pen(tracing.tracer)
        self._tools = ToolSpans(self._pen, has_text=tracing.has_text)
        self._turns = TurnSpans(self._pen, has_text=tracing.has_text, ended=self._tools.turn_ended)
        self._replies: dict[ReplyId, _Reply] = {}
        self._over: dict[ReplyId, _Reply] = {}
        """Replies that the latest batch ends."""
        self._cancelled: set[ReplyId] = set()
        """Replies that the batch cancels, and of whose end nobody was told so far."""
        self._asked: TurnId | None = None
        """The turn for which the model was asked last."""
        self._outcome = names.VANISHED
        """How the session ended."""

    # --- the session ---------------------------------------------------------------------------------------------

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """The session's span is the current one while the block runs; at its end all that is open ends."""
        pen, tracing, agreed = self._pen, self._tracing, self._agreement
        pen.set(clock.now())
        above, links = tracing.place(agreed)
        name = tracing.methods.get(agreed.transport, names.SESSION)
        began_ns = pen.wall_ns(pen.now)
        pen.session = tracing.tracer.start_span(
            name, above, SpanKind.SERVER, tracing.attributes(agreed), links, began_ns
        )
        token = otel.attach(set_span_in_context(pen.session))
        try:
            yield
        finally:
            pen.now = clock.now()
            self._leave()
            otel.detach(token)

    def ended(self, outcome: events.Ended | GatewayError | None, turns: int) -> None:
        """How the session ended, and how many of its turns had a reply. None: its client has vanished."""
        status, told, session = _OK, names.VANISHED, self._pen.session
        if isinstance(outcome, GatewayError):
            status, told = self._tracing.status_of(outcome), outcome.reason.value
            session.set_attribute("error.type", told)
            if not isinstance(outcome, ClientError):
                session.set_status(StatusCode.ERROR, outcome.message)
        elif outcome is None:
            status = _CANCELLED
        else:
            told = outcome.cause.value
        self._outcome = told
        session.set_attributes({names.OUTCOME: told, names.TURN_COUNT: turns})
        if self._agreement.transport in self._tracing.methods:
            session.set_attribute("rpc.response.status_code", status)

    def in_reply(self, reply: ReplyId) -> contextvars.Context | None:
        """A context in which the span of this reply is the current one; None: it has none of its own."""
        part = self._replies.get(reply) or self._over.get(reply)
        return None if part is None else _within(part.span)

    def in_tool(self, call: CallId) -> contextvars.Context | None:
        """The same of a tool that runs."""
        span = self._tools.of(call)
        return None if span is None else _within(span)

    def record(self, fact: inputs.Input | None, now: Instant, batch: tuple[effects.Effect, ...] | None) -> None:
        """Take what the conversation was told, and what it orders then; to be called before that is performed.

        Nothing is done for a session that is not sampled: its parts would not be either.
        """
        if not self._pen.session.is_recording():
            return
        self._pen.now = now
        self._over.clear()
        if isinstance(fact, inputs.ToolReturned):
            self._turns.touch(self._tools.turn_of(fact.call))
            self._tools.returned(fact.call, fact.output, is_error=fact.is_error)
        for effect in batch or ():
            said = effect.event if isinstance(effect, effects.Emit) else effect
            take = self._TAKE.get(type(said))
            if take is not None:
                take(self, said)
        self._end_dropped()

    def _leave(self) -> None:
        """End what is open: a reply that was being given, and its turn, as the session has ended."""
        for reply in self._replies.values():
            reply.span.set_attribute(names.OUTCOME, self._outcome)
            self._pen.end(reply.span)
            if reply.turn is not None:
                self._turns.end(reply.turn, self._outcome)
        self._replies.clear()
        self._turns.leave()
        self._tools.leave()
        self._pen.end(self._pen.session)

    # --- what happens --------------------------------------------------------------------------------------------

    @property
    def _answered(self) -> set[TurnId | None]:
        return {reply.turn for reply in self._replies.values()}

    def _above(self, turn: TurnId | None) -> Span:
        return self._pen.session if turn is None else self._turns.of(turn, self._answered)

    def _on_begun(self, order: effects.StartReply | effects.BeginReply) -> None:
        span = self._pen.begin(names.REPLY, self._above(order.turn), {names.REPLY_ID: order.reply})
        self._replies[order.reply] = _Reply(span, order.turn)
        if isinstance(order, effects.StartReply):
            self._asked = order.turn

    def _on_interrupted(self, told: events.ReplyInterrupted) -> None:
        self._cancelled.discard(told.reply)
        self._mark(told.reply, "interrupted", {names.CAUSE: told.cause.value})

    def _on_recorded(self, order: effects.RecordTurn) -> None:
        finished = order.record.finished
        self._turns.touch(finished.turn)
        reply = self._replies.pop(finished.reply, None)
        if reply is not None:
            reply.span.set_attributes(_of_reply(order.record))
            if finished.outcome is events.ReplyOutcome.FAILED:
                reply.span.set_status(StatusCode.ERROR)
            self._pen.end(reply.span)
            self._over[finished.reply] = reply
        is_last = not finished.goes_on and finished.kind is not events.ReplyKind.FILLER
        if is_last and finished.turn is None:
            self._tools.turn_ended(None)

    def _end_dropped(self) -> None:
        """What was cancelled and not interrupted had been prepared early, or was an apology without a sound."""
        for number in self._cancelled:
            reply = self._replies.pop(number, None)
            if reply is not None:
                reply.span.set_attribute(names.OUTCOME, names.DROPPED)
                self._pen.end(reply.span)
                self._over[number] = reply
                self._turns.touch(reply.turn)
                self._turns.dropped(reply.turn, reply.span.get_span_context())
        self._cancelled.clear()

    def _on_tool(self, order: effects.RunTool | events.ToolCalled, turn: TurnId | None) -> None:
        self._tools.begin(order.call, turn, self._above(turn), order.name, order.arguments_json)

    def _on_tool_cancelled(self, order: effects.CancelTool) -> None:
        self._turns.touch(self._tools.turn_of(order.call))
        self._tools.end(order.call)

    def _on_notice(self, told: events.Notice) -> None:
        span = self._turns.open(told.turn) or self._pen.session
        self._pen.mark(span, "notice", {names.REASON: told.reason.value})

    def _mark(self, reply: ReplyId, event: str, attributes: Attributes) -> None:
        if reply in self._replies:
            self._pen.mark(self._replies[reply].span, event, attributes)

    _TAKE: ClassVar[dict[type[Any], Callable[["SessionTrace", Any], None]]] = {
        events.SpeechStarted: lambda self, _: self._turns.speech_started(),
        events.SpeechEnded: lambda self, _: self._turns.speech_ended(),
        events.Transcript: lambda self, told: self._turns.said(told, self._answered),
        events.TurnReport: lambda self, report: self._turns.reported(report, self._answered),
        events.ReplyInterrupted: _on_interrupted,
        events.ReplyPaused: lambda self, told: self._mark(told.reply, "paused", {}),
        events.ReplyResumed: lambda self, told: self._mark(told.reply, "resumed", {}),
        events.Notice: _on_notice,
        events.ToolCalled: lambda self, told: self._on_tool(told, told.turn),
        effects.StartReply: _on_begun,
        effects.BeginReply: _on_begun,
        effects.CancelReply: lambda self, order: self._cancelled.add(order.reply),
        effects.RecordTurn: _on_recorded,
        effects.CountTurn: lambda self, order: self._turns.end(order.turn, order.outcome.value),
        effects.RunTool: lambda self, order: self._on_tool(order, self._asked),
        effects.CancelTool: _on_tool_cancelled,
    }


def _within(span: Span) -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(otel.attach, set_span_in_context(span))
    return context


def _of_reply(record: events.TurnRecord) -> Attributes:
    return {
        names.REPLY_KIND: record.finished.kind.value,
        names.OUTCOME: record.finished.outcome.value,
        names.REPLY_CHARS: record.reply_chars,
        names.HEARD_SAMPLES: record.heard_samples,
        names.UNDERRUNS: record.underruns,
    }
