"""How a reply is taken back, settled and counted, at the very instant or sample at which that changes."""

import pytest
from gateway_kit.phone_call import PER_MS, at, batches, new_core, parse, played, question
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import Notice, ReplyHeard
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core

REPLY = (
    "0 ms: session starts",
    '1000 ms: final "Hello there." ending at 500 ms',
    '1050 ms: model 1 writes "One two three four five six seven eight."',
    "1060 ms: model 1 is done",
    "1100 ms: speech 1.1 comes",
    "1100 ms: playout 1 starts at 0 ms",
    "1110 ms: speech 1.1 is complete, 5000 ms",
)
WORDS = "and what is the weather in rome"


def settling(settle_ms: int = 250) -> Core:
    """A core whose client has reported 100 ms of a reply at 1400 ms, and has interrupted it at 1500 ms."""
    core = new_core(TurnPolicy(playback_settle_ms=settle_ms))
    played(core, (*REPLY, "1400 ms: client played 100 ms of 1, 300 ms sent", "1500 ms: interrupts"))
    return core


def events(batch: tuple[effects.Effect, ...]) -> list[object]:
    """What the client is told."""
    return [effect.event for effect in batch if isinstance(effect, effects.Emit)]


def reported(core: Core, played_ms: int, *, is_final: bool) -> list[object]:
    """What the client is told for a position of reply 1, of which 400 ms were sent."""
    fact = inputs.PlaybackReported(ReplyId(1), played_ms * PER_MS, 400 * PER_MS, is_final)
    return events(core.handle(fact, at(1_600)))


@pytest.mark.parametrize(("time_ms", "is_taken_back"), [(2_200, True), (2_201, False)])
def test_a_reply_is_taken_back_if_a_second_of_it_was_heard_at_most(time_ms: int, *, is_taken_back: bool) -> None:
    """The user had gone on before it was heard. A second of it was heard at 2200 ms: who hears more remembers it."""
    core = new_core(player=Player.NEVER_HELD)
    steps = (*REPLY, "1300 ms: speech starts at 1200 ms", f'{time_ms} ms: interim "{WORDS}"')
    told = played(core, steps)
    assert "agent   (stops reply 1: user_speech)" in told
    assert (f"user    Hello there. {WORDS}..." in told) is is_taken_back
    assert (f"user    {WORDS}..." in told) is not is_taken_back


@pytest.mark.parametrize("settle_ms", [100, 250])
def test_the_last_report_is_awaited_as_long_as_agreed(settle_ms: int) -> None:
    """After an interruption the client has `playback_settle_ms` to tell how far it played; then the clock tells it."""
    core = settling(settle_ms)
    assert core.deadline() == at(1_500 + settle_ms)
    told = events(core.on_deadline(at(1_500 + settle_ms)))
    assert told[0] == ReplyHeard(ReplyId(1), 200 * PER_MS, "", is_estimate=True)


def test_while_it_is_awaited_only_the_last_report_counts() -> None:
    """Positions that were on their way change nothing, however odd they are; the last one settles the reply."""
    core = settling()
    assert reported(core, 150, is_final=False) == []
    assert reported(core, 900, is_final=False) == []
    told = reported(core, 250, is_final=True)
    assert told[0] == ReplyHeard(ReplyId(1), 250 * PER_MS, "", is_estimate=False)
    assert reported(core, 300, is_final=True) == []


def test_no_more_was_heard_than_was_sent() -> None:
    """A last position beyond what was sent counts as all of that, "One" of 375 ms included, and is told as odd."""
    told = reported(settling(), 900, is_final=True)
    assert told[0] == ReplyHeard(ReplyId(1), 400 * PER_MS, "One", is_estimate=False)
    message = f"reply 1: {900 * PER_MS} samples reported, {400 * PER_MS} sent"
    assert Notice(Reason.PLAYBACK_IMPLAUSIBLE, message) in told


def test_no_position_is_negative() -> None:
    """A client that counts from below zero has heard nothing yet."""
    told = reported(settling(), -10, is_final=True)
    assert told[0] == ReplyHeard(ReplyId(1), 0, "", is_estimate=False)


def test_a_report_of_a_reply_that_is_a_secret_is_told() -> None:
    """Nobody was told of a reply that is only prepared: a position in it cannot be."""
    core = new_core()
    prepared = ("0 ms: session starts", '700 ms: interim "what is a pod", sure')
    told = played(core, (*prepared, "800 ms: client played 10 ms of 1, 10 ms sent"))
    assert "[ask the model for reply 1" in told
    assert "notice  PLAYBACK_IMPLAUSIBLE: there is no reply 1" in told


@pytest.mark.parametrize(("player", "underruns"), [("pauses", 2), ("flushes", 2), ("plays_out", 1)])
def test_a_gap_is_counted_unless_it_is_that_of_a_hold(player: str, underruns: int) -> None:
    """A player that plays out runs dry because it gets no more while it is held: synthesis is not to blame for that."""
    steps = (
        f"player: {player}",
        *REPLY[:-1],
        "1500 ms: playout 1 starves at 400 ms",
        "1600 ms: playout 1 starts at 400 ms",
        "2000 ms: speech starts at 1900 ms",
        "2100 ms: playout 1 starves at 800 ms",
        "2200 ms: interrupts",
        "9000 ms: (time passes)",
    )
    ended = [effect for batch in batches("\n".join(steps)) for effect in batch.effects]
    (record,) = (effect.record for effect in ended if isinstance(effect, effects.RecordTurn))
    assert record.underruns == underruns


def test_a_filler_and_the_answer_are_given_as_the_reply_was_asked_for() -> None:
    """A reply that was asked for as a text with one tool stays that after tools: nothing of it is spoken."""
    core = new_core()
    told = played(
        core,
        (
            "0 ms: session starts",
            '100 ms: asks for a reply, as text, told "Be kind.", with close_door',
            "200 ms: model 1 calls close_door {}",
            "2000 ms: (time passes)",
            '2100 ms: tool 1 returns "closed"',
            '2200 ms: model 3 writes "It is closed."',
            "2300 ms: model 3 is done",
        ),
    )
    assert "AGENT   'One moment.'  <filler 2.1>" in told
    assert "AGENT   'It is closed.'  <answer 3.1>" in told
    assert "synthesize" not in told
    assert told.count("[ask the model with weather and close_door for reply") == 2
    assert told.count("system: 'Be kind.'") == 2


@pytest.mark.parametrize(("end", "is_answered"), [("model 1 is done", True), ("model 1 fails", False)])
def test_a_part_of_a_reply_that_failed_is_no_answer(end: str, *, is_answered: bool) -> None:
    """Who has heard "Well," of a reply and then interrupts has an answer, unless the rest of it had failed."""
    core = new_core()
    steps = (
        *REPLY[:2],
        '1050 ms: model 1 writes "Well, then. "',
        f"1060 ms: {end}",
        "1100 ms: speech 1.1 comes",
        "1100 ms: playout 1 starts at 0 ms",
        "1110 ms: speech 1.1 is complete, 500 ms",
        "1600 ms: interrupts",
    )
    assert "'Well,')" in played(core, steps)
    asked = question(core.handle(parse("asks for a reply", 1_700), at(1_700)))
    assert asked.turn == (None if is_answered else 1)
