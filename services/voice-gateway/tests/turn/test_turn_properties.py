"""What holds for every call, however it goes.

Hypothesis draws bytes that decide a call (`gateway_kit/simulated`): a world of speaker, recogniser, model, synthesis
and player that reacts to what the core orders, each of them late, broken or mistaken at times, and in most calls with
senseless facts in between. A property is a function of the played call; its docstring says what holds.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import get_args

from gateway_kit.phone_call import PERSONA, new_core, question
from gateway_kit.properties import DECISIONS, MANY, keeps
from gateway_kit.simulated import laws, recomputed, replays, shown_words, unspoken, words_kept
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.elsewhere import JUMPS_MS, the_clock_jumps
from gateway_kit.simulated.noise import KINDS
from gateway_kit.simulated.situations import MEANT, situations
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import inputs

SEEDS = 500
"""Calls that are always the same; more than enough to meet every situation, the rarest of them several times."""


@MANY
@given(DECISIONS)
def test_any_call_keeps_the_laws(decisions: bytes) -> None:
    """No fact in any state raises an error; replies, turns, sentences, deadlines and the end are in order, and the
    machines are where facts and effects alone say they are.
    """
    keeps(decisions, (*laws.OF_ANY_CALL, *recomputed.OF_ANY_CALL))


@MANY
@given(DECISIONS)
def test_a_plausible_call_is_truthful_and_never_hangs(decisions: bytes) -> None:
    """History is what was heard, heard is at most what was sent or played and never taken back, every turn ends in
    time, words that were shown are committed in time, and what cannot be spoken is told.
    """
    keeps(
        decisions,
        (*recomputed.OF_PLAUSIBLE_CALLS, *shown_words.OF_PLAUSIBLE_CALLS, *unspoken.OF_PLAUSIBLE_CALLS),
        is_plausible=True,
    )


@MANY
@given(DECISIONS)
def test_every_word_of_a_plausible_call_is_kept(decisions: bytes) -> None:
    """Each word that is final and not the agent's own is in the history once, or was disregarded over a reply."""
    keeps(decisions, words_kept.OF_PLAUSIBLE_CALLS, is_plausible=True)


@MANY
@given(DECISIONS)
def test_a_call_told_again_is_the_same_call(decisions: bytes) -> None:
    """The same facts give the same effects, a core that is asked again has nothing left to do, and facts without
    meaning change nothing.
    """
    keeps(decisions, replays.OF_ANY_CALL)


@MANY
@given(decisions=DECISIONS, moment=st.integers(0, 20), jump_ms=st.sampled_from(JUMPS_MS), is_pushed=st.booleans())
def test_a_clock_that_stands_elsewhere_changes_nothing(
    decisions: bytes, moment: int, jump_ms: int, *, is_pushed: bool
) -> None:
    """Whether the client's clock jumps, or audio of before is sent at once: what comes then in real time is live, and
    the call goes as it would have gone.
    """
    keeps(
        decisions,
        [lambda call: the_clock_jumps(call, moment, jump_ms, is_pushed=is_pushed)],
        is_plausible=True,
    )


def test_calls_reach_every_situation() -> None:
    """The world above is no idle one: it reaches every state, outcome and situation there is, each more than once."""
    random = Random(1)
    met: Counter[object] = Counter()
    for number in range(SEEDS):
        met.update(set(situations(Call(random.randbytes(280), is_plausible=number % 2 == 0).play())))
    rare = {str(meant): met[meant] for meant in MEANT if met[meant] < 3}
    assert not rare


def test_every_kind_of_fact_is_generated() -> None:
    """The senseless facts leave no input out: a new one must be added to them."""
    assert set(get_args(inputs.Input)) == KINDS


def test_an_answer_reads_the_persona() -> None:
    """Without a system prompt the model gets none, not an empty one."""
    core = new_core(persona=replace(PERSONA, system_prompt=""))
    core.handle(inputs.SessionStarted(), Instant(0))
    start = question(core.handle(inputs.TextTyped("Hello."), Instant(1)))
    assert [message.role for message in start.messages] == ["user"]
