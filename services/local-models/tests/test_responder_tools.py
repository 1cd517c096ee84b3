"""Calling tools: which one fits, with which arguments, and what is said of its result."""

import json
from typing import Any

import pytest
from local_models.openai_http.chat import ChatRequest, Message, Role, Tool, ToolCall, ToolMode
from local_models.responder.model import Responder
from local_models.responder.tools import speak_result


def _tool(name: str, description: str, required: tuple[str, ...] = (), **properties: Any) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


WEATHER = _tool("get_weather", "Get the current weather for a city", ("city",), city={"type": "string"})
THERMOSTAT = _tool(
    "setRoomTemperature",
    "Change the heating of a room",
    ("room", "degrees"),
    room={"type": "string", "enum": ["kitchen", "living room"]},
    degrees={"type": "number"},
)
TIMER = _tool("start_timer", "Start a countdown timer", ("minutes",), minutes={"type": "integer"})
EMAIL = _tool(
    "send_message", "Send a text message", ("recipient",), recipient={"type": "string"}, urgent={"type": "boolean"}
)
ALL = (WEATHER, THERMOSTAT, TIMER, EMAIL)


def answer(text: str, tools: tuple[Tool, ...] = ALL, mode: ToolMode = ToolMode.AUTO, name: str | None = None) -> object:
    request = ChatRequest("m", (Message(Role.USER, text),), tools=tools, tool_mode=mode, tool_name=name)
    reply = Responder().answer(request)
    return (reply.name, json.loads(reply.arguments)) if isinstance(reply, ToolCall) else reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the weather in Paris?", ("get_weather", {"city": "Paris"})),
        ("what's the weather in new york today", ("get_weather", {"city": "new york"})),
        ("Weather London please", ("get_weather", {"city": "London"})),
        (
            "Set the temperature in the living room to twenty one degrees.",
            ("setRoomTemperature", {"room": "living room", "degrees": 21.0}),
        ),
        ("Start a timer for five minutes", ("start_timer", {"minutes": 5})),
        ("Send a message to Alice", ("send_message", {"recipient": "Alice"})),
    ],
)
def test_a_fitting_tool_is_called_with_what_was_said(text: str, expected: object) -> None:
    """Strings, numbers in words, and choices are filled from the user's sentence."""
    assert answer(text) == expected


@pytest.mark.parametrize("text", ["What is twelve times seven?", "What is a pod in Kubernetes?", "Hello."])
def test_an_ordinary_question_calls_no_tool(text: str) -> None:
    """Tools on offer do not take the responder's own answers away."""
    assert isinstance(answer(text), str)


def test_a_missing_argument_is_asked_for() -> None:
    """Nothing is invented: the user is asked for the parameter by its name."""
    assert answer("Start the timer") == "Which minutes do you mean?"


def test_choice_none_forbids_and_a_named_choice_forces() -> None:
    """`tool_choice` is obeyed in both directions."""
    assert isinstance(answer("What is the weather in Paris?", mode=ToolMode.NONE), str)
    assert answer("Tell Bob", mode=ToolMode.REQUIRED, name="start_timer") == ("start_timer", {"minutes": 0})
    assert answer("Hello.", (EMAIL,), ToolMode.REQUIRED) == ("send_message", {"recipient": "Hello."})


def test_a_tool_without_parameters_gets_none() -> None:
    """Arguments are a JSON object even then."""
    assert answer("Hang up the call", (Tool("hang_up", "End the phone call"),)) == ("hang_up", {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"city": "Paris", "temperature": 21}', "The city is Paris. The temperature is 21."),
        ('{"isOpen": true, "next_step": null}', "The is open is yes. The next step is nothing."),
        ("It is sunny.", "It is sunny."),
        ("sunny", "The answer is sunny."),
        ('["red", "green"]', "The answer is red, green."),
        ("", "The answer is nothing."),
    ],
)
def test_a_tool_result_is_spoken(content: str, said: str) -> None:
    """JSON becomes sentences; a sentence stays as it is."""
    assert speak_result(content) == said


def test_a_tool_result_too_deep_to_follow_is_read_out_as_it_is() -> None:
    """A tool's answer never breaks the reply."""
    assert speak_result("[" * 100_000).startswith("The answer is [[[")
    assert speak_result("[" * 600 + "]" * 600).startswith("The answer is [[[")


def test_a_tool_message_is_answered() -> None:
    """After the result has come, the reply is about it and no second call is made."""
    messages = (
        Message(Role.USER, "What is the weather in Paris?"),
        Message(Role.ASSISTANT, "", (ToolCall("get_weather", "{}"),), ("c1",)),
        Message(Role.TOOL, '{"weather": "sunny"}', tool_call_id="c1"),
    )
    assert Responder().answer(ChatRequest("m", messages, tools=ALL)) == "The weather is sunny."


def test_a_number_without_measure_is_asked_for() -> None:
    """No JSON has infinity, which four hundred digits are to Python."""
    assert isinstance(answer(f"Set the temperature in the kitchen to {'9' * 400} degrees."), str)
