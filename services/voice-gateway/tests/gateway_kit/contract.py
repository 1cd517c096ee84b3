"""The contract of a batch, sentence by sentence as `effects.py` has it, for the batches of one core in their order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from voice_gateway.domain import events
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, SentenceId, StreamId, TurnId
from voice_gateway.domain.items import UserItem
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.projection import prompt_size


class Batch(NamedTuple):
    """What a core made of a fact."""

    fact: inputs.Input | None
    """None: a deadline came."""
    effects: tuple[effects.Effect, ...]


Batches = Sequence[Batch]
Sentence = Callable[[Batches], None]
_Begun = effects.StartReply | effects.BeginReply
_Change = effects.Remember | effects.Forget
_Last = effects.Close | effects.Fail


def reply_of(effect: effects.Effect) -> ReplyId | None:
    """The reply that an effect is about, if it is about one."""
    match effect:
        case effects.Emit(event):
            return getattr(event, "reply", None)
        case effects.RecordTurn(record):
            return record.finished.reply
    return getattr(effect, "reply", None)


def _flat(batches: Batches) -> list[effects.Effect]:
    return [effect for batch in batches for effect in batch.effects]


def what_ends_comes_before_what_begins(batches: Batches) -> None:
    """1: once a reply begins, its batch has nothing more about an earlier one, and cancels no tool."""
    for batch in batches:
        begun = ReplyId(0)
        for effect in batch.effects:
            if isinstance(effect, _Begun):
                begun = effect.reply
            assert not (begun and isinstance(effect, effects.CancelTool))
            assert (reply_of(effect) or begun) >= begun


_OF_AN_END: Mapping[type[object], int] = {
    effects.CancelTool: 1,
    effects.CancelReply: 2,
    effects.Flush: 3,
    events.ReplyInterrupted: 4,
    events.ReplyHeard: 4,
    events.ReplyFinished: 4,
    effects.CountTurn: 5,
}


def an_end_has_its_order(batches: Batches) -> None:
    """1: CancelTool, CancelReply, Flush, the events of the ended reply, CountTurn."""
    for batch in batches:
        reached = 0
        for effect in batch.effects:
            if isinstance(effect, _Begun):
                reached = 0
            place = _OF_AN_END.get(type(effect.event if isinstance(effect, effects.Emit) else effect))
            if place is not None:
                assert place >= reached
                reached = place


def a_flush_precedes_later_plays(batches: Batches) -> None:
    """2: what was played of an earlier reply is flushed or over when a later one is played, and not flushed then."""
    played: set[ReplyId] = set()
    for effect in _flat(batches):
        match effect:
            case effects.Play(reply):
                played.add(reply)
                assert played == {reply}
            case effects.Flush(reply):
                assert reply >= max(played, default=reply)
                played.discard(reply)
            case effects.Emit(events.ReplyFinished(reply)):
                played.discard(reply)


def nothing_is_ordered_for_a_cancelled_reply(batches: Batches) -> None:
    """2: Flush follows CancelReply at once, and then nothing of that reply, or of one before it, is ordered or said."""
    cancelled = ReplyId(0)
    flat = _flat(batches)
    for effect, following in zip(flat, [*flat[1:], None], strict=True):
        reply = reply_of(effect)
        if isinstance(effect, effects.CancelReply):
            cancelled = effect.reply
            assert following == effects.Flush(cancelled)
        elif reply is not None and not _is_of_an_end(effect):
            assert reply > cancelled


def _is_of_an_end(effect: effects.Effect) -> bool:
    if isinstance(effect, effects.Emit):
        return isinstance(effect.event, events.ReplyInterrupted | events.ReplyHeard | events.ReplyFinished)
    return isinstance(effect, effects.Flush | effects.RecordTurn)


def sentences_are_told_then_played_in_order(batches: Batches) -> None:
    """3: sentences are told in order of their ids, and each is played before the next one is told."""
    told: dict[ReplyId, SentenceId] = {}
    unplayed: set[tuple[ReplyId, SentenceId]] = set()
    for effect in _flat(batches):
        match effect:
            case effects.Emit(events.ReplyText(reply, _, _, sentence)):
                assert sentence == told.get(reply, 0) + 1
                told[reply] = sentence
                unplayed = {(reply, sentence)}
            case effects.Play(reply, sentence):
                assert (reply, sentence) in unplayed
                unplayed.remove((reply, sentence))


def what_is_dropped_was_not_told(batches: Batches) -> None:
    """3: DropSpeech is of the one sentence of its reply that was given to synthesis, and nothing of that was told; what
    is synthesised of the reply after it is of the next take.
    """
    takes: dict[ReplyId, int] = {}
    asked: dict[ReplyId, set[SentenceId]] = {}
    told: dict[ReplyId, SentenceId] = {}
    for effect in _flat(batches):
        match effect:
            case effects.Synthesize(reply, sentence, _, take):
                assert take == takes.setdefault(reply, 1)
                asked.setdefault(reply, set()).add(sentence)
            case effects.Emit(events.ReplyText(reply, _, _, sentence)):
                told[reply] = sentence
            case effects.DropSpeech(reply, sentence):
                assert asked.pop(reply, set()) == {sentence}
                assert sentence > told.get(reply, 0)
                takes[reply] += 1


def end_play_follows_the_last_play(batches: Batches) -> None:
    """4: EndPlay comes once, after something was played, and nothing is played after it."""
    played, over = set[ReplyId](), set[ReplyId]()
    for effect in _flat(batches):
        match effect:
            case effects.Play(reply):
                assert reply not in over
                played.add(reply)
            case effects.EndPlay(reply):
                assert reply in played - over
                over.add(reply)


def synthesis_is_blamed_for_a_silent_reply(batches: Batches) -> None:
    """4: a whole reply of which something was to be heard and nothing was played blames synthesis, unless a call has
    failed; no other does.
    """
    asked, played, blamed = set[ReplyId](), set[ReplyId](), set[ReplyId]()
    for effect in _flat(batches):
        match effect:
            case effects.Synthesize(reply):
                asked.add(reply)
            case effects.CancelSynthesis(reply) | effects.DropSpeech(reply):
                asked.discard(reply)
            case effects.Play(reply):
                assert reply not in blamed
                played.add(reply)
            case effects.BlameSynthesis(reply):
                assert reply in asked - played - blamed
                blamed.add(reply)
            case effects.Emit(events.ReplyFinished(reply, _, _, outcome)):
                is_silent = reply in asked - played and outcome is not events.ReplyOutcome.INTERRUPTED
                assert not is_silent or reply in blamed


def finish_precedes_open(batches: Batches) -> None:
    """5: a stream is half-closed before the next one is opened."""
    for batch in batches:
        opened = StreamId(0)
        for effect in batch.effects:
            match effect:
                case effects.OpenRecognition(stream):
                    opened = stream
                case effects.FinishRecognition(stream):
                    assert stream >= opened


def settings_change_before_they_are_used(batches: Batches) -> None:
    """6: before Reconfigure its batch asks, synthesises and plays nothing, and a stream that was opened to hear another
    language is half-closed.
    """
    for batch in batches:
        before = list[effects.Effect]()
        for effect in batch.effects:
            if isinstance(effect, effects.Reconfigure):
                assert not any(map(_is_by_settings, before))
                opened = {each.stream for each in before if isinstance(each, effects.OpenRecognition)}
                closed = {each.stream for each in batch.effects if isinstance(each, effects.FinishRecognition)}
                assert effect.change.heard_language is None or opened <= closed
            before.append(effect)


def _is_by_settings(effect: effects.Effect) -> bool:
    return isinstance(effect, _Begun | effects.AskAgain | effects.Synthesize | effects.Play)


def a_tool_runs_once(batches: Batches) -> None:
    """7: each call runs once, and is cancelled at most once, after it ran."""
    ran, cancelled = set[CallId](), set[CallId]()
    for effect in _flat(batches):
        match effect:
            case effects.RunTool(call):
                assert call not in ran
                ran.add(call)
            case effects.CancelTool(call):
                assert call in ran - cancelled
                cancelled.add(call)


def who_is_asked_again_is_asked_less(batches: Batches) -> None:
    """8: each further question for a reply in flight follows a refusal, has less than the one before, and no word of
    the reply was written.
    """
    asked: dict[ReplyId, int] = {}
    for fact, made in batches:
        if isinstance(fact, inputs.ReplyDelta):
            asked.pop(fact.reply, None)
        for effect in made:
            match effect:
                case effects.StartReply(reply):
                    asked[reply] = prompt_size(effect.messages, effect.tools)
                case effects.AskAgain(reply):
                    size = prompt_size(effect.messages, effect.tools)
                    assert fact == inputs.ReplyTooLong(reply)
                    assert reply in asked
                    assert size < asked[reply]
                    asked[reply] = size
                case effects.CancelReply(reply) | effects.Emit(events.ReplyFinished(reply)):
                    asked.pop(reply, None)


def changes_are_told_behind_the_rest(batches: Batches) -> None:
    """9: behind a change of the history only further ones come, in the order of their items, and the end."""
    last = ItemId(0)
    for batch in batches:
        is_behind = False
        for effect in batch.effects:
            match effect:
                case effects.Remember(item):
                    assert item.id > last
                    last = item.id
                case effects.Forget(item_id):
                    assert item_id <= last
            is_behind = is_behind or isinstance(effect, _Change)
            assert not is_behind or isinstance(effect, _Change | _Last)


def who_is_answered_is_remembered(batches: Batches) -> None:
    """9: a final turn for which the model is asked, or an answer is told, is remembered by the end of that batch."""
    final, remembered = set[TurnId](), set[TurnId]()
    for _, made in batches:
        items = [each.item for each in made if isinstance(each, effects.Remember)]
        remembered |= {item.turn for item in items if isinstance(item, UserItem)}
        for effect in made:
            match effect:
                case effects.Emit(events.Transcript(turn, _, is_final)) if is_final:
                    final.add(turn)
                case effects.StartReply(_, turn) if turn in final:
                    assert turn in remembered
                case effects.Emit(events.ReplyText(_, turn, events.ReplyKind.ANSWER)) if turn is not None:
                    assert turn in remembered


def the_end_is_last(batches: Batches) -> None:
    """10: nothing follows Close or Fail, in its batch or after it."""
    flat = _flat(batches)
    assert not any(isinstance(effect, _Last) for effect in flat[:-1])


SENTENCES: tuple[Sentence, ...] = (
    what_ends_comes_before_what_begins,
    an_end_has_its_order,
    a_flush_precedes_later_plays,
    nothing_is_ordered_for_a_cancelled_reply,
    sentences_are_told_then_played_in_order,
    what_is_dropped_was_not_told,
    end_play_follows_the_last_play,
    synthesis_is_blamed_for_a_silent_reply,
    finish_precedes_open,
    settings_change_before_they_are_used,
    a_tool_runs_once,
    who_is_asked_again_is_asked_less,
    changes_are_told_behind_the_rest,
    who_is_answered_is_remembered,
    the_end_is_last,
)


def assert_kept(batches: Iterable[Batch]) -> None:
    """Every sentence holds for these batches."""
    made = tuple(batches)
    for sentence in SENTENCES:
        sentence(made)
