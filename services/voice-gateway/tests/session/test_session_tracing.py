"""The spans of a session: which there are, whose each is, and when."""

from dataclasses import replace

import pytest
from gateway_kit import virtual_time
from gateway_kit.phone_call import AGREEMENT
from gateway_kit.spans import NONE_SAMPLED, Recorder
from opentelemetry.trace import StatusCode, get_current_span
from session.traced import (
    A_TURN,
    CALLER,
    CALLERS_SPAN,
    CALLERS_TRACE,
    ONE,
    REPORT,
    THREE,
    TWO,
    Step,
    attributes,
    over,
    recorded,
    said,
    starts,
    trace,
)
from voice_gateway.domain import events
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import ClientError, GatewayError, InternalError, Reason
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.limits import MAX_SPAN_TEXT_CHARS
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.session import clock
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.tracing.settings import Tracing
from voice_gateway.session.tracing.turns import MAX_OPEN
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.effects import Emit


def test_a_turn_is_a_tree() -> None:
    """A session has its turn from the user's voice on; below it are the reply, and the budget at its true instants."""
    recorder = Recorder()
    trace(A_TURN, recorder)
    assert recorder.tree() == [
        "session 0+2000",
        "  turn 100+1900",
        "    endpointing 600+240",
        "    llm_first_token 800+40",
        "    llm_first_token 840+100",
        "    reply 900+1100",
        "    playout 940+60",
    ]


def test_the_budget_tiles_the_time_from_voice_to_voice() -> None:
    """What is not done beside other things lies end to end until the first audio leaves; settings are named."""
    recorder = Recorder()
    trace(A_TURN, recorder)
    turn = recorder.one("turn")
    below = recorder.below(turn)
    tiles = sorted(
        (span.start_time or 0, span.end_time or 0)
        for span in below
        if (span.attributes or {}).get("voicegateway.is_overlapped") is False
    )
    assert [end for _, end in tiles[:-1]] == [start for start, _ in tiles[1:]]
    assert (tiles[-1][1] - tiles[0][0]) // 1_000_000 == 400 == attributes(turn)["voicegateway.voice_to_voice_ms"]
    assert attributes(recorder.one("endpointing"))["voicegateway.setting"] == "vad_end_ms"


def test_a_turn_and_its_reply_say_how_they_ended() -> None:
    """Whoever looks for bad turns finds them by outcome, without a word of what was said."""
    recorder = Recorder()
    trace(A_TURN, recorder)
    turn, reply = attributes(recorder.one("turn")), attributes(recorder.one("reply"))
    assert (turn["voicegateway.turn.id"], turn["voicegateway.user.chars"]) == (1, 11)
    assert (turn["voicegateway.outcome"], reply["voicegateway.outcome"]) == ("ANSWERED", "COMPLETED")
    assert (reply["voicegateway.reply.heard_samples"], reply["voicegateway.reply.underruns"]) == (800, 1)
    assert not [value for span in recorder.spans for value in attributes(span).values() if "open" in str(value)]


def test_words_are_in_spans_only_where_that_is_wished() -> None:
    """With text on, a turn has its words, as many as a span may hold."""
    recorder = Recorder()
    trace([(1, None, (said(ONE, "x" * (MAX_SPAN_TEXT_CHARS + 1)),))], recorder, has_text=True)
    assert attributes(recorder.one("turn"))["voicegateway.user.text"] == "x" * MAX_SPAN_TEXT_CHARS


def test_a_reply_that_was_prepared_and_dropped_is_linked_from_its_turn() -> None:
    """What speculation cost is seen where it was for, with why it was lost; the one that won is a reply like any."""
    lost = events.Speculation(
        events.SpeculationTrigger.PAUSE, events.SpeculationOutcome.LOST_MORE_WORDS, wasted_tokens=7
    )
    won = events.Speculation(events.SpeculationTrigger.STABILITY, events.SpeculationOutcome.WON, 0)
    report = replace(REPORT, spans=(), speculations=(lost, won))
    recorder = Recorder()
    trace(
        [
            (100, None, (said(ONE, "a", is_final=False), starts(1))),
            (300, None, (effects.CancelReply(ReplyId(1)), effects.Flush(ReplyId(1)))),
            (400, None, (said(ONE, "a b", is_final=False), starts(2))),
            (500, None, (said(ONE, "a b"), Emit(report))),
            (900, None, over(2)),
        ],
        recorder,
    )
    assert recorder.tree() == ["session 0+900", "  turn 100+800", "    reply 100+200", "    reply 400+500"]
    dropped, answer = recorder.below(recorder.one("turn"))
    assert (attributes(dropped)["voicegateway.outcome"], attributes(answer)["voicegateway.outcome"]) == (
        "DROPPED",
        "COMPLETED",
    )
    (link,) = recorder.one("turn").links
    assert dropped.context is not None
    assert link.context.span_id == dropped.context.span_id
    assert link.attributes == {
        "voicegateway.speculation.trigger": "PAUSE",
        "voicegateway.outcome": "LOST_MORE_WORDS",
        "voicegateway.speculation.wasted_tokens": 7,
    }


def test_an_interruption_is_no_drop() -> None:
    """A reply that is interrupted goes on until it is known how much of it was heard, and its turn with it."""
    recorder = Recorder()
    stopped = Emit(events.ReplyInterrupted(ReplyId(1), events.InterruptCause.USER_SPEECH))
    trace(
        [
            (0, None, (said(ONE, "a"), starts(1))),
            (500, None, (Emit(events.ReplyPaused(ReplyId(1))),)),
            (700, None, (effects.CancelReply(ReplyId(1)), effects.Flush(ReplyId(1)), stopped)),
            (800, None, over(1, outcome=events.ReplyOutcome.INTERRUPTED)),
        ],
        recorder,
    )
    assert recorder.tree() == ["session 0+800", "  turn 0+800", "    reply 0+800"]
    assert [event.name for event in recorder.one("reply").events] == ["paused", "interrupted"]
    assert not recorder.one("turn").links
    assert attributes(recorder.one("turn"))["voicegateway.outcome"] == "INTERRUPTED"


def test_tools_stand_below_their_turn() -> None:
    """A turn goes on through rounds of tools, the filler too; each tool says how it ended."""
    recorder = Recorder()
    door = events.ToolCalled(CallId(2), ONE, "door", "{}")
    filler = events.ReplyKind.FILLER
    trace(
        [
            (0, None, (said(ONE, "a"), starts(1))),
            (100, None, (recorded(1, goes_on=True), effects.RunTool(CallId(1), "weather", "{}"), Emit(door))),
            (150, None, (effects.BeginReply(ReplyId(2), ONE),)),
            (200, inputs.ToolReturned(CallId(1), "sunny", is_error=False), ()),
            (300, inputs.ToolReturned(CallId(2), "jammed", is_error=True), (recorded(2, kind=filler), starts(3))),
            (900, None, over(3)),
        ],
        recorder,
    )
    assert recorder.tree() == [
        "session 0+900",
        "  turn 0+900",
        "    reply 0+100",
        "    execute_tool weather 100+100",
        "    execute_tool door 100+200",
        "    reply 150+150",
        "    reply 300+600",
    ]
    weather, jammed = recorder.one("execute_tool weather"), recorder.one("execute_tool door")
    assert weather.status.status_code is StatusCode.UNSET
    assert (jammed.status.status_code, attributes(jammed)["error.type"]) == (StatusCode.ERROR, "tool_error")
    told = {"operation.name": "execute_tool", "tool.name": "weather", "tool.type": "function"}
    by_convention = {f"gen_ai.{name}": value for name, value in told.items()}
    assert attributes(weather) == by_convention | {"voicegateway.tool.call.id": 1}


def test_tools_that_nobody_awaits_end_with_their_turn() -> None:
    """A tool of the server that is cancelled ends then, one of the client when its turn is over."""
    recorder = Recorder()
    door = Emit(events.ToolCalled(CallId(2), ONE, "door", "{}"))
    stopped = over(1, outcome=events.ReplyOutcome.INTERRUPTED)
    trace(
        [
            (0, None, (said(ONE, "a"), starts(1), effects.RunTool(CallId(1), "weather", "{}"), door)),
            (100, None, (effects.CancelTool(CallId(1)),)),
            (200, inputs.ToolReturned(CallId(1), "late", is_error=False), stopped),
            (300, None, ()),
        ],
        recorder,
    )
    assert recorder.tree()[2:] == ["    execute_tool weather 0+100", "    reply 0+200", "    execute_tool door 0+200"]


def test_a_turn_whose_tool_is_stopped_ends_by_its_count() -> None:
    """No reply ends a turn whose tools were interrupted: it is over when it is counted, with what it is counted as."""
    recorder = Recorder()
    trace(
        [
            (0, None, (said(ONE, "a"), starts(1))),
            (100, None, (recorded(1, goes_on=True), effects.RunTool(CallId(1), "weather", "{}"))),
            (
                3_000,
                None,
                (effects.CancelTool(CallId(1)), effects.CountTurn(ONE, events.TurnOutcome.ABANDONED)),
            ),
            (9_000, None, ()),
        ],
        recorder,
    )
    assert recorder.tree() == [
        "session 0+9000",
        "  turn 0+3000",
        "    reply 0+100",
        "    execute_tool weather 100+2900",
    ]
    assert attributes(recorder.one("turn"))["voicegateway.outcome"] == "ABANDONED"


def test_text_of_tools_is_kept_where_that_is_wished() -> None:
    """Arguments and outcome are what was said, too."""
    recorder = Recorder()
    returned = inputs.ToolReturned(CallId(1), "sunny", is_error=False)
    trace([(0, None, (effects.RunTool(CallId(1), "weather", "{1}"),)), (1, returned, ())], recorder, has_text=True)
    told = attributes(recorder.one("execute_tool weather"))
    assert (told["gen_ai.tool.call.arguments"], told["gen_ai.tool.call.result"]) == ("{1}", "sunny")


def test_a_turn_that_waits_is_answered_in_the_same_span() -> None:
    """Turns that are said while another is answered wait; the answer comes into the span that has their words."""
    recorder = Recorder()
    trace(
        [
            (0, None, (said(ONE, "a"), starts(1))),
            (100, None, (said(TWO, "b"),)),
            (200, None, (said(THREE, "c"),)),
            (300, None, (*over(1), starts(2, TWO))),
            (400, None, (*over(2, TWO), starts(3, THREE))),
            (500, None, over(3, THREE)),
        ],
        recorder,
    )
    assert recorder.tree() == [
        "session 0+500",
        "  turn 0+300",
        "    reply 0+300",
        "  turn 100+300",
        "    reply 300+100",
        "  turn 200+300",
        "    reply 400+100",
    ]


def test_a_turn_that_nobody_answers_ends_where_something_of_it_happened_last() -> None:
    """Where the client asks for replies, and asks for none, its turns are no spans that last as long as the session."""
    recorder = Recorder()
    trace([(0, None, (said(ONE, "a"),)), (100, None, (said(TWO, "b"),)), (9_000, None, ())], recorder)
    assert recorder.tree() == ["session 0+9000", "  turn 0+0", "  turn 100+0"]
    outcomes = [attributes(span)["voicegateway.outcome"] for span in recorder.spans if span.name == "turn"]
    assert outcomes == ["UNANSWERED", "UNANSWERED"]


def test_open_turns_are_bounded() -> None:
    """A session of hours in which no reply is asked for keeps the newest; those that are being answered stay."""
    recorder = Recorder()
    many = [(number, None, (said(TurnId(number), "a"),)) for number in range(2, MAX_OPEN + 3)]
    trace([(1, None, (said(ONE, "a"), starts(1))), *many, (99, None, over(1))], recorder)
    ended = [attributes(span)["voicegateway.turn.id"] for span in recorder.spans if span.name == "turn"]
    assert ended[:3] == [2, 3, 1]
    assert len(ended) == MAX_OPEN + 2


def test_a_tool_that_outlives_its_interrupted_turn_ends_with_it() -> None:
    """The client may never return a call that nobody waits for: its span is kept no longer than that of its turn."""
    recorder = Recorder()
    door = Emit(events.ToolCalled(CallId(1), ONE, "door", "{}"))
    many = [(number, None, (said(TurnId(number), "a"),)) for number in range(2, MAX_OPEN + 2)]
    trace([(1, None, (said(ONE, "a"), starts(1))), (1, None, (recorded(1, goes_on=True), door)), *many], recorder)
    ended = [span.name for span in recorder.spans]
    assert ended[:3] == ["reply", "execute_tool door", "turn"]


def test_words_that_are_taken_back_are_no_turn() -> None:
    """An interim that turns out to be a backchannel leaves no span, and the next turn begins with its own sound."""
    recorder = Recorder()
    sound, pause = Emit(events.SpeechStarted(0)), Emit(events.SpeechEnded(0))
    trace(
        [
            (0, None, (sound,)),
            (200, None, (said(ONE, "mhm", is_final=False), pause)),
            (300, None, (said(ONE, "", is_final=False),)),
            (9_000, None, (sound,)),
            (9_400, None, (said(ONE, "Stop."), starts(1))),
            (9_500, None, over(1)),
        ],
        recorder,
    )
    assert recorder.tree() == ["session 0+9500", "  turn 9000+500", "    reply 9400+100"]


def test_a_typed_turn_does_not_begin_with_a_cough_of_a_minute_ago() -> None:
    """A sound that had no words within five seconds is not of a turn that comes later; one that had them is."""
    for typed_ms, began_ms in ((60_000, 60_000), (5_300, 0)):
        recorder = Recorder()
        sound, pause = Emit(events.SpeechStarted(0)), Emit(events.SpeechEnded(0))
        trace(
            [(0, None, (sound,)), (300, None, (pause,)), (typed_ms, None, (said(ONE, "a"), starts(1)))],
            recorder,
        )
        assert recorder.tree()[1] == f"  turn {began_ms}+{typed_ms - began_ms}"


def test_a_cough_before_a_turn_is_no_part_of_it() -> None:
    """A turn begins with the sound that became its words, also after a sound that did not; and goes on over a pause."""
    recorder = Recorder()
    sound = Emit(events.SpeechStarted(0))
    trace(
        [
            (0, None, (sound,)),
            (900, None, (sound,)),
            (1_200, None, (said(ONE, "is", is_final=False),)),
            (1_500, None, (sound,)),
            (1_700, None, (said(ONE, "is it"), starts(1))),
            (2_000, None, over(1)),
        ],
        recorder,
    )
    assert recorder.tree()[1] == "  turn 900+1100"


def test_a_reply_to_no_turn_belongs_to_the_session() -> None:
    """A re-prompt was asked for by nobody."""
    recorder = Recorder()
    trace([(0, None, (effects.BeginReply(ReplyId(1), None),)), (9, None, (recorded(1, None),))], recorder)
    assert recorder.tree() == ["session 0+9", "  reply 0+9"]


def test_notices_are_marks_on_what_they_are_about() -> None:
    """Trouble of a turn stands in it, trouble of no turn, or of one that is over, in the session."""
    recorder = Recorder()

    def notice(turn: TurnId | None) -> Emit:
        return Emit(events.Notice(Reason.TTS_FAILED, "gone", None, turn))

    trace([(0, None, (said(ONE, "a"), notice(ONE), notice(None), notice(TWO)))], recorder)
    assert [event.attributes for event in recorder.one("turn").events] == [{"voicegateway.reason": "TTS_FAILED"}]
    assert [event.name for event in recorder.one("session").events] == ["notice", "notice"]
    assert len(recorder.spans) == 2


def test_what_is_open_ends_with_the_session() -> None:
    """A session that is cut off leaves no span that never comes."""
    recorder = Recorder()
    tool = effects.RunTool(CallId(1), "weather", "{}")
    trace([(0, None, (said(ONE, "a"), starts(1), tool)), (50, None, ())], recorder, outcome=InternalError())
    assert recorder.tree() == [
        "session 0+50",
        "  turn 0+50",
        "    reply 0+50",
        "    execute_tool weather 0+50",
    ]
    for name in ("turn", "reply"):
        assert attributes(recorder.one(name))["voicegateway.outcome"] == "INTERNAL"


@pytest.mark.parametrize(
    ("outcome", "told", "is_error"),
    [
        (events.Ended(events.EndCause.DRAINING), {"outcome": "DRAINING", "status": "OK"}, False),
        (None, {"outcome": "CLIENT_VANISHED", "status": "CANCELLED"}, False),
        (ClientError(Reason.AUDIO_OVERLAP, "no"), {"outcome": "AUDIO_OVERLAP", "status": "TOLD"}, False),
        (InternalError(), {"outcome": "INTERNAL", "status": "TOLD"}, True),
    ],
)
def test_a_session_says_how_it_ended(
    outcome: events.Ended | GatewayError | None, told: dict[str, str], *, is_error: bool
) -> None:
    """By the names of the RPC convention; what a client did wrong is no error of the server."""
    recorder = Recorder()
    method = "a.Service/Method"
    trace((), recorder, outcome=outcome, methods={"grpc_v1": method}, status_of=lambda _: "TOLD")
    span = recorder.one(method)
    assert (span.kind.name, attributes(span)["rpc.method"]) == ("SERVER", method)
    assert attributes(span)["voicegateway.outcome"] == told["outcome"]
    assert attributes(span)["rpc.response.status_code"] == told["status"]
    assert (span.status.status_code is StatusCode.ERROR) is is_error


@pytest.mark.parametrize("proof", [Proof.TOKEN, Proof.NONE])
def test_a_callers_trace_is_the_parent_only_for_those_with_an_identity(proof: Proof) -> None:
    """Anybody could have everything sampled otherwise; for a stranger the caller's span is a link."""
    recorder = Recorder()
    trace((), recorder, replace(AGREEMENT, trace=CALLER, caller=Caller("ada" if proof.value != "none" else "", proof)))
    session = recorder.one("session")
    assert session.context is not None
    if proof is Proof.TOKEN:
        assert session.parent is not None
        assert (session.parent.trace_id, session.parent.span_id) == (CALLERS_TRACE, CALLERS_SPAN)
        assert session.context.trace_state.to_header() == "vendor=1"
        assert not session.links
    else:
        assert session.parent is None
        assert session.context.trace_id != CALLERS_TRACE
        assert [link.context.span_id for link in session.links] == [CALLERS_SPAN]


def test_all_clients_may_be_trusted() -> None:
    """Behind a door that strangers cannot reach, the trace of any client is the parent."""
    recorder = Recorder()
    trace((), recorder, replace(AGREEMENT, trace=CALLER), trusts_clients=True)
    assert recorder.one("session").parent is not None


@pytest.mark.parametrize(("flags", "spans"), [("00", 0), ("01", 3)])
def test_a_trusted_caller_decides_whether_its_call_is_sampled(flags: str, spans: int) -> None:
    """Its flag stands; without a trusted one the sampler decides, here against it."""
    for is_trusted, kept in ((True, spans), (False, 0)):
        recorder = Recorder(NONE_SAMPLED)
        told = TraceContext(CALLER.parent[:-2] + flags)
        steps: tuple[Step, ...] = ((0, None, (said(ONE, "a"), starts(1))), (1, None, over(1)))
        trace(steps, recorder, replace(AGREEMENT, trace=told), trusts_clients=is_trusted)
        assert len(recorder.spans) == kept


def test_tasks_find_the_span_that_they_work_for() -> None:
    """What is asked of a backend for a reply, or a tool, goes below it; also a moment after it was over."""
    recorder = Recorder()

    async def main() -> None:
        told = SessionTrace(Tracing(recorder.tracer), AGREEMENT)
        with told.recorded():
            session = get_current_span()
            told.record(None, clock.now(), (said(ONE, "a"), starts(1), effects.RunTool(CallId(1), "weather", "{}")))
            reply, tool = told.in_reply(ReplyId(1)), told.in_tool(CallId(1))
            assert reply is not None
            assert tool is not None
            assert get_current_span() is session
            names = [context.run(get_current_span).name for context in (reply, tool)]  # type: ignore[attr-defined]
            assert names == ["reply", "execute_tool weather"]
            told.record(None, clock.now(), over(1))
            assert told.in_reply(ReplyId(1)) is not None
            told.record(None, clock.now(), ())
            assert told.in_reply(ReplyId(1)) is None
            assert told.in_tool(CallId(1)) is None
        assert not get_current_span().get_span_context().is_valid

    virtual_time.run(main())


def test_nothing_is_recorded_where_nothing_is_traced() -> None:
    """Without a collector a session has no span, tasks run as they are, and a caller's trace goes nowhere."""

    async def main() -> None:
        known = replace(AGREEMENT, trace=CALLER, caller=Caller("ada", Proof.TOKEN))
        told = SessionTrace(Tracing(), known)
        with told.recorded():
            told.record(None, clock.now(), (said(ONE, "a"), starts(1)))
            assert told.in_reply(ReplyId(1)) is None
            assert not get_current_span().get_span_context().is_valid

    virtual_time.run(main())
