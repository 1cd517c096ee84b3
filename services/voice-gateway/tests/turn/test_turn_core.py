"""Begin and end of a session, what is stale, and what the core waits for."""

import pytest
from gateway_kit.phone_call import AGREEMENT, PER_MS, PERSONA, at, new_core, played, question
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import PROMPT_TOKENS
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, StreamId
from voice_gateway.domain.plain import to_plain
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core, Phase, State
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.tables import Floor, Listening, ReplyState

ENDED = "[close: CLIENT_ENDED]"


def told(core: Core, *steps: str) -> list[str]:
    """What the core made of the last of these steps, each effect in short."""
    *_, last = (played(core, (step,)) for step in steps)
    return [line.strip() for line in last.splitlines()[1:]]


def test_the_state_is_told_of_each_machine() -> None:
    """Whoever watches a session sees how far it is, who has the floor, and what reply and recognition do."""
    core = new_core()
    assert core.state == State(Phase.NEW, Floor.NOBODY, ReplyState.NONE, Listening.CLOSED)
    told(core, "0 ms: session starts")
    assert core.state == State(Phase.RUNNING, Floor.NOBODY, ReplyState.NONE, Listening.OPEN)
    told(core, "1000 ms: speech starts at 900 ms")
    assert core.state == State(Phase.RUNNING, Floor.USER, ReplyState.NONE, Listening.OPEN)
    told(core, '1500 ms: types "Count."', "2000 ms: half-closes")
    assert core.state == State(Phase.FINISHING, Floor.USER, ReplyState.WAITING, Listening.FINALISING)
    told(core, "2001 ms: ends")
    assert (core.state.phase, core.state.reply) == (Phase.ENDED, ReplyState.NONE)


@pytest.mark.parametrize(
    "fact",
    [
        'types "Hello."',
        'presses "1"',
        "half-closes",
        "speech starts at 0 ms",
        "asks for a reply",
        "server leaves in 5 ms",
        "nothing happens for long",
        "changes voice Karl",
        "interrupts",
    ],
)
def test_before_the_start_nothing_counts_but_an_end(fact: str) -> None:
    """A session that has not begun has no words, no keys and no settings; the client may end it all the same."""
    core = new_core()
    assert told(core, f"0 ms: {fact}") == []
    assert core.state.phase is Phase.NEW
    assert core.deadline() is None
    assert core.snapshot(at(0)) == new_core().snapshot(at(0))
    assert told(core, "1 ms: ends")[-1] == ENDED


def test_a_session_starts_once() -> None:
    """Told twice that it starts, it opens one stream, and one that is finishing does not begin anew."""
    core = new_core()
    assert told(core, "0 ms: session starts") == ["[open recognition 1 from 0 ms]"]
    assert told(core, "1 ms: session starts") == []
    told(core, "2 ms: half-closes")
    assert told(core, "3 ms: session starts") == []
    assert core.state.phase is Phase.FINISHING


def test_nothing_was_said_before_the_session_began() -> None:
    """A clock that is set an hour on before anything is told of it does not put the first words an hour back: who
    pauses in their first sentence is waited for, 1456 ms from the beginning of the session.
    """
    core = new_core()
    core.handle(inputs.SessionStarted(), at(5_000))
    received = (3_600_000 + 683) * PER_MS
    core.handle(inputs.SegmentFinal(StreamId(1), "Book a table for", (), 3_200, 3_200, received), at(5_683))
    assert core.deadline() == at(6_456)


def test_after_the_end_nothing_happens() -> None:
    """An ended session takes nothing, says nothing and is due for nothing."""
    core = new_core(TurnPolicy(no_input_ms=1_000))
    told(core, "0 ms: session starts", "10 ms: ends")
    for fact in ('types "Hello."', "session starts", "ends", "half-closes", "server leaves in 0 ms", 'final "Hi."'):
        assert told(core, f"20 ms: {fact}") == []
    assert core.deadline() is None
    assert core.on_deadline(at(9_000)) == ()
    assert core.state.phase is Phase.ENDED


def test_a_turn_that_waits_at_the_end_was_said() -> None:
    """Whoever hangs up before their last words are answered finds them in the history, behind the reply they cut."""
    core = new_core(TurnPolicy(interrupts=False))
    told(core, "0 ms: session starts", '10 ms: types "Hello."', '20 ms: model 1 writes "One. "')
    told(core, "30 ms: speech 1.1 comes", "40 ms: playout 1 starts at 0 ms")
    told(core, '900 ms: final "And now?" ending at 800 ms')
    assert told(core, "1000 ms: ends")[-3:] == [
        "[remember item 2, reply 1 (interrupted): 'One.']",
        "[remember item 3, user in turn 2: 'And now?']",
        ENDED,
    ]


def test_input_ends_once() -> None:
    """Keys that come behind the end of the input are no turn, typed text still is, and a second end changes nothing."""
    core = new_core()
    told(core, "0 ms: session starts", "10 ms: half-closes")
    assert told(core, "20 ms: half-closes") == []
    assert told(core, '30 ms: presses "1#"') == []
    assert "USER    Hello.  <turn 1>" in told(core, '40 ms: types "Hello."')


# --- what the core waits for -----------------------------------------------------------------------------------------


def test_a_drain_ends_at_its_deadline_and_not_before() -> None:
    """A reply that is not over when the server has to leave ends the session as one that failed, at that instant."""
    core = new_core()
    told(core, "0 ms: session starts", '100 ms: types "Count."')
    assert told(core, "200 ms: server leaves in 5000 ms")
    assert core.deadline() == at(5_200)
    assert core.on_deadline(at(5_199)) == ()
    *_, last = core.on_deadline(at(5_200))
    assert last == effects.Fail(Reason.DRAIN_DEADLINE, "the server had to leave before the turn was complete")
    assert core.deadline() is None


@pytest.mark.parametrize(("left_ms", "told_ms"), [(1_500, 1_500), (1, 1), (0, 0), (-1, 0), (-700, 0)])
def test_a_client_is_told_how_long_the_server_stays(left_ms: int, told_ms: int) -> None:
    """A time that has passed already is none, and never less than none."""
    core = new_core()
    told(core, "0 ms: session starts", '100 ms: types "Count."')
    (going, *_) = core.handle(inputs.DrainRequested(at(1_000 + left_ms)), at(1_000))
    assert going == effects.Emit(events.GoingAway(told_ms))


def test_a_server_that_leaves_waits_for_the_words_of_the_last_sound() -> None:
    """A sound that has just ended may have words: the session ends when they can no longer come."""
    core = new_core()
    told(core, "0 ms: session starts", "1000 ms: speech starts at 900 ms", "2000 ms: speech ends at 1900 ms")
    assert told(core, "2010 ms: server leaves in 60000 ms") == ["server  (leaves in 60000 ms)"]
    assert core.deadline() == at(3_000)
    assert core.on_deadline(at(3_000))[-1] == effects.Close(events.Ended(events.EndCause.DRAINING))


def test_a_session_without_anything_to_wait_for_is_due_for_nothing() -> None:
    """A server with many silent sessions is not woken by any of them."""
    core = new_core()
    told(core, "0 ms: session starts")
    assert core.deadline() is None
    assert core.on_deadline(at(60_000)) == ()


def test_a_silent_user_is_prompted_on_time() -> None:
    """The silence counts from the start, and the prompt is due at its end and not a moment before."""
    core = new_core(TurnPolicy(no_input_ms=1_000))
    told(core, "500 ms: session starts")
    assert core.deadline() == at(1_500)
    assert core.on_deadline(at(1_499)) == ()
    texts = [effect.text for effect in core.on_deadline(at(1_500)) if isinstance(effect, effects.Synthesize)]
    assert texts == [PERSONA.reprompt]


A_SOUND = ("0 ms: session starts", "1000 ms: speech starts at 900 ms", "2000 ms: speech ends at 1900 ms")
"""A sound without words: until 3000 ms a final may bring some."""


def test_a_sound_wakes_nobody_for_its_own_sake() -> None:
    """When nothing waits for the words of a sound, their time passes in silence."""
    core = new_core()
    told(core, *A_SOUND)
    assert core.deadline() is None


def test_a_silence_begins_when_a_sound_can_have_no_words() -> None:
    """The silence of a user who only made a sound counts from when its words can no longer come."""
    core = new_core(TurnPolicy(no_input_ms=1_500))
    told(core, *A_SOUND)
    assert core.deadline() == at(3_000)
    assert core.on_deadline(at(3_000)) == ()
    assert core.deadline() == at(4_500)
    assert core.on_deadline(at(4_499)) == ()
    assert any(isinstance(effect, effects.Synthesize) for effect in core.on_deadline(at(4_500)))


def test_a_change_waits_for_the_words_of_a_sound() -> None:
    """A change that comes while words may be on their way is in force as soon as they can no longer come."""
    core = new_core()
    told(core, *A_SOUND)
    assert told(core, "2010 ms: changes voice Karl") == []
    assert core.deadline() == at(3_000)
    assert core.on_deadline(at(2_999)) == ()
    assert core.on_deadline(at(3_000)) == (effects.Reconfigure(Change(voice="Karl")),)
    assert core.deadline() is None


def test_a_request_waits_for_the_words_of_a_sound() -> None:
    """Who asks for a reply behind a sound gets one to its words, and without any as soon as they cannot come."""
    core = new_core(TurnPolicy(auto_reply=False))
    told(core, *A_SOUND)
    assert told(core, "2010 ms: asks for a reply") == []
    assert core.deadline() == at(3_000)
    assert core.on_deadline(at(2_999)) == ()
    assert question(core.on_deadline(at(3_000))).turn is None


def test_a_change_that_waits_for_its_second_does_not_wake_a_talk() -> None:
    """A second change of language waits until a second has passed; if an answer has begun meanwhile, for its end."""
    core = new_core()
    told(core, "0 ms: session starts", "100 ms: changes language de-DE", "300 ms: changes language fr-FR")
    assert told(core, "400 ms: recognition 1 ends") == []
    assert core.deadline() == at(1_100)
    told(core, '500 ms: types "Hello."')
    assert core.deadline() is None
    assert core.on_deadline(at(1_100)) == ()


@pytest.mark.parametrize(("auto_reply", "texts"), [(True, [PERSONA.unheard]), (False, [])])
def test_who_asks_for_each_reply_is_not_told_of_an_outage(texts: list[str], *, auto_reply: bool) -> None:
    """An agent that speaks only when it is asked does not speak up because recognition is away."""
    core = new_core(TurnPolicy(auto_reply=auto_reply))
    steps = (
        "0 ms: session starts",
        "1000 ms: speech starts at 900 ms",
        "1500 ms: speech ends at 1400 ms",
        "2000 ms: recognition 1 breaks",
        "2001 ms: recognition 2 breaks",
        "2600 ms: recognition 3 breaks",
        "3700 ms: recognition 4 breaks",
    )
    lines = played(core, steps).splitlines()
    assert [line.split("'")[1] for line in lines if "[synthesize" in line] == texts


# --- what outlives it ------------------------------------------------------------------------------------------------


def test_what_a_model_refused_is_not_asked_by_the_next_process() -> None:
    """A model that takes less than was agreed is asked less from then on, also after the session has moved."""
    core = new_core()
    told(core, "0 ms: session starts")
    told(core, '1 ms: types "' + "word " * 1_500 + '"')
    assert core.snapshot(at(2))["agreement"]["prompt_tokens"] == PROMPT_TOKENS
    core.handle(inputs.ReplyTooLong(ReplyId(1)), at(3))
    assert 0 < core.snapshot(at(4))["agreement"]["prompt_tokens"] < PROMPT_TOKENS


def test_changes_wait_until_nothing_is_going_on() -> None:
    """A change in the middle of an answer is agreed at once and in force behind the answer; then it is in one order."""
    core = new_core()
    told(core, "0 ms: session starts", '1 ms: types "Hello."')
    assert told(core, "2 ms: changes prompt Be long.") == []
    assert core.handle(inputs.SettingsChanged(Change(voice="Karl")), at(3)) == ()
    both = Change(voice="Karl", system_prompt="Be long.")
    assert core.snapshot(at(4))["agreement"] == to_plain(AGREEMENT.apply(both))
    told(core, '5 ms: model 1 writes "Hi."', "6 ms: model 1 is done", "7 ms: speech 1.1 comes")
    told(core, "7 ms: playout 1 starts at 0 ms", "8 ms: speech 1.1 is complete, 100 ms")
    told(core, "9 ms: playout 1 is complete, 100 ms")
    changed = []
    while (deadline := core.deadline()) is not None:
        changed += [each for each in core.on_deadline(deadline) if isinstance(each, effects.Reconfigure)]
    assert changed == [effects.Reconfigure(both)]
    asked = question(core.handle(inputs.TextTyped("Again."), at(5_000)))
    assert asked.messages[0].text == "Be long."


# --- its parts -------------------------------------------------------------------------------------------------------


def test_orders_are_one_batch_in_their_order() -> None:
    """Parts of the core add to one batch; the first failure ends the session, and what was taken is not there twice."""
    orders = Orders()
    assert (orders.count, orders.failure, [*orders.events], orders.drain()) == (0, None, [], ())
    ended, going = events.Ended(events.EndCause.IDLE), events.GoingAway(5)
    batch = (
        effects.Emit(going),
        effects.Fail(Reason.INTERNAL, "first"),
        effects.ForgetAudio(PER_MS),
        effects.Fail(Reason.DRAINING, "second"),
        effects.Emit(ended),
    )
    orders.add(*batch[:2])
    orders.add(*batch[2:])
    assert (orders.count, orders.failure, [*orders.events]) == (5, batch[1], [going, ended])
    assert orders.drain() == batch
    assert (orders.count, orders.failure, orders.drain()) == (0, None, ())
