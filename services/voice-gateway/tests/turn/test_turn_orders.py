"""The checks of the contract see what is wrong: each fails on batches that break its sentence."""

import pytest
from gateway_kit.contract import (
    SENTENCES,
    Batch,
    Batches,
    Sentence,
    a_flush_precedes_later_plays,
    a_tool_runs_once,
    an_end_has_its_order,
    assert_kept,
    changes_are_told_behind_the_rest,
    end_play_follows_the_last_play,
    finish_precedes_open,
    nothing_is_ordered_for_a_cancelled_reply,
    sentences_are_told_then_played_in_order,
    settings_change_before_they_are_used,
    synthesis_is_blamed_for_a_silent_reply,
    the_end_is_last,
    what_ends_comes_before_what_begins,
    what_is_dropped_was_not_told,
    who_is_answered_is_remembered,
    who_is_asked_again_is_asked_less,
)
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import ChatMessage, Role
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    InterruptCause,
    ReplyFinished,
    ReplyInterrupted,
    ReplyKind,
    ReplyOutcome,
    ReplyText,
    Transcript,
    TurnOutcome,
    TurnRecord,
)
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, SentenceId, StreamId, TurnId
from voice_gateway.domain.items import UserItem
from voice_gateway.turn.effects import (
    AskAgain,
    BeginReply,
    BlameSynthesis,
    CancelReply,
    CancelSynthesis,
    CancelTool,
    Close,
    CountTurn,
    DropSpeech,
    Effect,
    Emit,
    EndPlay,
    Fail,
    FinishRecognition,
    Flush,
    Forget,
    OpenRecognition,
    Play,
    Reconfigure,
    RecordTurn,
    Remember,
    ResumePlay,
    RunTool,
    StartReply,
    Synthesize,
)
from voice_gateway.turn.inputs import Input, ReplyDelta, ReplyTooLong

ONE, TWO = ReplyId(1), ReplyId(2)
FIRST, SECOND = SentenceId(1), SentenceId(2)
CALL, TURN = CallId(1), TurnId(1)
LONG, SHORT = ((ChatMessage(Role.USER, text),) for text in ("Tell me all of it.", "Tell."))
ASKED = StartReply(ONE, TURN, LONG)
REFUSED = ReplyTooLong(ONE)
STOPPED = Emit(ReplyInterrupted(ONE, InterruptCause.CLIENT))
CLOSED = Close(Ended(EndCause.CLIENT_ENDED))
OPENED, CLOSED_STREAM = OpenRecognition(StreamId(2), 0), FinishRecognition(StreamId(1), 0)
GERMAN = Reconfigure(Change(heard_language="de-DE"))
FINISHED = ReplyFinished(ONE, TURN, ReplyKind.ANSWER, ReplyOutcome.COMPLETED, 0)
LOOKED_ENDED = Synthesize(ONE, FIRST, "Well.")
FINAL = Emit(Transcript(TURN, "Hello.", is_final=True))


def told(sentence: SentenceId) -> Emit:
    """A sentence of reply 1 is shown."""
    return Emit(ReplyText(ONE, TURN, ReplyKind.ANSWER, sentence, "Well."))


def remember(item: int) -> Remember:
    """What the user said in turn 1, as the item of this number."""
    return Remember(UserItem(ItemId(item), TURN, "Hello."))


def made(*effects: Effect, fact: Input | None = None) -> Batch:
    """What a core has made of a fact."""
    return Batch(fact, effects)


WRONG: list[tuple[Sentence, list[Batch]]] = [
    (what_ends_comes_before_what_begins, [made(BeginReply(TWO), CancelTool(CALL))]),
    (what_ends_comes_before_what_begins, [made(BeginReply(TWO), CancelReply(ONE))]),
    (what_ends_comes_before_what_begins, [made(StartReply(TWO, TURN, ()), Flush(ONE))]),
    (what_ends_comes_before_what_begins, [made(StartReply(TWO, TURN, ()), STOPPED)]),
    (what_ends_comes_before_what_begins, [made(BeginReply(TWO), RecordTurn(TurnRecord(FINISHED, None, 0, 0, 0, 0)))]),
    (an_end_has_its_order, [made(CancelReply(ONE), CancelTool(CALL))]),
    (an_end_has_its_order, [made(Flush(ONE), CancelReply(ONE))]),
    (an_end_has_its_order, [made(STOPPED, Flush(ONE))]),
    (an_end_has_its_order, [made(CountTurn(TURN, TurnOutcome.INTERRUPTED), STOPPED)]),
    (a_flush_precedes_later_plays, [made(Play(ONE, FIRST)), made(Play(TWO, FIRST))]),
    (a_flush_precedes_later_plays, [made(Play(TWO, FIRST)), made(Flush(ONE))]),
    (nothing_is_ordered_for_a_cancelled_reply, [made(CancelReply(ONE))]),
    (nothing_is_ordered_for_a_cancelled_reply, [made(CancelReply(ONE), STOPPED, Flush(ONE))]),
    (nothing_is_ordered_for_a_cancelled_reply, [made(CancelReply(ONE), Flush(ONE)), made(ResumePlay(ONE, 0))]),
    (nothing_is_ordered_for_a_cancelled_reply, [made(CancelReply(ONE), Flush(ONE)), made(told(FIRST))]),
    (sentences_are_told_then_played_in_order, [made(Play(ONE, FIRST), told(FIRST))]),
    (sentences_are_told_then_played_in_order, [made(told(SECOND))]),
    (sentences_are_told_then_played_in_order, [made(told(FIRST), told(SECOND), Play(ONE, SECOND), Play(ONE, FIRST))]),
    (sentences_are_told_then_played_in_order, [made(told(FIRST), Play(ONE, FIRST), Play(ONE, FIRST))]),
    (what_is_dropped_was_not_told, [made(DropSpeech(ONE, FIRST))]),
    (what_is_dropped_was_not_told, [made(LOOKED_ENDED), made(DropSpeech(ONE, SECOND))]),
    (what_is_dropped_was_not_told, [made(LOOKED_ENDED, Synthesize(ONE, SECOND, "No.")), made(DropSpeech(ONE, FIRST))]),
    (what_is_dropped_was_not_told, [made(LOOKED_ENDED, told(FIRST)), made(DropSpeech(ONE, FIRST))]),
    (what_is_dropped_was_not_told, [made(LOOKED_ENDED), made(DropSpeech(ONE, FIRST), LOOKED_ENDED)]),
    (end_play_follows_the_last_play, [made(EndPlay(ONE))]),
    (end_play_follows_the_last_play, [made(Play(ONE, FIRST), EndPlay(ONE)), made(EndPlay(ONE))]),
    (end_play_follows_the_last_play, [made(Play(ONE, FIRST), EndPlay(ONE), Play(ONE, SECOND))]),
    (synthesis_is_blamed_for_a_silent_reply, [made(Synthesize(ONE, FIRST, "Well.")), made(Emit(FINISHED))]),
    (synthesis_is_blamed_for_a_silent_reply, [made(BlameSynthesis(ONE))]),
    (
        synthesis_is_blamed_for_a_silent_reply,
        [made(Synthesize(ONE, FIRST, "Well."), CancelSynthesis(ONE), BlameSynthesis(ONE))],
    ),
    (
        synthesis_is_blamed_for_a_silent_reply,
        [made(Synthesize(ONE, FIRST, "Well."), Play(ONE, FIRST), BlameSynthesis(ONE))],
    ),
    (
        synthesis_is_blamed_for_a_silent_reply,
        [made(Synthesize(ONE, FIRST, "Well."), BlameSynthesis(ONE), Play(ONE, FIRST))],
    ),
    (finish_precedes_open, [made(OPENED, CLOSED_STREAM)]),
    (settings_change_before_they_are_used, [made(ASKED, GERMAN)]),
    (settings_change_before_they_are_used, [made(Synthesize(ONE, FIRST, "Well."), GERMAN)]),
    (settings_change_before_they_are_used, [made(OPENED, GERMAN)]),
    (a_tool_runs_once, [made(RunTool(CALL, "weather", "{}")), made(RunTool(CALL, "weather", "{}"))]),
    (a_tool_runs_once, [made(CancelTool(CALL), RunTool(CALL, "weather", "{}"))]),
    (a_tool_runs_once, [made(RunTool(CALL, "weather", "{}")), made(CancelTool(CALL), CancelTool(CALL))]),
    (who_is_asked_again_is_asked_less, [made(ASKED), made(AskAgain(ONE, SHORT))]),
    (who_is_asked_again_is_asked_less, [made(ASKED), made(AskAgain(ONE, LONG), fact=REFUSED)]),
    (who_is_asked_again_is_asked_less, [made(AskAgain(ONE, SHORT), fact=REFUSED)]),
    (
        who_is_asked_again_is_asked_less,
        [made(ASKED), made(fact=ReplyDelta(ONE, "Well")), made(AskAgain(ONE, SHORT), fact=REFUSED)],
    ),
    (who_is_asked_again_is_asked_less, [made(ASKED, CancelReply(ONE)), made(AskAgain(ONE, SHORT), fact=REFUSED)]),
    (changes_are_told_behind_the_rest, [made(remember(1), FINAL)]),
    (changes_are_told_behind_the_rest, [made(remember(2)), made(remember(1))]),
    (changes_are_told_behind_the_rest, [made(Forget(ItemId(1)), remember(1))]),
    (who_is_answered_is_remembered, [made(FINAL, ASKED), made(remember(1))]),
    (who_is_answered_is_remembered, [made(ASKED), made(FINAL, told(FIRST))]),
    (the_end_is_last, [made(CLOSED, FINAL)]),
    (the_end_is_last, [made(Fail(Reason.INTERNAL, "broken")), made(CLOSED)]),
]


@pytest.mark.parametrize(("sentence", "batches"), WRONG)
def test_a_wrong_batch_is_seen(sentence: Sentence, batches: Batches) -> None:
    """A check that passes whatever the core orders would protect nothing."""
    with pytest.raises(AssertionError):
        sentence(batches)


def test_every_sentence_was_broken_once() -> None:
    """Each check of the contract has a wrong batch above."""
    assert {sentence for sentence, _ in WRONG} == set(SENTENCES)


def test_a_right_call_is_not_blamed() -> None:
    """The same orders in their right places pass every check."""
    assert_kept(
        [
            made(GERMAN, CLOSED_STREAM, OPENED),
            made(FINAL, ASKED, remember(1)),
            made(AskAgain(ONE, SHORT), fact=REFUSED),
            made(LOOKED_ENDED),
            made(DropSpeech(ONE, FIRST), Synthesize(ONE, FIRST, "Well...", 2)),
            made(Synthesize(ONE, SECOND, "No.", 2), told(FIRST), Play(ONE, FIRST), EndPlay(ONE)),
            made(RunTool(CALL, "weather", "{}")),
            made(CancelTool(CALL), CancelReply(ONE), Flush(ONE), STOPPED, BeginReply(TWO), Forget(ItemId(1)), CLOSED),
        ]
    )
