"""One round of tools, from its calls to its outcomes."""

import pytest
from gateway_kit.phone_call import PERSONA, TOOLBOX, at, batches, new_core, played, question
from voice_gateway.domain.chat import ChatMessage, Role, Tool, Toolbox, ToolCall, ToolPlace
from voice_gateway.domain.events import ReplyFinished, ToolCalled
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core
from voice_gateway.turn.effects import Emit, Orders
from voice_gateway.turn.reply.tools import LONGEST_NAME_CHARS, MAX_CALLS, MAX_ROUNDS, Tools

NO_OBJECT = "Error: not called: the arguments are no JSON object"
UNKNOWN = "Error: there is no tool of this name; there is weather, open_door"
GONE = "Error: the client takes no calls any more"
TOO_MANY = "Error: not called: at most 16 tools are called at once"
ASKED = ("0 ms: session starts", '100 ms: types "Typed."')


def asked(toolbox: Toolbox = TOOLBOX) -> Core:
    """A core whose model has been asked for reply 1."""
    core = new_core(toolbox=toolbox)
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Typed."), at(0))
    return core


def messages_after(core: Core, *calls: ToolCall) -> tuple[ChatMessage, ...]:
    """What the model is told at once when it has made calls of which none can be made."""
    start = question(core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(100)))
    assert start.messages[:2] == (ChatMessage(Role.SYSTEM, PERSONA.system_prompt), ChatMessage(Role.USER, "Typed."))
    return tuple(start.messages[2:])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", "unnamed"),
        ("get weather!", "get_weather_"),
        ("Heizung-2_an", "Heizung-2_an"),
        ("\u00fcber", "_ber"),
        ("x" * (LONGEST_NAME_CHARS + 1), "x" * LONGEST_NAME_CHARS),
    ],
)
def test_a_name_that_no_tool_has_is_kept_as_one_that_a_server_takes(name: str, kept: str) -> None:
    """A server of the OpenAI protocol refuses a history with any other name; the model learns which tools there are."""
    assert messages_after(asked(), ToolCall("c1", name, ' {"a": 1} ')) == (
        ChatMessage(Role.ASSISTANT, "", (ToolCall("c1", kept, '{"a": 1}'),)),
        ChatMessage(Role.TOOL, UNKNOWN, (), "c1"),
    )


@pytest.mark.parametrize(
    ("name", "arguments_json", "outcome"),
    [("nothing", "[]", UNKNOWN), ("nothing", "", UNKNOWN), ("weather", "[]", NO_OBJECT), ("open_door", "1", NO_OBJECT)],
)
def test_arguments_that_are_no_object_are_kept_as_none(name: str, arguments_json: str, outcome: str) -> None:
    """A server that parses the arguments in a history finds an object in any case."""
    assert messages_after(asked(), ToolCall("c1", name, arguments_json)) == (
        ChatMessage(Role.ASSISTANT, "", (ToolCall("c1", name, "{}"),)),
        ChatMessage(Role.TOOL, outcome, (), "c1"),
    )


@pytest.mark.parametrize(("written", "run"), [("", "{}"), ("  ", "{}"), (' {"a": 1}\n', '{"a": 1}')])
def test_a_tool_is_given_its_arguments_without_the_space_round_them(written: str, run: str) -> None:
    """A model that writes no arguments means an empty object; both kinds of tools are told whose call it is."""
    calls = (ToolCall("c1", "weather", written), ToolCall("c2", "open_door", written))
    batch = asked().handle(inputs.ToolsCalled(ReplyId(1), calls), at(100))
    assert batch[0] == effects.RunTool(CallId(1), "weather", run)
    assert batch[1] == Emit(ToolCalled(CallId(2), TurnId(1), "open_door", run))


def test_calls_that_cannot_be_made_do_not_count_against_the_limit() -> None:
    """Sixteen calls run beside one of no tool; each call has its own outcome, in the order of the calls."""
    core = asked()
    calls = (ToolCall("c0", "nothing", "{}"), *(ToolCall(f"c{n}", "weather", "{}") for n in range(1, MAX_CALLS + 2)))
    batch = core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(100))
    run = [effect.call for effect in batch if isinstance(effect, effects.RunTool)]
    assert run == [CallId(number) for number in range(2, MAX_CALLS + 2)]
    for call in run[:0:-1]:
        core.handle(inputs.ToolReturned(call, f"{call}", is_error=call == CallId(5)), at(200))
    start = question(core.handle(inputs.ToolReturned(run[0], "first", is_error=False), at(200)))
    told = [(message.call_id, message.text) for message in start.messages if message.role is Role.TOOL]
    assert told[0] == ("c0", UNKNOWN)
    assert told[1] == ("c1", "first")
    assert told[4] == ("c4", "Error: 5")
    assert told[MAX_CALLS] == ("c16", "17")
    assert told[MAX_CALLS + 1 :] == [("c17", TOO_MANY)]


def test_the_first_outcome_of_a_call_counts() -> None:
    """A tool that returns twice is heard once, and the outcome of an unknown call is nobody's."""
    core = asked()
    calls = (ToolCall("c1", "weather", "{}"), ToolCall("c2", "weather", "{}"))
    core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(100))
    for call, output in ((1, "first"), (1, "again"), (9, "nobody's")):
        assert core.handle(inputs.ToolReturned(CallId(call), output, is_error=False), at(200)) == ()
    start = question(core.handle(inputs.ToolReturned(CallId(2), "", is_error=False), at(300)))
    assert [message.text for message in start.messages[-2:]] == ["first", ""]


def test_after_so_many_rounds_the_model_has_to_answer() -> None:
    """The model is offered its tools five times in a turn, and then none; the next turn has all of them again."""
    core = asked()
    for number in range(1, MAX_ROUNDS + 1):
        core.handle(inputs.ToolsCalled(ReplyId(number), (ToolCall("c", "weather", "{}"),)), at(100))
        start = question(core.handle(inputs.ToolReturned(CallId(number), "sunny", is_error=False), at(200)))
        assert start.tools == (TOOLBOX.tools if number < MAX_ROUNDS else ())
    core.handle(inputs.ReplyDelta(ReplyId(MAX_ROUNDS + 1), "Sunny."), at(300))
    core.handle(inputs.ClientInterrupted(), at(400))
    assert question(core.handle(inputs.TextTyped("And?"), at(500))).tools == TOOLBOX.tools


def test_tools_of_one_reply_replace_those_of_the_client_alone() -> None:
    """What a reply brings is offered beside the server's tools, up to the same number of rounds."""
    own = Tool("close_door", "", "", ToolPlace.CLIENT)
    tools = Tools(TOOLBOX, Orders(), has_filler=True)
    assert tools.offered(0) == TOOLBOX.tools
    assert tools.offered(MAX_ROUNDS - 1, (own,)) == (TOOLBOX.tools[0], own)
    assert tools.offered(MAX_ROUNDS - 1, ()) == (TOOLBOX.tools[0],)
    assert tools.offered(MAX_ROUNDS, (own,)) == tools.offered(MAX_ROUNDS) == ()


def test_before_the_first_call() -> None:
    """A session has called nothing at first: no round is open, and no turn is bound by its calls."""
    tools = Tools(TOOLBOX, Orders(), has_filler=True)
    assert tools.is_idle
    assert (tools.last, tools.turn, tools.deadline(), tools.outcomes()) == (CallId(0), None, None, ())
    assert tools.close_round() is None
    assert tools.take_filler(at(9_000)) is None
    tools.resume(CallId(7))
    assert tools.last == CallId(7)


def test_a_client_that_has_left_is_not_called() -> None:
    """After a half-close its tools fail at once, with the reason, and those of the server run on."""
    core = asked()
    core.handle(inputs.InputEnded(), at(50))
    calls = (ToolCall("c1", "open_door", "{}"), ToolCall("c2", "weather", "{}"))
    batch = core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(100))
    assert batch[0] == effects.RunTool(CallId(2), "weather", "{}")
    assert not any(isinstance(effect, Emit) and isinstance(effect.event, ToolCalled) for effect in batch)
    start = question(core.handle(inputs.ToolReturned(CallId(2), "sunny", is_error=False), at(200)))
    assert [message.text for message in start.messages[-2:]] == [GONE, "sunny"]


def test_what_is_given_up_in_time_is_the_rest() -> None:
    """At the deadline, and not before, only what has not returned is given up, and only the server's is cancelled."""
    core = new_core(toolbox=Toolbox(TOOLBOX.tools, timeout_ms=600))
    calls = 'model 1 calls weather {"n": 1} and weather {"n": 2} and open_door {}'
    told = played(core, (*ASKED, f"200 ms: {calls}", '300 ms: tool 1 returns "sunny"', "799 ms: (time passes)"))
    assert "cancel tool" not in told
    told = played(core, ("800 ms: (time passes)",))
    assert "tool c1.1: 'sunny' | tool c1.2: 'Error: timed out' | tool c1.3: 'Error: timed out'" in told
    assert told.count("[cancel tool 2]") == told.count("cancel tool") == 1


@pytest.mark.parametrize(("words", "is_filled"), [("", False), ("One second. ", True), (" ", False)])
def test_who_has_said_something_needs_no_filler(words: str, *, is_filled: bool) -> None:
    """A model that announces its tool has filled the silence itself; white space fills nothing."""
    writes = (f'150 ms: model 1 writes "{words}"',) if words else ()
    told = played(new_core(), (*ASKED, *writes, "200 ms: model 1 calls weather {}"))
    core_told = played_on(writes)
    assert ("synthesize" in told) is is_filled
    assert ("'One moment.'" in core_told) is not is_filled


def played_on(writes: tuple[str, ...]) -> str:
    """A call in which a tool takes long, and what the model wrote before it cannot be spoken."""
    steps = (*ASKED, *writes, "200 ms: model 1 calls weather {}", "300 ms: speech 1.1 fails after 0 ms")
    return played(new_core(), (*steps, "2000 ms: (time passes)"))


def test_a_filler_is_said_once_in_each_round() -> None:
    """A second round that takes long has a filler of its own; the first has no second one."""
    core = new_core()
    silent = ("speech 2.1 fails after 0 ms", "speech 4.1 fails after 0 ms")
    steps = (
        *ASKED,
        "200 ms: model 1 calls weather {}",
        f"910 ms: {silent[0]}",
        "2000 ms: (time passes)",
        '2100 ms: tool 1 returns "sunny"',
        "2200 ms: model 3 calls weather {}",
        f"2910 ms: {silent[1]}",
        "4000 ms: (time passes)",
    )
    assert played(core, steps).count("'One moment.'  <filler") == 2


def test_calls_wait_for_the_outcome_of_each() -> None:
    """What is taken of a round before it is over says that the rest was interrupted; the model is asked once."""
    steps = (*ASKED, "200 ms: model 1 calls weather {} and weather {}", '300 ms: tool 2 returns "two"')
    core = new_core()
    played(core, steps)
    assert core.snapshot(at(400))["history"][-2:] == [["output", 4, 2, "Error: interrupted"], ["output", 5, 3, "two"]]
    asked_for = [
        effect
        for batch in batches("\n".join((*steps, '400 ms: tool 1 returns "one"')))
        for effect in batch.effects
        if isinstance(effect, effects.StartReply)
    ]
    assert [start.reply for start in asked_for] == [ReplyId(1), ReplyId(2)]


@pytest.mark.parametrize("calls", [(), (ToolCall("c1", "weather", "{}"),)], ids=["no call", "none is offered"])
def test_a_reply_that_calls_nothing_that_it_may_is_an_answer(calls: tuple[ToolCall, ...]) -> None:
    """Where no tool is offered, or none was called, the words are the answer, and the model is not asked again."""
    core = asked(Toolbox() if calls else TOOLBOX)
    core.handle(inputs.ReplyDelta(ReplyId(1), "```\nls\n```\n"), at(100))
    batch = core.handle(inputs.ToolsCalled(ReplyId(1), calls), at(200))
    (finished,) = (told.event for told in batch if isinstance(told, Emit) and isinstance(told.event, ReplyFinished))
    assert not finished.goes_on
    assert not any(isinstance(effect, effects.StartReply | effects.RunTool) for effect in batch)
    assert core.deadline() is None
