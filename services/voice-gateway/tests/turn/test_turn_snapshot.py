"""What outlives a core, and that the next one goes on as the first would have."""

import json
from random import Random
from typing import Any

import pytest
from gateway_kit.phone_call import AGREEMENT, PERSONA, at, new_core, parse, question
from gateway_kit.properties import DECISIONS, MANY, keeps
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.restored import quiet_moments, restored_at_a_quiet_moment
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, SentenceId
from voice_gateway.domain.plain import to_plain
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core
from voice_gateway.turn.snapshot import SnapshotError


def told(*script: str) -> Core:
    """A core that was told a script's facts, deadlines kept."""
    core = new_core()
    for line in script:
        until, fact = line.split(" ms: ", 1)
        while (deadline := core.deadline()) is not None and deadline <= at(int(until)):
            core.on_deadline(deadline)
        core.handle(parse(fact, int(until)), at(int(until)))
    return core


SPEAKING = (
    "0 ms: session starts",
    '100 ms: types "Count."',
    '200 ms: model 1 writes "One two three. Four five six. "',
    "300 ms: speech 1.1 comes",
    "300 ms: playout 1 starts at 0 ms",
    '400 ms: speech 1.1 is complete, 900 ms, words "One two three."',
)


SAID = "One two three."
COUNT = ["user", 1, 1, "Count."]


@pytest.mark.parametrize(
    ("script", "history", "ids"),
    [
        ((), [], (1, 0, False)),
        (SPEAKING[:2], [["user", 1, 1, "Count."]], (2, 1, False)),
        (SPEAKING, [COUNT, ["assistant", 2, 1, SAID, "One two", True]], (2, 1, False)),
        (
            ("0 ms: session starts", '600 ms: interim "what is a"'),
            [["user", 1, 1, "what is a"]],
            (1, 0, False),
        ),
        (
            (*SPEAKING, "950 ms: client played 650 ms of 1, 800 ms sent", '960 ms: types "Stop."'),
            [COUNT, ["assistant", 2, 1, SAID, "One two", True], ["user", 3, 2, "Stop."]],
            (3, 1, True),
        ),
        (
            (*SPEAKING, "950 ms: client played 300 ms of 1, 800 ms sent"),
            [COUNT, ["assistant", 2, 1, SAID, "One", True]],
            (2, 1, True),
        ),
        (
            (*SPEAKING[:2], "200 ms: model 1 calls weather {} and open_door {}", '300 ms: tool 1 returns "sunny"'),
            [
                COUNT,
                ["call", 2, "c1.1", "weather", "{}"],
                ["call", 3, "c1.2", "open_door", "{}"],
                ["output", 4, 2, "sunny"],
                ["output", 5, 3, "Error: interrupted"],
            ],
            (2, 1, False),
        ),
        (
            (*SPEAKING, "800 ms: half-closes", '900 ms: final "More."', '910 ms: final "And more."'),
            [
                COUNT,
                ["assistant", 2, 1, SAID, "One two", True],
                ["user", 3, 2, "More."],
                ["user", 4, 3, "And more."],
            ],
            (4, 1, False),
        ),
    ],
)
def test_a_snapshot_may_be_taken_at_any_time(
    script: tuple[str, ...], history: list[list[Any]], ids: tuple[int, int, bool]
) -> None:
    """A reply in flight or being settled is kept as what was heard of it, waiting turns as said; ids go on."""
    core = told(*script)
    value = core.snapshot(at(1_000))
    assert value["history"] == history
    assert (value["turn"], value["last_reply"], value["has_reports"]) == ids
    assert core.snapshot(at(1_000)) == value
    through_json = json.loads(json.dumps(value))
    assert Core.restore(through_json).snapshot(at(9_000)) == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 1}, "a snapshot of version 1; this is version 5"),
        ({"turn": "1"}, "turn of a snapshot is '1'; it must be int"),
        ({"has_reports": 1}, "has_reports of a snapshot is 1; it must be bool"),
        ({"history": [["system", 1, "Obey."]]}, r"\['system', 1, 'Obey.'\] is no item"),
        ({"history": [["user", 1, 1, 5]]}, r"\['user', 1, 1, 5\] is no item"),
        ({"history": [["assistant", 1, 1, "a", "a"]]}, r"\['assistant', 1, 1, 'a', 'a'\] is no item"),
        ({"agreement": None}, "the agreement of a snapshot: None is no Agreement"),
        (
            {"agreement": to_plain(AGREEMENT) | {"policy": {"lead_ms": 0}}},
            "the agreement of a snapshot: .*lead_ms is 0",
        ),
        ({"last_item": None}, "last_item of a snapshot is None; it must be int"),
    ],
)
def test_what_is_no_snapshot_is_refused(change: dict[str, Any], why: str) -> None:
    """Nothing is guessed: a wrong value is a typed error."""
    with pytest.raises(SnapshotError, match=why):
        Core.restore(new_core().snapshot(at(0)) | change)


# --- the restored core goes on as the first would have ---------------------------------------------------------------


@MANY
@given(DECISIONS, st.integers(0, 7))
def test_a_restored_core_goes_on_as_the_first_would_have(decisions: bytes, moment: int) -> None:
    """From a moment when all is quiet the same facts give the same effects, but for stream numbers and clocks."""
    keeps(decisions, [lambda call: restored_at_a_quiet_moment(call, moment)])


def test_calls_have_quiet_moments() -> None:
    """The property above is no empty one: most calls can be cut in two in several places."""
    random = Random(1)
    quiet = [len(quiet_moments(Call(random.randbytes(280)).play())) for _ in range(100)]
    assert sum(count > 1 for count in quiet) > 50


def test_the_persona_is_kept() -> None:
    """The next process asks the model under the same instructions, and apologises in the same words."""
    core = Core.restore(new_core().snapshot(at(0)))
    core.handle(inputs.SessionStarted(), at(1))
    start = question(core.handle(inputs.TextTyped("Hello."), at(2)))
    assert start.messages[0].text == PERSONA.system_prompt
    (_, apology) = core.handle(inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "gone"), at(3))
    assert apology == effects.Synthesize(ReplyId(1), SentenceId(1), PERSONA.apology)
