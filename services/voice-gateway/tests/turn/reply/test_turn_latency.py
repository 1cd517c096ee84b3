"""Where the time of a turn went, span by span."""

import pytest
from gateway_kit.phone_call import at
from voice_gateway.domain.events import (
    REPLY_REQUEST,
    LatencySpan,
    Speculation,
    SpeculationOutcome,
    SpeculationTrigger,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn.reply.answering import Answering
from voice_gateway.turn.reply.latency import ReplyClock, spans, turn_report
from voice_gateway.turn.user.turn_so_far import CommittedTurn, Decision

EARLY = (Speculation(SpeculationTrigger.PAUSE, SpeculationOutcome.WON, 0),)


def answering(*, is_live: bool = True, requested: Instant | None = None) -> Answering:
    """A turn that was spoken until 1000 ms, ended at 1400, transcribed at 1500 and committed at 1700."""
    turn = CommittedTurn(
        TurnId(3),
        "Is it open?",
        at(1_000),
        Decision(at(1_400), "vad_end_ms"),
        Decision(at(1_500), "final_grace_ms"),
        at(1_700),
        is_live=is_live,
    )
    return Answering(turn, EARLY, requested)


def test_each_span_has_its_name_its_length_and_its_setting() -> None:
    """Of a turn in which everything took its time, each millisecond has an owner, and who can change it is named."""
    rounds = ReplyClock(at(1_800)).after_tools(at(1_900), at(2_100)).rounds
    clock = ReplyClock(at(1_800), rounds, at(2_200), at(2_260), at(2_330), at(2_410))
    assert spans(answering(requested=at(1_750)), clock, at(2_500)) == (
        LatencySpan("endpointing", 0, 400, "vad_end_ms"),
        LatencySpan("asr_final", 400, 100, "final_grace_ms"),
        LatencySpan("hold", 500, 200, "unfinished_hold_ms"),
        LatencySpan(REPLY_REQUEST, 700, 50, ""),
        LatencySpan("settle", 750, 50, "playback_settle_ms"),
        LatencySpan("llm_tool_call", 800, 100, ""),
        LatencySpan("tools", 900, 200, "tool_timeout_ms"),
        LatencySpan("llm_first_token", 1_100, 100, ""),
        LatencySpan("first_sentence", 1_200, 60, ""),
        LatencySpan("tts_first_audio", 1_260, 70, ""),
        LatencySpan("contested", 1_330, 80, "contested_timeout_ms"),
        LatencySpan("playout", 1_410, 90, "lead_ms"),
    )


def test_a_turn_that_was_not_live_waits_for_earlier_turns() -> None:
    """What a recording said is answered after the turns before it: that wait is no setting's."""
    told = spans(answering(is_live=False), ReplyClock(at(3_000)), at(3_001))
    assert told[3:] == (LatencySpan("earlier_turns", 700, 1_300, ""), LatencySpan("playout", 2_000, 1, "lead_ms"))


def test_work_before_the_commitment_stands_beside_the_tiles() -> None:
    """A reply that was prepared early costs only what was left of its work when the turn was certain."""
    clock = ReplyClock(at(1_200), (), at(1_300), at(1_650), at(1_900))
    assert spans(answering(), clock, at(1_900)) == (
        LatencySpan("endpointing", 0, 400, "vad_end_ms"),
        LatencySpan("llm_first_token", 200, 100, "", is_overlapped=True),
        LatencySpan("first_sentence", 300, 350, "", is_overlapped=True),
        LatencySpan("asr_final", 400, 100, "final_grace_ms"),
        LatencySpan("hold", 500, 200, "unfinished_hold_ms"),
        LatencySpan("tts_first_audio", 650, 50, "", is_overlapped=True),
        LatencySpan("tts_first_audio", 700, 200, ""),
    )


def test_what_was_done_while_the_user_spoke_is_not_counted() -> None:
    """The clock of a turn begins with the last speech: of work that began before, only the rest is told."""
    clock = ReplyClock(at(900), (), at(950), at(1_100))
    overlapped = [span for span in spans(answering(), clock, at(1_700)) if span.is_overlapped]
    assert overlapped == [LatencySpan("first_sentence", 0, 100, "", is_overlapped=True)]


def test_a_step_that_did_not_happen_has_no_span() -> None:
    """A reply without a sound has no span of synthesis, and the next step begins where the last one ended."""
    clock = ReplyClock(at(1_700), (), None, at(1_800))
    assert spans(answering(), clock, at(1_850))[3:] == (
        LatencySpan("first_sentence", 700, 100, ""),
        LatencySpan("playout", 800, 50, "lead_ms"),
    )


def test_a_report_says_whose_it_is() -> None:
    """A report has its turn, its reply, the whole time and what was prepared early."""
    clock = ReplyClock(at(1_700))
    told = spans(answering(), clock, at(1_950))
    assert turn_report(answering(), ReplyId(7), clock, at(1_950)) == TurnReport(TurnId(3), ReplyId(7), 950, told, EARLY)


@pytest.mark.parametrize(("played_ms", "total_ms"), [(900, 0), (1_000, 0), (1_001, 1)])
def test_no_time_is_negative(played_ms: int, total_ms: int) -> None:
    """A reply that leaves before the speech is reckoned to have ended took no time."""
    assert turn_report(answering(), ReplyId(1), ReplyClock(at(900)), at(played_ms)).total_ms == total_ms


def test_the_first_of_each_kind_counts() -> None:
    """A second token, sentence or sound changes nothing; of two holds the later end counts."""
    clock = ReplyClock(at(1))
    for time_ms in (10, 20):
        clock.wrote(at(time_ms))
        clock.ordered(at(time_ms + 1))
        clock.spoke(at(time_ms + 2))
        clock.released(at(time_ms + 3))
    assert clock == ReplyClock(at(1), (), at(10), at(11), at(12), at(23))


def test_after_tools_the_clock_goes_on() -> None:
    """The reply after two rounds of tools knows both, and when the first one was asked; the rest begins anew."""
    clock = ReplyClock(at(1), (), at(2), at(3), at(4), at(5)).after_tools(at(10), at(20)).after_tools(at(30), at(40))
    rounds = (
        ("llm_tool_call", at(10), ""),
        ("tools", at(20), "tool_timeout_ms"),
        ("llm_tool_call", at(30), ""),
        ("tools", at(40), "tool_timeout_ms"),
    )
    assert clock == ReplyClock(at(1), rounds)
