"""A session that is traced: what happens to it, and what it then says."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway_kit import virtual_time
from gateway_kit.phone_call import AGREEMENT
from gateway_kit.spans import Recorder
from opentelemetry.sdk.trace import ReadableSpan
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import GatewayError
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.session import clock
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.effects import Effect, Emit

ONE, TWO, THREE = TurnId(1), TurnId(2), TurnId(3)
CALLER = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1")
CALLERS_TRACE, CALLERS_SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
Step = tuple[int, inputs.Input | None, tuple[Effect, ...]]
"""When, what the conversation was told, and what it ordered."""


def said(turn: TurnId, text: str, *, is_final: bool = True) -> Emit:
    """The words of a turn."""
    return Emit(events.Transcript(turn, text, is_final))


def starts(reply: int, turn: TurnId | None = ONE) -> effects.StartReply:
    """The model is asked."""
    return effects.StartReply(ReplyId(reply), turn, ())


def recorded(
    reply: int,
    turn: TurnId | None = ONE,
    outcome: events.ReplyOutcome = events.ReplyOutcome.COMPLETED,
    kind: events.ReplyKind = events.ReplyKind.ANSWER,
    *,
    goes_on: bool = False,
) -> effects.RecordTurn:
    """A reply is over."""
    finished = events.ReplyFinished(ReplyId(reply), turn, kind, outcome, 900, goes_on)
    return effects.RecordTurn(events.TurnRecord(finished, None, 5, 40, 2, 800, 1))


def over(
    reply: int, turn: TurnId = ONE, outcome: events.ReplyOutcome = events.ReplyOutcome.COMPLETED
) -> tuple[Effect, ...]:
    """A reply is over, and its turn."""
    interrupted = outcome is events.ReplyOutcome.INTERRUPTED
    counted = events.TurnOutcome.INTERRUPTED if interrupted else events.TurnOutcome.ANSWERED
    return recorded(reply, turn, outcome), effects.CountTurn(turn, counted)


def trace(
    steps: Sequence[Step],
    recorder: Recorder,
    agreed: Agreement = AGREEMENT,
    outcome: events.Ended | GatewayError | None = None,
    **options: Any,
) -> None:
    """A session to which this happens; the instants are ms after its start."""

    async def main() -> None:
        told = SessionTrace(Tracing(recorder.tracer, **options), agreed)
        with told.recorded():
            now_ms = 0
            for when_ms, fact, batch in steps:
                await asyncio.sleep((when_ms - now_ms) / 1_000)
                now_ms = when_ms
                told.record(fact, clock.now(), batch)
            told.ended(outcome, 1)

    virtual_time.run(main())


REPORT = events.TurnReport(
    ONE,
    ReplyId(1),
    400,
    (
        events.LatencySpan("endpointing", 0, 240, "vad_end_ms"),
        events.LatencySpan("llm_first_token", 200, 40, "", is_overlapped=True),
        events.LatencySpan("llm_first_token", 240, 100),
        events.LatencySpan("playout", 340, 60, "lead_ms"),
    ),
)
A_TURN: tuple[Step, ...] = (
    (100, None, (Emit(events.SpeechStarted(0)),)),
    (600, None, (said(ONE, "is it", is_final=False),)),
    (900, None, (said(ONE, "Is it open?"), starts(1))),
    (1_000, None, (Emit(REPORT),)),
    (2_000, None, over(1)),
)


def attributes(span: ReadableSpan) -> dict[str, object]:
    """What a span says."""
    return dict(span.attributes or {})
