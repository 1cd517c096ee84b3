"""What the agent says of its own accord, and when."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import PERSONA, at, parse
from voice_gateway.domain.events import SpeechEnded, Transcript
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Emit, Orders
from voice_gateway.turn.silence import Silence, Unheard

VOICE = 'final "Yes."'


def silent_since(ms: int, orders: Orders | None = None) -> Silence:
    """Nothing has happened since this instant."""
    silence = Silence(PERSONA, orders or Orders())
    silence.watch(at(ms), is_quiet=True, is_away=False)
    return silence


def test_a_prompt_is_due_when_the_silence_has_lasted() -> None:
    """`no_input_ms` after the last stir, neither sooner nor later; 0 is never."""
    silence = silent_since(1_000)
    assert silence.deadline(5_000, None) == at(6_000)
    assert not silence.is_due(5_000, None, Instant(at(6_000) - 1))
    assert silence.is_due(5_000, None, at(6_000))
    assert (silence.deadline(0, None), silence.is_due(0, None, at(9_000))) == (None, False)


def test_a_user_who_may_not_be_heard_gets_more_time() -> None:
    """While a new stream has not proved steady nobody is prompted; once it has, the usual time counts."""
    silence = silent_since(1_000)
    assert silence.deadline(5_000, at(7_000)) == at(7_000)
    assert silence.deadline(5_000, at(2_000)) == at(6_000)
    assert not silence.is_due(5_000, at(7_000), at(6_999))


def test_the_silence_counts_from_its_beginning() -> None:
    """It is not put off by being looked at, and begins anew after anything that happened."""
    silence = silent_since(1_000)
    silence.watch(at(2_000), is_quiet=True, is_away=False)
    deadlines = [silence.deadline(5_000, None)]
    silence.watch(at(3_000), is_quiet=False, is_away=False)
    deadlines.append(silence.deadline(5_000, None))
    silence.watch(at(4_000), is_quiet=True, is_away=False)
    deadlines.append(silence.deadline(5_000, None))
    assert deadlines == [at(6_000), None, at(9_000)]


def test_who_is_silent_is_asked_once_and_then_goodbye_is_said() -> None:
    """The session is over after the goodbye, not after the re-prompt, and each prompt needs a silence of its own."""
    silence = silent_since(1_000)
    told = [(silence.is_over, silence.next_prompt(), silence.deadline(5_000, None))]
    silence.watch(at(9_000), is_quiet=False, is_away=False)
    told.append((silence.is_over, silence.next_prompt(), silence.deadline(5_000, None)))
    assert told == [(False, "Are you there?", None), (False, "Goodbye then.", None)]
    assert silence.is_over


def test_without_a_reprompt_goodbye_is_said_at_once() -> None:
    """An empty sentence is left out."""
    silence = Silence(replace(PERSONA, reprompt=""), Orders())
    assert (silence.is_over, silence.next_prompt()) == (False, "Goodbye then.")
    assert silence.is_over


@pytest.mark.parametrize(
    ("fact", "stirs"),
    [
        ('types "Hi."', True),
        ('presses "1"', True),
        ("commits", True),
        ("interrupts", True),
        ("asks for a reply", True),
        ("speech starts at 100 ms", False),
        (VOICE, False),
        ("client played 100 ms of 1, 200 ms sent", False),
    ],
)
def test_what_the_user_does_by_hand_ends_the_silence(fact: str, *, stirs: bool) -> None:
    """After it the agent asks again before it says goodbye; sound alone ends no silence, nor does what a program tells
    or a final of which the client is told nothing.
    """
    silence = silent_since(1_000)
    assert silence.next_prompt() == "Are you there?"
    silence.watch(at(2_000), is_quiet=True, is_away=False)
    silence.noticed(parse(fact, 3_000))
    assert (silence.deadline(5_000, None) is None) is stirs
    assert silence.next_prompt() == ("Are you there?" if stirs else "Goodbye then.")


@pytest.mark.parametrize(
    ("event", "stirs"),
    [
        (Transcript(TurnId(1), "Yes", is_final=False), True),
        (Transcript(TurnId(1), "", is_final=False), False),
        (SpeechEnded(100), False),
    ],
)
def test_words_that_are_told_end_the_silence(event: Transcript | SpeechEnded, *, stirs: bool) -> None:
    """Words of the user's do, whatever comes beside them; an edge of sound and words taken back do not."""
    orders = Orders()
    silence = silent_since(1_000, orders)
    orders.add(Emit(SpeechEnded(50)), Emit(event))
    silence.noticed(parse(VOICE, 3_000))
    assert (silence.deadline(5_000, None) is None) is stirs


def test_an_outage_is_no_silence() -> None:
    """After it the agent asks again before it says goodbye, and the time counts from its end."""
    silence = silent_since(1_000)
    assert silence.next_prompt() == "Are you there?"
    silence.watch(at(2_000), is_quiet=True, is_away=False)
    silence.watch(at(3_000), is_quiet=True, is_away=True)
    assert silence.deadline(5_000, None) is None
    silence.watch(at(4_000), is_quiet=True, is_away=False)
    assert silence.deadline(5_000, None) == at(9_000)
    assert silence.next_prompt() == "Are you there?"


@pytest.mark.parametrize(
    ("facts", "speaks"),
    [
        ([], False),
        (["speech starts at 100 ms"], True),
        (['interim "yes"'], True),
        ([VOICE], True),
        (["speech ends at 100 ms"], False),
        ([VOICE, 'types "Hi."'], False),
        ([VOICE, 'presses "1"'], True),
        (['types "Hi."', VOICE], True),
    ],
)
def test_who_speaks_is_told_that_nobody_hears(facts: list[str], *, speaks: bool) -> None:
    """Only a user whose voice or words came last; keys say nothing of how somebody talks."""
    unheard = Unheard()
    for fact in facts:
        unheard.noticed(parse(fact, 1_000))
    assert unheard.review(is_away=True, is_deaf=True) is speaks


def test_an_outage_is_told_once() -> None:
    """While it lasts it is told no second time, and never while an attempt to end it is under way; the next one is."""
    unheard = Unheard()
    unheard.noticed(inputs.SpeechStarted(0, 0))
    told = [unheard.review(is_away=True, is_deaf=is_deaf) for is_deaf in (False, True)]
    unheard.told()
    told += [unheard.review(is_away=is_away, is_deaf=is_away) for is_away in (True, False, True)]
    assert told == [False, True, False, False, True]
