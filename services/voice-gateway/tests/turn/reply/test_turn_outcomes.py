"""What becomes of turns that are answered, as telemetry counts them."""

import pytest
from gateway_kit.phone_call import batches, new_core, played
from voice_gateway.domain.events import ReplyKind, TurnOutcome
from voice_gateway.turn import effects
from voice_gateway.turn.reply.endings import PATIENCE_MS

ASKED = ("0 ms: session starts", '100 ms: types "Count!"')
WRITTEN = (*ASKED, '200 ms: model 1 writes "One two. "', "210 ms: model 1 is done")
SPEAKING = (
    *WRITTEN,
    "300 ms: speech 1.1 comes",
    "300 ms: playout 1 starts at 0 ms",
    "310 ms: speech 1.1 is complete, 400 ms",
)
HEARD_OUT = (*SPEAKING, "600 ms: playout 1 is complete, 400 ms", "2000 ms: (time passes)")
SAID = ("0 ms: session starts", '1000 ms: final "Hello there." ending at 500 ms')
TOOL_RUNS = (*ASKED, "200 ms: model 1 calls weather {}")
FILLED = (
    *TOOL_RUNS,
    "900 ms: (time passes)",
    "950 ms: speech 2.1 comes",
    "950 ms: playout 2 starts at 0 ms",
    "960 ms: speech 2.1 is complete, 400 ms",
)


def counted(*steps: str) -> list[tuple[int, TurnOutcome]]:
    """Turns and their outcomes, in the order in which they were counted."""
    ordered = [effect for batch in batches("\n".join(steps)) for effect in batch.effects]
    return [(effect.turn, effect.outcome) for effect in ordered if isinstance(effect, effects.CountTurn)]


def test_an_answer_that_was_heard_out_is_one() -> None:
    """A turn whose answer was heard to its end is answered; until then nothing is counted."""
    assert counted(*HEARD_OUT[:-1]) == []
    assert counted(*HEARD_OUT) == [(1, TurnOutcome.ANSWERED)]


def test_an_answer_without_a_sound_that_was_wished_is_one() -> None:
    """What is shown is heard: a reply as a text has answered its turn once all of it is written."""
    call = (*ASKED, "200 ms: interrupts", "300 ms: asks for a reply, as text")
    text = (*call, '400 ms: model 2 writes "One. Two."')
    assert counted(*text)[1:] == []
    assert counted(*text, "410 ms: model 2 is done")[1:] == [(1, TurnOutcome.ANSWERED)]
    assert counted(*call, '400 ms: model 2 writes "One. Two."', "9000 ms: interrupts")[1:] == [
        (1, TurnOutcome.INTERRUPTED)
    ]


@pytest.mark.parametrize("stop", ["interrupts", 'types "Stop."', 'presses "1"', "ends"])
def test_an_answer_that_had_begun_was_interrupted(stop: str) -> None:
    """Whoever stops it once its first sound has left, and be it a millisecond later, had an answer."""
    assert counted(*SPEAKING, f"301 ms: {stop}") == [(1, TurnOutcome.INTERRUPTED)]


def test_how_much_was_heard_is_awaited_before_it_is_counted() -> None:
    """A client that reports has its time to tell its last position; the outcome is the same."""
    call = (*SPEAKING, "400 ms: client played 50 ms of 1, 100 ms sent", "500 ms: interrupts")
    assert counted(*call) == []
    assert counted(*call, "800 ms: (time passes)") == [(1, TurnOutcome.INTERRUPTED)]


@pytest.mark.parametrize("stop", ["interrupts", 'types "Hello?"', 'presses "1"', "ends"])
@pytest.mark.parametrize("call", [ASKED, WRITTEN], ids=["the model hangs", "synthesis hangs"])
def test_who_waits_in_vain_has_abandoned_the_turn(call: tuple[str, ...], stop: str) -> None:
    """Who leaves within two seconds of the question may have left an answer on its way; later there was none."""
    assert PATIENCE_MS == 2_000
    assert counted(*call, f"150 ms: {stop}" if call is ASKED else f"220 ms: {stop}") == [
        (1, TurnOutcome.ABANDONED_EARLY)
    ]
    assert counted(*call, f"2100 ms: {stop}") == [(1, TurnOutcome.ABANDONED_EARLY)]
    assert counted(*call, f"2101 ms: {stop}") == [(1, TurnOutcome.ABANDONED)]


@pytest.mark.parametrize(("stop_ms", "outcome"), [(3_500, TurnOutcome.ABANDONED_EARLY), (3_501, TurnOutcome.ABANDONED)])
def test_nobody_waits_for_an_answer_before_the_turn_has_ended(stop_ms: int, outcome: TurnOutcome) -> None:
    """A reply that was asked for at 700 ms, in advance, is waited for from 1500 ms on, when its turn was committed."""
    call = (
        "0 ms: session starts",
        '700 ms: interim "what is a pod", sure',
        '1500 ms: final "What is a pod?" ending at 600 ms',
    )
    assert counted(*call, f"{stop_ms} ms: interrupts") == [(1, outcome)]


@pytest.mark.parametrize(
    ("ready_ms", "outcome"), [(2_100, TurnOutcome.ABANDONED_EARLY), (2_101, TurnOutcome.ABANDONED)]
)
def test_a_reply_that_is_kept_back_has_come(ready_ms: int, outcome: TurnOutcome) -> None:
    """While somebody may be speaking, a reply that is ready waits: that is no fault of backends."""
    call = (
        *WRITTEN,
        "1900 ms: speech starts at 1800 ms",
        f"{ready_ms} ms: speech 1.1 comes",
        "3000 ms: interrupts",
    )
    assert counted(*call) == [(1, outcome)]


def test_a_turn_that_is_asked_again_is_waited_for_anew() -> None:
    """A client that asks for the reply to a turn that it had stopped waits from then on, and counts again."""
    call = (*ASKED, "200 ms: interrupts", "5000 ms: asks for a reply")
    early = (1, TurnOutcome.ABANDONED_EARLY)
    assert counted(*call, "7000 ms: interrupts") == [early, early]
    assert counted(*call, "7001 ms: interrupts") == [early, (1, TurnOutcome.ABANDONED)]


@pytest.mark.parametrize(
    "end",
    [
        ("210 ms: interrupts",),
        ("300 ms: speech 1.1 comes", "300 ms: playout 1 starts at 0 ms", "900 ms: interrupts"),
        ("300 ms: speech 1.1 fails after 0 ms",),
        (
            "300 ms: speech 1.1 comes",
            "300 ms: playout 1 starts at 0 ms",
            "310 ms: speech 1.1 is complete, 400 ms",
            "600 ms: playout 1 is complete, 400 ms",
            "2000 ms: (time passes)",
        ),
    ],
    ids=["stopped at once", "stopped later", "not said", "heard out"],
)
def test_an_apology_is_no_answer(end: tuple[str, ...]) -> None:
    """A backend has failed, however the apology for it ends."""
    assert counted(*ASKED, "200 ms: model 1 fails", *end) == [(1, TurnOutcome.FAILED)]


def test_an_answer_that_broke_has_failed_though_it_was_interrupted() -> None:
    """Who stops a reply of which a part is missing has not had all that there was."""
    call = (
        *ASKED,
        '200 ms: model 1 writes "Well, then. "',
        "210 ms: model 1 fails",
        "300 ms: speech 1.1 comes",
        "300 ms: playout 1 starts at 0 ms",
        "310 ms: speech 1.1 is complete, 500 ms",
    )
    assert counted(*call, "800 ms: interrupts") == [(1, TurnOutcome.FAILED)]
    settled = ("400 ms: client played 50 ms of 1, 100 ms sent", "800 ms: interrupts", "1100 ms: (time passes)")
    assert counted(*call, *settled) == [(1, TurnOutcome.FAILED)]


@pytest.mark.parametrize("gap_ms", [300, 5_000])
def test_a_turn_that_goes_on_is_taken_back(gap_ms: int) -> None:
    """What was said is a part of the next turn, which is counted by its own end; the wait says nothing of backends."""
    again_ms = 1_000 + gap_ms
    call = (
        *SAID,
        f"{again_ms} ms: speech starts at {again_ms - 100} ms",
        f'{again_ms + 500} ms: interim "and what is the weather in rome" ending at {again_ms + 400} ms',
    )
    assert counted(*call) == [(1, TurnOutcome.TAKEN_BACK)]
    goes_on = f'{again_ms + 900} ms: final "And what is the weather in Rome?" ending at {again_ms + 500} ms'
    ends = f"{again_ms + 4_000} ms: ends"
    assert counted(*call, goes_on, ends) == [(1, TurnOutcome.TAKEN_BACK), (2, TurnOutcome.ABANDONED)]


def test_a_turn_that_was_taken_back_is_not_to_be_answered_again() -> None:
    """A client that asks for a reply is answered what was said since: the turn is not in the conversation any more."""
    core = new_core()
    played(core, (*SAID, '1300 ms: interim "and what is the weather in rome" ending at 1200 ms'))
    assert core._agent.unanswered is None
    abandoned = new_core()
    played(abandoned, (*SAID, "1300 ms: interrupts"))
    assert abandoned._agent.unanswered is not None


def test_a_turn_with_tools_is_counted_by_its_answer() -> None:
    """The reply that calls a tool ends nothing, nor does a filler."""
    call = (
        *FILLED,
        "1400 ms: playout 2 is complete, 400 ms",
        "1500 ms: (time passes)",
        '1600 ms: tool 1 returns "sunny"',
    )
    assert counted(*call) == []
    answer = ('1700 ms: model 3 writes "Sunny."', "1710 ms: model 3 is done")
    sound = (
        "1800 ms: speech 3.1 comes",
        "1800 ms: playout 3 starts at 0 ms",
        "1810 ms: speech 3.1 is complete, 300 ms",
    )
    heard = ("2100 ms: playout 3 is complete, 300 ms", "3000 ms: (time passes)")
    assert counted(*call, *answer, *sound, *heard) == [(1, TurnOutcome.ANSWERED)]
    assert counted(*call, "1700 ms: model 3 fails", "1710 ms: interrupts") == [(1, TurnOutcome.FAILED)]


@pytest.mark.parametrize("stop", ["interrupts", 'types "Hello?"', "ends"])
@pytest.mark.parametrize("call", [TOOL_RUNS, FILLED], ids=["silence", "a filler"])
def test_who_stops_a_tool_has_abandoned_the_turn(call: tuple[str, ...], stop: str) -> None:
    """A turn whose tool is interrupted has no last reply, and is counted all the same; a filler is no answer to it."""
    assert counted(*call, f"2100 ms: {stop}")[:1] == [(1, TurnOutcome.ABANDONED_EARLY)]
    assert counted(*call, f"2101 ms: {stop}")[:1] == [(1, TurnOutcome.ABANDONED)]
    assert [turn for turn, _ in counted(*call, f"2101 ms: {stop}", "9000 ms: (time passes)")].count(1) == 1


def test_a_turn_whose_reply_and_tool_are_stopped_is_counted_once() -> None:
    """The model may speak and call in one reply: who stops both had the beginning of an answer."""
    call = (
        *ASKED,
        '200 ms: model 1 writes "Let me look. "',
        "210 ms: model 1 calls weather {}",
        "300 ms: speech 1.1 comes",
        "300 ms: playout 1 starts at 0 ms",
        "310 ms: speech 1.1 is complete, 400 ms",
    )
    assert counted(*call, "400 ms: interrupts", "9000 ms: (time passes)") == [(1, TurnOutcome.INTERRUPTED)]
    heard = ("600 ms: playout 1 is complete, 400 ms", "2000 ms: (time passes)", "2500 ms: interrupts")
    assert counted(*call, *heard) == [(1, TurnOutcome.INTERRUPTED)]


def test_what_answers_nobody_is_not_counted() -> None:
    """A prompt to a silent user, and a reply that was asked for where nothing was said, are no turns."""
    asked = ("0 ms: session starts", "100 ms: changes no_input_ms 1000", "200 ms: asks for a reply")
    written = ('300 ms: model 1 writes "Hi."', "310 ms: model 1 is done", "320 ms: speech 1.1 fails after 0 ms")
    call = (*asked, *written, "9000 ms: (time passes)", "9100 ms: ends")
    assert counted(*call) == []
    ordered = [effect for batch in batches("\n".join(call)) for effect in batch.effects]
    ended = [effect.record.finished.kind for effect in ordered if isinstance(effect, effects.RecordTurn)]
    assert ended == [ReplyKind.ANSWER, ReplyKind.REPROMPT]


CALLS_BEHIND_WORDS = (
    *ASKED,
    '200 ms: model 1 writes "Let me look. One moment. "',
    "210 ms: model 1 calls weather {}",
    "300 ms: speech 1.1 comes",
    "300 ms: playout 1 starts at 0 ms",
    "310 ms: speech 1.1 is complete, 400 ms",
)
BROKEN_ROUND = (
    *CALLS_BEHIND_WORDS,
    "320 ms: speech 1.2 fails after 0 ms",
    "800 ms: playout 1 is complete, 400 ms",
    '2000 ms: tool 1 returns "sunny"',
)
WHOLE_ROUND = (
    *CALLS_BEHIND_WORDS,
    "320 ms: speech 1.2 comes",
    "330 ms: speech 1.2 is complete, 400 ms",
    "1100 ms: playout 1 is complete, 800 ms",
    '2000 ms: tool 1 returns "sunny"',
)
SECOND_ROUND = (
    '2100 ms: model 2 writes "Sunny."',
    "2110 ms: model 2 is done",
    "2200 ms: speech 2.1 comes",
    "2200 ms: playout 2 starts at 0 ms",
    "2210 ms: speech 2.1 is complete, 300 ms",
)


@pytest.mark.parametrize(
    "end", [("2300 ms: interrupts",), ("2500 ms: playout 2 is complete, 300 ms", "4000 ms: (time passes)")]
)
def test_a_part_that_is_missing_before_tools_is_missing(end: tuple[str, ...]) -> None:
    """A turn has failed if its first round lost a sentence, however well the second went."""
    assert counted(*BROKEN_ROUND, *SECOND_ROUND, *end) == [(1, TurnOutcome.FAILED)]
    assert counted(*BROKEN_ROUND, "4100 ms: interrupts") == [(1, TurnOutcome.FAILED)]


@pytest.mark.parametrize(("stop_ms", "outcome"), [(4_000, TurnOutcome.INTERRUPTED), (4_001, TurnOutcome.ABANDONED)])
def test_a_model_that_hangs_behind_tools_is_waited_for(stop_ms: int, outcome: TurnOutcome) -> None:
    """The tools return at 2000 ms: who stops a silent second round more than two seconds later had no answer."""
    assert counted(*WHOLE_ROUND, f"{stop_ms} ms: interrupts") == [(1, outcome)]


def test_what_the_gateway_ends_itself_has_failed() -> None:
    """A server that leaves within two seconds of the question leaves no answer; one that had begun was interrupted."""
    assert counted(*ASKED, "200 ms: server leaves in 300 ms", "600 ms: (time passes)") == [(1, TurnOutcome.FAILED)]
    assert counted(*SPEAKING, "320 ms: server leaves in 80 ms", "600 ms: (time passes)") == [
        (1, TurnOutcome.INTERRUPTED)
    ]
