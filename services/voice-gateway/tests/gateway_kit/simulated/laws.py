"""What holds for the record of every call, however senseless its facts."""

from collections import Counter
from collections.abc import Iterator

from gateway_kit.contract import Batch, assert_kept, reply_of
from gateway_kit.lawful import assert_lawful
from gateway_kit.simulated.call import Call
from voice_gateway.domain import events
from voice_gateway.domain.ids import ItemId, ReplyId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.items import Item
from voice_gateway.turn import effects
from voice_gateway.turn.core import Phase


def flat(call: Call) -> list[effects.Effect]:
    """All effects in order."""
    return [effect for step in call.steps for effect in step.effects]


def about_replies(call: Call) -> Iterator[tuple[ReplyId, effects.Effect]]:
    """The effects that are about a reply, with its id."""
    for effect in flat(call):
        reply = reply_of(effect)
        if reply is not None:
            yield reply, effect


def one_reply_is_in_flight_and_each_ends_once(call: Call) -> None:
    """A reply starts when the one before has ended, and ends exactly once: it finishes, and the client is told so.

    One that nobody was told of ends with its cancellation instead: it was only prepared.
    """
    in_flight: ReplyId | None = None
    is_told, is_cancelled = False, False
    started, finished = Counter[ReplyId](), Counter[ReplyId]()
    for reply, effect in about_replies(call):
        if isinstance(effect, effects.StartReply | effects.BeginReply):
            assert in_flight is None or (is_cancelled and not is_told), "two replies are in flight"
            assert reply > max(started, default=0)
            in_flight, is_told, is_cancelled = reply, False, False
            started[reply] += 1
        elif isinstance(effect, effects.RecordTurn):
            continue
        elif isinstance(effect, effects.Emit):
            assert reply == in_flight, "the client is told of a reply that is not in flight"
            is_told = True
            finished[reply] += isinstance(effect.event, events.ReplyFinished)
            in_flight = None if finished[reply] else reply
        elif isinstance(effect, effects.CancelReply):
            assert reply == in_flight
            assert not is_cancelled
            is_cancelled = True
    assert in_flight is None or (is_cancelled and not is_told), "a reply that was told of never ended"
    assert set(finished.values()) <= {1}


def a_finished_reply_is_recorded(call: Call) -> None:
    """Telemetry gets what the client gets: ReplyFinished, then RecordTurn of the same reply."""
    batch = flat(call)
    for place, effect in enumerate(batch):
        match effect:
            case effects.Emit(events.ReplyFinished() as finished):
                following = batch[place + 1]
                assert isinstance(following, effects.RecordTurn)
                assert following.record.finished == finished


def an_answer_is_counted_once(call: Call) -> None:
    """Each answer that ended, by one reply or after tools by several, is one turn for telemetry; nothing else is."""
    uncounted = set[TurnId]()
    for effect in flat(call):
        match effect:
            case effects.Emit(events.ReplyFinished(_, turn, kind)) if kind is not events.ReplyKind.FILLER:
                uncounted |= {turn} if turn is not None else set()
            case effects.CountTurn(turn):
                uncounted.remove(turn)
    assert not uncounted


def a_prepared_reply_is_silent(call: Call) -> None:
    """Before the turn is final nothing of a reply to it is told or played."""
    turns: dict[ReplyId, TurnId] = {}
    final = 0
    for effect in flat(call):
        match effect:
            case effects.StartReply(reply, turn):
                turns[reply] = turn or TurnId(0)
            case effects.BeginReply(reply):
                turns[reply] = TurnId(0)
            case effects.Emit(events.Transcript(turn, _, is_final)) if is_final:
                final = turn
            case effects.Play(reply) | effects.EndPlay(reply) | effects.PausePlay(reply):
                assert turns[reply] <= final
            case effects.Emit(events.ReplyText(reply) | events.ReplyInterrupted(reply)):
                assert turns[reply] <= final


def a_turn_is_final_once(call: Call) -> None:
    """Every turn has at most one final transcript, turn ids only grow, and no interim follows the final."""
    last_final = 0
    for effect in flat(call):
        if isinstance(effect, effects.Emit) and isinstance(effect.event, events.Transcript):
            assert effect.event.turn == last_final + 1
            last_final += effect.event.is_final


def deadlines_advance(call: Call) -> None:
    """After a deadline was handled the next one is later: the shell's timer never spins."""
    for step in call.steps:
        if step.fact is None and step.deadline is not None:
            assert step.deadline > step.now


def closing_absorbs(call: Call) -> None:
    """The session ends once, with the last effect; then there is no deadline, and no fact has any effect."""
    batch = flat(call)
    ends = [place for place, effect in enumerate(batch) if isinstance(effect, effects.Close | effects.Fail)]
    assert ends == [len(batch) - 1]
    core = call.core
    assert core.state.phase is Phase.ENDED
    assert core.deadline() is None
    assert core.on_deadline(Instant(10**15)) == ()
    facts = [step.fact for step in call.steps if step.fact is not None]
    assert all(core.handle(fact, Instant(10**15)) == () for fact in facts)


def a_store_has_the_conversation(call: Call) -> None:
    """Whoever does what Remember and Forget say has the items that the core keeps, in their order.

    No number is given twice, and what is forgotten was remembered.
    """
    store: dict[ItemId, Item] = {}
    last = ItemId(0)
    for effect in flat(call):
        match effect:
            case effects.Remember(item):
                assert item.id > last
                store[item.id], last = item, item.id
            case effects.Forget(item_id):
                del store[item_id]
    assert tuple(store.values()) == call.core._history.items


def the_model_reads_lawful_messages(call: Call) -> None:
    """Whatever the conversation was, no chat template refuses what the model is asked."""
    for effect in flat(call):
        if isinstance(effect, effects.StartReply | effects.AskAgain):
            assert_lawful(effect.messages)


def the_contract_is_kept(call: Call) -> None:
    """Every batch is as its contract says."""
    assert_kept(Batch(step.fact, step.effects) for step in call.steps)


OF_ANY_CALL = (
    the_contract_is_kept,
    the_model_reads_lawful_messages,
    a_store_has_the_conversation,
    one_reply_is_in_flight_and_each_ends_once,
    a_finished_reply_is_recorded,
    an_answer_is_counted_once,
    a_prepared_reply_is_silent,
    a_turn_is_final_once,
    deadlines_advance,
    closing_absorbs,
)
