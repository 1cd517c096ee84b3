"""Every golden conversation, traced: what holds of any trace, whatever happens in the call."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from gateway_kit import virtual_time
from gateway_kit.phone_call import AGREEMENT, timed_batches
from gateway_kit.spans import Recorder
from opentelemetry.sdk.trace import ReadableSpan
from voice_gateway.domain.events import Ended
from voice_gateway.domain.instant import NS_PER_S, Instant
from voice_gateway.session import clock
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.turn import effects

SCRIPTS = sorted((Path(__file__).parents[1] / "turn" / "scripts").glob("*.txt"))
ASKED_AGAIN = {"339", "377", "382"}
"""Calls in which the client has a turn answered again that was answered before: that is a second span of the turn."""


def traced(script: str) -> Recorder:
    """The spans of a call."""
    recorder = Recorder()

    async def main() -> None:
        trace, outcome = SessionTrace(Tracing(recorder.tracer), AGREEMENT), None
        with trace.recorded():
            began = clock.now()
            for at, batch in timed_batches(script):
                await asyncio.sleep(max(0, began + at - clock.now()) / NS_PER_S)
                trace.record(batch.fact, Instant(began + at), batch.effects)
                ends = [effect.ended for effect in batch.effects if isinstance(effect, effects.Close)]
                outcome = ends[0] if ends else outcome
            trace.ended(outcome if isinstance(outcome, Ended) else None, 1)

    virtual_time.run(main())
    return recorder


def outcome(span: ReadableSpan) -> object:
    """How it ended."""
    return (span.attributes or {}).get("voicegateway.outcome")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_trace_is_a_tree_that_ends(path: Path) -> None:
    """Each turn and each reply has one span and an outcome, none outlives what it belongs to, no time is negative."""
    spans = traced(path.read_text(encoding="utf-8")).spans
    by_id = {span.context.span_id: span for span in spans if span.context}
    seen = Counter(span.attributes["voicegateway.turn.id"] for span in spans if span.name == "turn" and span.attributes)
    if path.name.partition("_")[0] not in ASKED_AGAIN:
        assert set(seen.values()) <= {1}
    replies = Counter(
        span.attributes["voicegateway.reply.id"] for span in spans if span.name == "reply" and span.attributes
    )
    assert set(replies.values()) <= {1}
    for span in spans:
        assert (span.start_time or 0) <= (span.end_time or 0)
        assert outcome(span) or span.name not in ("turn", "reply", "session")
        above = by_id[span.parent.span_id] if span.parent else None
        assert above is not None or span.name == "session"
        assert above is None or (span.end_time or 0) <= (above.end_time or 0)
