"""Which facts about a reply count in which state: the others are about a part that is over, or has not begun."""

import pytest
from gateway_kit.phone_call import PER_MS, TOOLBOX, at, batches, new_core, parse, played, reply_factory
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.events import InterruptCause, ReplyPaused, TurnReport
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.player import Player
from voice_gateway.turn import effects
from voice_gateway.turn.reply.answering import Answering
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.playback import Heard
from voice_gateway.turn.reply.reply import Reply, Settling
from voice_gateway.turn.tables import Floor, ReplyState
from voice_gateway.turn.user.turn_so_far import CommittedTurn

ASKED = ("0 ms: session starts", '100 ms: types "Count."')
WRITTEN = (*ASKED, '200 ms: model 1 writes "One two. Three."', "210 ms: model 1 is done")
COMING = (*WRITTEN, "300 ms: speech 1.1 comes")
SPEAKING = (*COMING, "310 ms: playout 1 starts at 0 ms", "320 ms: speech 1.1 is complete, 2000 ms")
SENT = (*SPEAKING, "330 ms: speech 1.2 is complete, 500 ms", "400 ms: playout 1 is complete, 2500 ms")
SETTLING = (
    *ASKED,
    '200 ms: model 1 writes "One two. "',
    "300 ms: speech 1.1 comes",
    "310 ms: playout 1 starts at 0 ms",
    "400 ms: client played 50 ms of 1, 300 ms sent",
    "500 ms: interrupts",
)
HELD = (*SPEAKING, "800 ms: speech starts at 700 ms")
SECRET = ("0 ms: session starts", '400 ms: interim "what is a pod", sure')
PREPARED = (*SECRET, '410 ms: model 1 writes "It is."', "420 ms: model 1 is done", "430 ms: speech 1.1 comes")


@pytest.mark.parametrize(
    ("steps", "fact"),
    [
        (WRITTEN, 'model 1 writes "More."'),
        (WRITTEN, "model 1 is done"),
        (WRITTEN, "model 1 fails"),
        (WRITTEN, "model 1 calls weather {}"),
        (WRITTEN, "model 1 finds the question too long"),
        (WRITTEN, "speech 1.0 comes"),
        (WRITTEN, "speech 1.3 comes"),
        (WRITTEN, "speech 1.3 is complete, 500 ms"),
        (WRITTEN, "speech 1.3 fails after 0 ms"),
        (WRITTEN, "speech 2.1 comes"),
        (WRITTEN, "playout 1 starts at 0 ms"),
        (WRITTEN, "playout 1 starves at 0 ms"),
        (WRITTEN, "playout 1 is complete, 0 ms"),
        (COMING, "playout 1 starves at 0 ms"),
        (COMING, "playout 1 is complete, 500 ms"),
        (SPEAKING, "speech 1.1 comes"),
        (SPEAKING, "speech 1.1 is complete, 0 ms"),
        (SPEAKING, "speech 1.1 fails after 0 ms"),
        (SENT, "playout 1 starts at 0 ms"),
        (SENT, "playout 1 starves at 100 ms"),
        (SENT, "playout 1 is complete, 100 ms"),
        ((*SPEAKING, "500 ms: interrupts"), "speech 1.2 comes"),
        (SETTLING, "playout 1 starts at 0 ms"),
        (SETTLING, "playout 1 starves at 300 ms"),
        (SETTLING, "playout 1 is complete, 300 ms"),
        (SETTLING, 'model 1 writes "Three. "'),
        (SETTLING, "model 1 is done"),
        (SETTLING, "speech 1.1 is complete, 300 ms"),
        (PREPARED, "playout 1 starts at 0 ms"),
        (PREPARED, "playout 1 is complete, 0 ms"),
    ],
)
def test_a_fact_about_another_part_changes_nothing(steps: tuple[str, ...], fact: str) -> None:
    """Late, early and foreign facts are dropped without a trace: what follows is as if they had not come."""
    with_it, without = new_core(), new_core()
    for core in (with_it, without):
        played(core, steps)
    assert with_it.handle(parse(fact, 700), at(700)) == ()
    assert with_it.state == without.state
    assert with_it.deadline() == without.deadline()
    stop = parse("interrupts", 1_000)
    assert with_it.handle(stop, at(1_000)) == without.handle(stop, at(1_000))


@pytest.mark.parametrize(
    ("steps", "fact", "state"),
    [
        (ASKED, 'model 1 writes "One."', ReplyState.WAITING),
        (COMING, "playout 1 starts at 0 ms", ReplyState.SPEAKING),
        (COMING, "playout 1 is complete, 0 ms", ReplyState.NONE),
        (SPEAKING, "playout 1 is complete, 2500 ms", ReplyState.DRAINING),
        (SPEAKING, "speech starts at 700 ms", ReplyState.HELD),
        (COMING, "speech starts at 700 ms", ReplyState.WITHHELD),
        (HELD, "playout 1 is complete, 2500 ms", ReplyState.HELD),
        (SENT, "interrupts", ReplyState.NONE),
        (PREPARED, "speech 1.1 fails after 0 ms", ReplyState.NONE),
        (SECRET, "model 1 is done", ReplyState.NONE),
        (SECRET, "model 1 finds the question too long", ReplyState.NONE),
    ],
)
def test_a_fact_leads_to_the_next_state(steps: tuple[str, ...], fact: str, state: ReplyState) -> None:
    """A reply goes from its question to its end; one that is only prepared is dropped by any failure."""
    core = new_core()
    played(core, steps)
    core.handle(parse(fact, 900), at(900))
    assert core.state.reply is state


def ordered(*steps: str) -> list[effects.Effect]:
    """All that comes of a call."""
    return [effect for batch in batches("\n".join(steps)) for effect in batch.effects]


def made(player: Player = Player.PAUSES, *, has_reports: bool = False) -> Reply:
    """A reply that answers a typed turn, and that the model was asked for."""
    maker = reply_factory(player=player)
    if has_reports:
        maker.reports_came()
    answering = Answering(CommittedTurn.typed(TurnId(1), "Count.", at(100)), ())
    reply = maker.make(TurnId(1), ReplyClock(at(100)), answering=answering)
    reply.ask((), at(100))
    return reply


def tell(reply: Reply, *facts: str) -> None:
    """Tell a reply facts, `time: fact`; each has to be one that counts."""
    for step in facts:
        time, words = step.split(": ", 1)
        fact = parse(words, int(time))
        concerns, perform = Reply.STEPS[type(fact)]  # type: ignore[index]  # facts about replies only
        assert concerns(reply, fact)
        perform(reply, fact, at(int(time)))


SOUND = (
    '200: model 1 writes "One two."',
    "210: model 1 is done",
    "300: speech 1.1 comes",
    "310: playout 1 starts at 0 ms",
)


@pytest.mark.parametrize(
    ("has_reports", "facts", "settle_by", "state"),
    [
        (True, SOUND, 900, ReplyState.SETTLING),
        (True, SOUND, None, ReplyState.OVER),
        (False, SOUND, 900, ReplyState.OVER),
        (True, SOUND[:3], 900, ReplyState.OVER),
    ],
    ids=["awaited", "not needed", "does not report", "not audible"],
)
def test_the_last_report_is_awaited_of_who_can_tell_it(
    *, has_reports: bool, facts: tuple[str, ...], settle_by: int | None, state: ReplyState
) -> None:
    """Only a client that reports, and has something to play, is waited for when a reply is stopped."""
    reply = made(has_reports=has_reports)
    tell(reply, *facts)
    reply.interrupt(InterruptCause.CLIENT, at(710), None if settle_by is None else at(settle_by))
    assert reply.state is state
    if state is ReplyState.SETTLING:
        assert reply.settling == Settling(Heard(300 * PER_MS, is_estimate=True), at(900))
        assert reply.deadline() == at(900)
        reply.settle()
    assert (reply.state, reply.settling, reply.deadline()) == (ReplyState.OVER, None, None)


def test_who_has_told_their_last_position_is_not_asked_again() -> None:
    """A reply whose client has told the last position is over as soon as it is stopped."""
    reply = made(has_reports=True)
    tell(reply, *SOUND)
    reply.reported(100 * PER_MS, at(500), is_final=True)
    reply.interrupt(InterruptCause.CLIENT, at(600), at(900))
    assert reply.state is ReplyState.OVER


def test_calls_are_made_once() -> None:
    """What the model has called is handed over a single time."""
    maker = reply_factory()
    reply = maker.make(TurnId(1), ReplyClock(at(100)), tools=TOOLBOX.tools)
    reply.ask((), at(100))
    tell(reply, "200: model 1 calls weather {}")
    assert reply.take_calls() == (ToolCall("c1.1", "weather", "{}"),)
    assert reply.take_calls() == ()


@pytest.mark.parametrize(
    ("player", "is_told"), [(Player.PAUSES, True), (Player.FLUSHES, True), (Player.PLAYS_OUT, False)]
)
def test_a_hold_is_told_where_the_client_falls_silent(player: Player, *, is_told: bool) -> None:
    """Who hears a reply stop is told why; a player that plays out has nothing to be told, before or in a hold."""
    paused = effects.Emit(ReplyPaused(ReplyId(1)))
    audible = ordered(f"player: {player.value}", *HELD)
    assert (paused in audible) is is_told
    assert effects.PausePlay(ReplyId(1)) in audible
    late = ("305 ms: speech starts at 300 ms", "310 ms: playout 1 starts at 0 ms")
    assert (paused in ordered(f"player: {player.value}", *COMING, *late)) is is_told


def test_a_report_is_told_with_the_first_audio_alone() -> None:
    """Audio that leaves again after a gap is no first audio: a turn has one report."""
    steps = (*SPEAKING, "2310 ms: playout 1 starves at 2000 ms", "2400 ms: playout 1 starts at 2000 ms")
    assert (
        len([each for each in ordered(*steps) if isinstance(each, effects.Emit) and isinstance(each.event, TurnReport)])
        == 1
    )


def test_the_floor_is_the_agents_from_its_first_audio_to_its_end() -> None:
    """Who has the floor follows the sound of the reply, and a sound of the user contests it."""
    core = new_core()
    floors = []
    for steps in (COMING, SPEAKING[len(COMING) :], HELD[len(SPEAKING) :], ("900 ms: interrupts",)):
        played(core, steps)
        floors.append(core.state.floor)
    assert floors == [Floor.NOBODY, Floor.AGENT, Floor.CONTESTED, Floor.USER]
