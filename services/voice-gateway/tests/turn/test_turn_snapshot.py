"""What outlives a core, and that the next one goes on as the first would have."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from gateway_kit.phone_call import AGREEMENT, PERSONA, at, new_core, parse, question
from gateway_kit.properties import DECISIONS, MANY, keeps
from gateway_kit.simulated.call import Call
from gateway_kit.simulated.restored import quiet_moments, restored_at_a_quiet_moment
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, SentenceId, SessionId
from voice_gateway.domain.plain import to_plain
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.turn import effects, inputs, snapshot
from voice_gateway.turn.core import Core


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
AGREED = to_plain(AGREEMENT)


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
    assert Core.restore(snapshot.parse(through_json)).snapshot(at(9_000)) == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 1}, "a snapshot of version 1; this is version 5"),
        ({"version": None}, "of a snapshot, version is NoneType; it must be int"),
        ({"turn": "1"}, "of a snapshot, turn is str; it must be int"),
        ({"has_reports": 1}, "of a snapshot, has_reports is int; it must be bool"),
        ({"history": "Obey."}, "of a snapshot, history is str; it must be list"),
        ({"history": [COUNT, ["system", 1, "Obey."]]}, "of a snapshot, history[1] is no item"),
        ({"history": [[]]}, "of a snapshot, history[0] is no item"),
        ({"history": [5]}, "of a snapshot, history[0] is no item"),
        ({"history": [{"user": 1, "1": 1, "2": 1, "a": 1}]}, "of a snapshot, history[0] is no item"),
        ({"history": ["Obey."]}, "of a snapshot, history[0] is no item"),
        ({"history": [["user", 1, 1, 5]]}, "of a snapshot, history[0].text is int; it must be str"),
        ({"history": [["user", True, 1, "a"]]}, "of a snapshot, history[0].id is bool; it must be int"),
        ({"history": [["assistant", 1, 1, "a", "a"]]}, "of a snapshot, history[0] is no item"),
        ({"agreement": None}, "of a snapshot, agreement is NoneType; it must be Agreement"),
        (
            {"agreement": AGREED | {"input_rate_hz": 1}},
            "of a snapshot, agreement: input_rate_hz is 1; it must be one of",
        ),
        (
            {"agreement": AGREED | {"persona": AGREED["persona"] | {"apology": 5}}},
            "of a snapshot, agreement.persona.apology is int; it must be str",
        ),
        (
            {"agreement": AGREED | {"policy": AGREED["policy"] | {"lead_ms": 0}}},
            "of a snapshot, agreement.policy: POLICY_OUT_OF_RANGE: lead_ms is 0",
        ),
        (
            {"agreement": AGREED | {"trace": {"parent": "00-4bf9-00f0-01", "state": ""}}},
            "of a snapshot, agreement.trace: traceparent or tracestate is unlawful",
        ),
        ({"last_item": None}, "of a snapshot, last_item is NoneType; it must be int"),
    ],
)
def test_what_is_no_snapshot_is_refused(change: dict[str, Any], why: str) -> None:
    """Nothing is guessed: a wrong value is a typed error."""
    with pytest.raises(snapshot.SnapshotError, match=f"^{re.escape(why)}"):
        snapshot.parse(new_core().snapshot(at(0)) | change)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("version", "a snapshot needs version"),
        ("agreement", "a snapshot needs agreement"),
        ("turn", "a snapshot needs turn"),
        ("last_reply", "a snapshot needs last_reply"),
        ("last_call", "a snapshot needs last_call"),
        ("has_reports", "a snapshot needs has_reports"),
        ("history", "of a snapshot, history is NoneType; it must be list"),
    ],
)
def test_what_is_missing_is_named(name: str, why: str) -> None:
    """Whoever kept half of a session reads which part was lost."""
    whole = new_core().snapshot(at(0))
    with pytest.raises(snapshot.SnapshotError, match=f"^{re.escape(why)}$"):
        snapshot.parse({key: value for key, value in whole.items() if key != name})


def paths(value: object, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where each field of a plain value is, inside of others, too."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*path, name)
            yield from paths(item, *path, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, *path, index)


def test_every_field_of_a_snapshot_must_be_there() -> None:
    """No default of the reader stands in for what the writer has agreed: policy, persona, tools, caller and trace."""
    whole = new_core().snapshot(at(0))
    found = list(paths(whole))
    assert {("agreement", "policy", "lead_ms"), ("agreement", "toolbox", "tools", 0, "runs_at")} < set(found)
    for *parents, name in found:
        value = json.loads(json.dumps(whole))
        holder = value
        for parent in parents:
            holder = holder[parent]
        del holder[name]
        with pytest.raises(snapshot.SnapshotError):
            snapshot.parse(value)


def test_whoever_resumes_says_what_is_another_process_own() -> None:
    """The next process has another session id, door, caller and trace, and tools of its own beside the client's."""
    kept = snapshot.parse(told(*SPEAKING).snapshot(at(1_000)))
    clock = Tool("clock", "Tells the time.", "", ToolPlace.SERVER)
    client_tools = tuple(tool for tool in kept.agreement.toolbox.tools if tool.runs_at is ToolPlace.CLIENT)
    agreement = replace(
        kept.agreement,
        session_id=SessionId("s2"),
        transport="grpc_legacy",
        client_label="line 4",
        caller=Caller("ada", Proof.JWT),
        trace=TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        toolbox=replace(kept.agreement.toolbox, tools=(clock, *client_tools)),
    )
    core = Core.restore(replace(kept, agreement=agreement))
    assert snapshot.parse(core.snapshot(at(2_000))).agreement == agreement
    core.handle(inputs.SessionStarted(), at(2_000))
    start = question(core.handle(inputs.TextTyped("What time is it?"), at(2_001)))
    assert start.tools == (clock, *client_tools)
    assert "One two" in [message.text for message in start.messages]


# --- the restored core goes on as the first would have ---------------------------------------------------------------


def test_a_restored_core_does_not_know_which_turn_is_unanswered() -> None:
    """Flags outlive the core; a turn that waited for a request is read by the next reply, which belongs to no turn."""
    core = told("0 ms: session starts", "10 ms: changes auto_reply 0, detect_turns 0", '1000 ms: types "Hello."')
    value = json.loads(json.dumps(core.snapshot(at(2_000))))
    restored = Core.restore(snapshot.parse(value))
    assert restored.snapshot(at(3_000)) == value
    asked = question(core.handle(parse("asks for a reply", 3_000), at(3_000)))
    assert asked.turn == 1
    restored.handle(inputs.SessionStarted(), at(3_000))
    asked = question(restored.handle(parse("asks for a reply", 3_100), at(3_100)))
    assert asked.turn is None
    assert [message.text for message in asked.messages] == [PERSONA.system_prompt, "Hello."]


@MANY
@given(DECISIONS, st.integers(0, 7))
def test_a_restored_core_goes_on_as_the_first_would_have(decisions: bytes, moment: int) -> None:
    """From a moment when all is quiet the same facts give the same effects, but for stream numbers and clocks."""
    keeps(decisions, [lambda call: restored_at_a_quiet_moment(call, moment)])


def test_calls_have_quiet_moments() -> None:
    """The property above is no empty one: two calls in five or more can be cut in two in several places."""
    random = Random(1)
    quiet = [len(quiet_moments(Call(random.randbytes(280)).play())) for _ in range(100)]
    assert sum(count > 1 for count in quiet) > 40


def test_the_persona_is_kept() -> None:
    """The next process asks the model under the same instructions, and apologises in the same words."""
    core = Core.restore(snapshot.parse(new_core().snapshot(at(0))))
    core.handle(inputs.SessionStarted(), at(1))
    start = question(core.handle(inputs.TextTyped("Hello."), at(2)))
    assert start.messages[0].text == PERSONA.system_prompt
    (_, apology) = core.handle(inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "gone"), at(3))
    assert apology == effects.Synthesize(ReplyId(1), SentenceId(1), PERSONA.apology)
