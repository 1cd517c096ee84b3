"""Choose a tool by the words it shares with the user, and fill its arguments plainly.

This is bookkeeping over words, not understanding: a tool fits when the user said a word of its name or of its
parameters, or two of its description.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_models.openai_http.chat import ChatRequest, Tool, ToolCall, ToolMode
from local_models.responder.facts import content_stems
from local_models.responder.words import plain, with_digits

NAME_WEIGHT, PARAMETER_WEIGHT, DESCRIPTION_WEIGHT = 2, 1, 1
FITS_FROM = 2
"""One word of the name, or two of the rest; below, an ordinary question would be taken for a call."""
_VERBS = frozenset({"get", "set", "make", "fetch", "current", "tool", "function", "call", "new"})
_PREPOSITION = re.compile(r"\b(?:in|for|at|to|on|of|about|called|named|with|from)\s+", re.IGNORECASE)
_TAIL = re.compile(r"\b(?:today|now|please|right now|tomorrow|for me)\b|[.?!,]+$", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-.]")
_NO_VALUE = object()


@dataclass(frozen=True, slots=True)
class Missing:
    """A tool fits, but the user did not say what a required parameter should be."""

    parameter: str


def choose_call(request: ChatRequest, text: str) -> ToolCall | Missing | None:
    """Give the call that the user's words ask for, what is missing for it, or None when no tool fits.

    With `tool_choice` required, or naming a function, there is always a call; strings not said become the whole text.
    """
    if not request.tools or request.tool_mode is ToolMode.NONE:
        return None
    must = request.tool_mode is ToolMode.REQUIRED
    tools = [tool for tool in request.tools if request.tool_name in {None, tool.name}]
    score, best = max(((_overlap(tool, text), tool) for tool in tools), key=lambda each: each[0])
    if score < FITS_FROM and not must:
        return None
    arguments = _fill(best, text, must=must)
    if isinstance(arguments, Missing):
        return arguments
    return ToolCall(best.name, json.dumps(arguments, ensure_ascii=False))


def speak_result(content: str) -> str:
    """Say a tool's answer: JSON objects as "key is value" sentences, anything else as it is."""
    try:
        return _say_result(json.loads(content))
    except (ValueError, RecursionError):  # no JSON, or nested so deeply that nobody could follow
        return _say_result(content)


def _say_result(value: object) -> str:
    if isinstance(value, dict) and value:
        return " ".join(f"The {_spaced(str(key)).lower()} is {_say(each)}." for key, each in value.items())
    said = _say(value)
    return said if said.endswith((".", "!", "?")) else f"The answer is {said}."


def _say(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_say(each) for each in value) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{_spaced(str(key)).lower()} {_say(each)}" for key, each in value.items()) or "nothing"
    return "nothing" if value in {None, ""} else str(value)


def _spaced(name: str) -> str:
    return _CAMEL.sub(" ", name)


def _properties(tool: Tool) -> Mapping[str, Any]:
    properties = tool.parameters.get("properties")
    return properties if isinstance(properties, dict) else {}


def _schema(tool: Tool, name: str) -> Mapping[str, Any]:
    schema = _properties(tool).get(name)
    return schema if isinstance(schema, dict) else {}


def _name_stems(tool: Tool) -> set[str]:
    return set(content_stems(_spaced(tool.name))) - _VERBS


def _overlap(tool: Tool, text: str) -> int:
    said = set(content_stems(text))
    score = NAME_WEIGHT * len(said & _name_stems(tool))
    rest = said - _name_stems(tool)
    parameters = set(content_stems(" ".join(_spaced(name) for name in _properties(tool))))
    description = set(content_stems(tool.description)) - _VERBS
    return (
        score + PARAMETER_WEIGHT * len(rest & parameters) + DESCRIPTION_WEIGHT * len(rest & (description - parameters))
    )


def _fill(tool: Tool, text: str, *, must: bool) -> dict[str, object] | Missing:
    required = tool.parameters.get("required")
    wanted = required if isinstance(required, list) else []
    said = [float(each) for each in _NUMBER.findall(with_digits(text))]
    numbers = [number for number in said if math.isfinite(number)]
    strings = _strings(tool, text)
    arguments: dict[str, object] = {}
    for name in _properties(tool):
        value = _value(_schema(tool, name), text, numbers, strings, is_wanted=name in wanted)
        if value is not _NO_VALUE:
            arguments[name] = value
        elif name in wanted:
            if not must:
                return Missing(_spaced(name).lower())
            arguments[name] = _last_resort(_schema(tool, name), text)
    return arguments


def _value(
    schema: Mapping[str, Any], text: str, numbers: list[float], strings: list[str], *, is_wanted: bool
) -> object:
    """Take the value for one parameter; numbers and strings are used up in the order they were said."""
    choices = schema.get("enum")
    if isinstance(choices, list):
        said = f" {plain(text)} "
        return next((each for each in choices if f" {plain(str(each))} " in said), _NO_VALUE)
    kind = schema.get("type", "string")
    if kind == "integer" and numbers and numbers[0].is_integer():
        return int(numbers.pop(0))
    if kind == "number" and numbers:
        return numbers.pop(0)
    if kind == "string" and is_wanted and strings:
        return strings.pop(0)
    return _NO_VALUE


def _last_resort(schema: Mapping[str, Any], text: str) -> object:
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    plain_values: dict[str, object] = {"integer": 0, "number": 0.0, "boolean": False, "array": [], "object": {}}
    return plain_values.get(str(schema.get("type")), text)


def _strings(tool: Tool, text: str) -> list[str]:
    """Find what the user may mean as values: what follows a preposition, else the words that are not the tool's."""
    phrases = [_trim(part) for part in _PREPOSITION.split(_TAIL.sub("", text.strip()))[1:]]
    own = _name_stems(tool) | set(content_stems(tool.description))
    said = [phrase for phrase in phrases if phrase and not set(content_stems(phrase)) <= own]
    if said:
        return said
    left = " ".join(word for word in text.split() if (stems := content_stems(word)) and not set(stems) <= own)
    return [_trim(left)] if _trim(left) else []


def _trim(phrase: str) -> str:
    return re.sub(r"^(?:the|a|an)\s+", "", _TAIL.sub("", phrase).strip(" .?!,:;\"'"), flags=re.IGNORECASE)
