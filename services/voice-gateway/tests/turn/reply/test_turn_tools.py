"""Limits of a round of tools that no conversation shows well."""

import json

import pytest
from gateway_kit.phone_call import PERSONA, TOOLBOX, at, new_core, question
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import Tool, Toolbox, ToolCall, ToolPlace
from voice_gateway.domain.events import Notice, ReplyFinished
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.persona import Persona
from voice_gateway.turn import effects, inputs, snapshot
from voice_gateway.turn.core import Core
from voice_gateway.turn.reply.tools import FILLER_AFTER_MS, MAX_CALLS


def asked(toolbox: Toolbox = TOOLBOX, persona: Persona = PERSONA) -> Core:
    """A core whose model has been asked for reply 1."""
    core = new_core(persona=persona, toolbox=toolbox)
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Typed."), at(0))
    return core


def called(core: Core, count: int = 1) -> tuple[effects.Effect, ...]:
    """What comes of so many calls at 100 ms."""
    calls = tuple(ToolCall(f"c{number}", "weather", "{}") for number in range(count))
    return core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(100))


def test_so_many_tools_run_at_once() -> None:
    """What a model calls beyond the limit is not run, and it is told."""
    core = asked()
    run = [effect.call for effect in called(core, MAX_CALLS + 1) if isinstance(effect, effects.RunTool)]
    assert run == [CallId(number) for number in range(1, MAX_CALLS + 1)]
    for call in run[:-1]:
        assert core.handle(inputs.ToolReturned(call, "sunny", is_error=False), at(200)) == ()
    start = question(core.handle(inputs.ToolReturned(run[-1], "sunny", is_error=False), at(200)))
    assert start.messages[-2].text == "sunny"
    assert start.messages[-1].text.startswith("Error: not called: at most")


def test_the_deadline_is_the_setting() -> None:
    """A round is given up after `timeout_ms`, also if that is earlier than the filler."""
    core = asked(Toolbox(TOOLBOX.tools, timeout_ms=500))
    called(core)
    assert core.deadline() == at(600)
    assert effects.CancelTool(CallId(1)) in core.on_deadline(at(600))


def test_without_a_filler_nothing_is_said() -> None:
    """An empty filler is none: the core wakes for the tools' deadline alone."""
    core = asked(persona=Persona("Be brief.", "Sorry."))
    called(core)
    assert core.deadline() == at(100 + TOOLBOX.timeout_ms)


def test_the_filler_is_due_after_a_while() -> None:
    """Nothing is said while a gap still passes for thinking; then once."""
    core = asked()
    called(core)
    assert core.deadline() == at(100 + FILLER_AFTER_MS)
    assert core.on_deadline(at(100 + FILLER_AFTER_MS))[0] == effects.BeginReply(ReplyId(2), TurnId(1))


def test_a_session_without_tools_calls_none() -> None:
    """A model that calls what it was not offered has failed, and nothing is awaited."""
    core = asked(Toolbox())
    batch = called(core)
    assert any(isinstance(effect, effects.Emit) and isinstance(effect.event, Notice) for effect in batch)
    assert not any(isinstance(effect, effects.Emit) and isinstance(effect.event, ReplyFinished) for effect in batch)


@pytest.mark.parametrize(
    "arguments_json",
    ["[" * 100_000, '{"a": NaN}', '{"a": 1e999}', '{"a":' * 200 + "1" + "}" * 200, '{"a": "\\ud800"}'],
    ids=["nested without end", "no number", "too large", "nested deeply", "half a character"],
)
def test_arguments_that_others_could_not_read_are_none(arguments_json: str) -> None:
    """What runs a tool may read less than Python does; such arguments fail like any that are no object."""
    core = asked()
    batch = core.handle(inputs.ToolsCalled(ReplyId(1), (ToolCall("c", "weather", arguments_json),)), at(100))
    start = question(batch)
    assert start.messages[-1].text == "Error: not called: the arguments are no JSON object"


def test_the_client_may_change_its_tools() -> None:
    """From the next turn on the model is offered the new ones beside the server's; the old ones are no more."""
    core = asked()
    core.handle(inputs.ReplyDelta(ReplyId(1), "Yes."), at(10))
    close = Tool("close_door", "Closes a door.", "", ToolPlace.CLIENT)
    core.handle(inputs.SettingsChanged(Change(tools=(close,))), at(20))
    core.handle(inputs.ClientInterrupted(), at(30))
    batch = core.handle(inputs.TextTyped("Close the door."), at(40))
    start = question(batch)
    assert start.tools == (TOOLBOX.tools[0], close)
    value = json.loads(json.dumps(core.snapshot(at(50))))
    restored = Core.restore(snapshot.parse(value))
    assert restored.snapshot(at(60)) == value
    restored.handle(inputs.SessionStarted(), at(70))
    again = question(restored.handle(inputs.TextTyped("Close the door."), at(80)))
    assert again.tools == start.tools
