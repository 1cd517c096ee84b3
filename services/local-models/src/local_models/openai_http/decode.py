"""Read OpenAI chat requests: JSON to values; no socket, no clock, no randomness.

Follows the request object of the OpenAI API reference (chat/create).
Fields without which the answer would be wrong are refused; others that this server does not know are taken without
effect, as NIM and vLLM do, and named for the log.
"""

import json
import math
from typing import Any, Never

from local_models.openai_http.chat import ChatRequest, Message, Role, Tool, ToolCall, ToolMode
from local_models.openai_http.errors import BadRequestError, UnsupportedError

MAX_MESSAGES = 2048
"""Far above any spoken conversation; bounds the work one request can ask for."""

MAX_STOPS = 4
"""OpenAI API reference, chat/create: up to 4 stop sequences."""

READ = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "temperature",
        "top_p",
        "seed",
        "n",
        "logprobs",
        "response_format",
        "functions",
    ]
)
"""Fields that are honoured or refused."""
REFUSED = {
    "audio": "only text is answered",
    "function_call": "function_call is not available, send tool_choice",
    "guided_choice": "guided decoding is not available",
    "guided_grammar": "guided decoding is not available",
    "guided_json": "guided decoding is not available",
    "guided_regex": "guided decoding is not available",
    "structured_outputs": "guided decoding is not available",
    "web_search_options": "nothing is searched for",
}
"""The answer would not be what was asked for; those on guided decoding are vLLM's and NIM's."""
ABOUT_THE_CALLER = frozenset(
    ["user", "metadata", "store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"]
)
"""Not about the answer: nobody waits for an effect."""

PARALLEL = "parallel_tool_calls"
"""The one field whose default is true."""

JsonObject = dict[str, Any]


def parse_request(body: bytes) -> ChatRequest:
    """Read the body of POST /v1/chat/completions.

    Raises:
        BadRequestError: the JSON is broken or breaks the protocol; `param` names the field.
        UnsupportedError: a field asks for what is not done here.
    """
    data = _load(body)
    _refuse_unsupported(data)
    stream = _boolean(data, "stream", at="stream")
    options = _object(data.get("stream_options") or {}, "stream_options")
    if options and not stream:
        raise BadRequestError("stream_options is only allowed when stream is true", param="stream_options")
    tools = tuple(_tool(item, f"tools[{i}]") for i, item in enumerate(_list(data.get("tools") or [], "tools")))
    mode, tool_name = _tool_choice(data.get("tool_choice"), tools)
    return ChatRequest(
        model=_string(data.get("model"), "model"),
        messages=_messages(data),
        tools=tools,
        tool_mode=mode,
        tool_name=tool_name,
        max_tokens=_max_tokens(data),
        stop=_stops(data.get("stop")),
        temperature=_number(data, "temperature", low=0.0, high=2.0),
        top_p=_number(data, "top_p", low=0.0, high=1.0),
        seed=_integer(data, "seed"),
        stream=stream,
        include_usage=_boolean(options, "include_usage", at="stream_options.include_usage"),
        without_effect=_without_effect(data),
    )


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError("a number is too large")
    return value


def _whole(number: str) -> int:
    _finite(number)
    return int(number)


def _load(body: bytes) -> JsonObject:
    try:
        text = body.decode("utf-8-sig")
        data = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
        if "\\ud" in text.lower() and not _is_unicode(data):
            raise BadRequestError("the body holds half a surrogate pair, which is no character")
    except ValueError as error:
        raise BadRequestError(f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise BadRequestError("the body is nested too deeply") from error
    if not isinstance(data, dict):
        raise BadRequestError("the body must be a JSON object")
    return data


def _is_unicode(data: object) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unsupported(data: JsonObject) -> None:
    if data.get("n") not in (None, 1):
        raise UnsupportedError("only one choice is made: n must be 1", param="n")
    if data.get("logprobs"):
        raise UnsupportedError("logprobs are not available", param="logprobs")
    response_format = data.get("response_format")
    if response_format is not None and _object(response_format, "response_format").get("type") != "text":
        raise UnsupportedError('only response_format {"type": "text"} is available', param="response_format")
    if data.get("functions"):
        raise UnsupportedError("functions are not available, send tools", param="functions")

    modalities = data.get("modalities")
    if modalities is not None and _list(modalities, "modalities") != ["text"]:
        raise UnsupportedError('only modalities ["text"] are available', param="modalities")
    for name, said in REFUSED.items():
        if data.get(name) not in (None, "", "none"):
            raise UnsupportedError(said, param=name)


def _without_effect(data: JsonObject) -> tuple[str, ...]:
    """Fields that nothing here reads and that ask for something: null, false, 0 and what is empty ask for nothing."""
    known = READ | ABOUT_THE_CALLER | REFUSED.keys() | {"modalities", PARALLEL}
    in_vain = [name for name, value in data.items() if value and name not in known]
    return (*in_vain, PARALLEL) if data.get(PARALLEL) is False else tuple(in_vain)


def _string(value: object, at: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"{at} must be a string that is not empty", param=at)
    return value


def _object(value: object, at: str) -> JsonObject:
    if not isinstance(value, dict):
        raise BadRequestError(f"{at} must be an object", param=at)
    return value


def _list(value: object, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequestError(f"{at} must be an array", param=at)
    return value


def _boolean(data: JsonObject, key: str, *, at: str) -> bool:
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{at} must be true or false", param=at)
    return bool(value)


def _integer(data: JsonObject, key: str) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequestError(f"{key} must be an integer", param=key)
    return value


def _number(data: JsonObject, key: str, *, low: float, high: float) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadRequestError(f"{key} must be a number from {low:g} to {high:g}", param=key)
    return float(value)


def _max_tokens(data: JsonObject) -> int | None:
    for key in ("max_completion_tokens", "max_tokens"):
        value = _integer(data, key)
        if value is not None:
            if value < 1:
                raise BadRequestError(f"{key} must be at least 1", param=key)
            return value
    return None


def _stops(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = tuple(_string(item, "stop") for item in ([value] if isinstance(value, str) else _list(value, "stop")))
    if len(stops) > MAX_STOPS:
        raise BadRequestError(f"at most {MAX_STOPS} stop sequences are allowed", param="stop")
    return stops


def _messages(data: JsonObject) -> tuple[Message, ...]:
    items = _list(data.get("messages"), "messages")
    if not items:
        raise BadRequestError("messages must not be empty", param="messages")
    if len(items) > MAX_MESSAGES:
        raise BadRequestError(f"at most {MAX_MESSAGES} messages are allowed", param="messages")
    messages = tuple(_message(item, f"messages[{i}]") for i, item in enumerate(items))
    _check_tool_answers(messages)
    return messages


def _message(value: object, at: str) -> Message:
    item = _object(value, at)
    try:
        role = Role(_string(item.get("role"), f"{at}.role"))
    except ValueError as error:
        known = ", ".join(Role)
        raise BadRequestError(f"{at}.role must be one of {known}", param=f"{at}.role") from error
    calls = _list(item.get("tool_calls") or [], f"{at}.tool_calls")
    parsed = tuple(_past_call(call, f"{at}.tool_calls[{i}]") for i, call in enumerate(calls))
    if parsed and role is not Role.ASSISTANT:
        raise BadRequestError("only an assistant message may hold tool_calls", param=f"{at}.tool_calls")
    content = item.get("content")
    if content is None and not parsed and role is not Role.ASSISTANT:
        raise BadRequestError(f"{at}.content is missing", param=f"{at}.content")
    return Message(
        role=role,
        text=_text(content, f"{at}.content"),
        tool_calls=tuple(call for _, call in parsed),
        tool_call_ids=tuple(call_id for call_id, _ in parsed),
        tool_call_id=_string(item.get("tool_call_id"), f"{at}.tool_call_id") if role is Role.TOOL else None,
    )


def _text(content: object, at: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    texts = []
    for i, value in enumerate(_list(content, at)):
        part = _object(value, f"{at}[{i}]")
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise UnsupportedError("only text parts are understood", param=f"{at}[{i}]")
        texts.append(part["text"])
    return "\n".join(texts)


def _past_call(value: object, at: str) -> tuple[str, ToolCall]:
    item = _object(value, at)
    function = _object(item.get("function"), f"{at}.function")
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        raise BadRequestError("arguments must be JSON text", param=f"{at}.function.arguments")
    call = ToolCall(_string(function.get("name"), f"{at}.function.name"), arguments)
    return _string(item.get("id"), f"{at}.id"), call


def _check_tool_answers(messages: tuple[Message, ...]) -> None:
    asked: set[str] = set()
    for i, message in enumerate(messages):
        asked.update(message.tool_call_ids)
        if message.tool_call_id is not None and message.tool_call_id not in asked:
            raise BadRequestError(
                "a tool message must answer a tool call made before it", param=f"messages[{i}].tool_call_id"
            )


def _tool(value: object, at: str) -> Tool:
    item = _object(value, at)
    if item.get("type") != "function":
        raise UnsupportedError("only tools of type function are understood", param=f"{at}.type")
    function = _object(item.get("function"), f"{at}.function")
    description = function.get("description") or ""
    if not isinstance(description, str):
        raise BadRequestError("description must be a string", param=f"{at}.function.description")
    return Tool(
        name=_string(function.get("name"), f"{at}.function.name"),
        description=description,
        parameters=_object(function.get("parameters") or {}, f"{at}.function.parameters"),
    )


def _tool_choice(value: object, tools: tuple[Tool, ...]) -> tuple[ToolMode, str | None]:
    if value is None:
        return ToolMode.AUTO, None
    if not tools and value != ToolMode.NONE:
        raise BadRequestError("tool_choice is only allowed when tools are given", param="tool_choice")
    if isinstance(value, str):
        try:
            return ToolMode(value), None
        except ValueError as error:
            raise BadRequestError(
                "tool_choice must be none, auto, required or a function", param="tool_choice"
            ) from error
    name = _object(_object(value, "tool_choice").get("function"), "tool_choice.function").get("name")
    if name not in [tool.name for tool in tools]:
        raise BadRequestError("tool_choice names a function that is not in tools", param="tool_choice")
    return ToolMode.REQUIRED, str(name)
