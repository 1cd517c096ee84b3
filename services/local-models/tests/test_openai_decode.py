"""Reading chat requests: what is refused, with which status, code and field."""

import json
from typing import Any

import pytest
from local_models.openai_http.decode import parse_request
from local_models.openai_http.errors import ApiError, BadRequestError, UnsupportedError

GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f"}}


def _with(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"\xff\xfe", None),
        (b"[]", None),
        (b"[" * 100_000, None),
        (_with(model=3), "model"),
        (_with(messages=[]), "messages"),
        (_with(messages="Hi"), "messages"),
        (_with(messages=[{"role": "user", "content": "x"}] * 3000), "messages"),
        (_with(messages=["Hi"]), "messages[0]"),
        (_with(messages=[{"role": "robot", "content": "Hi"}]), "messages[0].role"),
        (_with(messages=[{"role": ["user"], "content": "Hi"}]), "messages[0].role"),
        (_with(messages=[{"role": "user"}]), "messages[0].content"),
        (_with(messages=[{"role": "user", "content": 3}]), "messages[0].content"),
        (_with(messages=[{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
        (_with(messages=[{"role": "tool", "content": "x", "tool_call_id": "c9"}]), "messages[0].tool_call_id"),
        (_with(messages=[{"role": "user", "content": "x", "tool_calls": [{}]}]), "messages[0].tool_calls[0].function"),
        (_with(max_tokens=0), "max_tokens"),
        (_with(max_tokens=True), "max_tokens"),
        (_with(max_completion_tokens="5"), "max_completion_tokens"),
        (_with(temperature=2.1), "temperature"),
        (_with(temperature=float("nan")), None),
        (_with(top_p="1"), "top_p"),
        (_with(stop=["a", "b", "c", "d", "e"]), "stop"),
        (_with(stop=[""]), "stop"),
        (_with(stream="yes"), "stream"),
        (_with(stream_options={"include_usage": True}), "stream_options"),
        (_with(tool_choice="auto"), "tool_choice"),
        (_with(tools=[TOOL], tool_choice="always"), "tool_choice"),
        (_with(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice"),
        (_with(tools=[TOOL], tool_choice={"type": "function", "function": {"name": []}}), "tool_choice"),
        (_with(messages=[{"role": "user", "content": "\ud800"}]), None),
        (_with(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name"),
        (
            _with(tools=[{"type": "function", "function": {"name": "f", "parameters": 3}}]),
            "tools[0].function.parameters",
        ),
    ],
)
def test_a_request_that_breaks_the_protocol_is_refused_naming_the_field(body: bytes, param: str | None) -> None:
    """Bad input gets a 400 that says where, never a 500."""
    with pytest.raises(BadRequestError) as caught:
        parse_request(body)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (_with(n=2), "n"),
        (_with(n=[]), "n"),
        (_with(logprobs=True), "logprobs"),
        (_with(response_format={"type": "json_object"}), "response_format"),
        (_with(functions=[{}]), "functions"),
        (_with(function_call="auto"), "function_call"),
        (_with(modalities=["text", "audio"]), "modalities"),
        (_with(audio={"voice": "alloy", "format": "wav"}), "audio"),
        (_with(web_search_options={}), "web_search_options"),
        (_with(guided_json={"type": "object"}), "guided_json"),
        (_with(guided_choice=["yes", "no"]), "guided_choice"),
        (_with(structured_outputs={"regex": "a"}), "structured_outputs"),
        (_with(tools=[{"type": "retrieval"}]), "tools[0].type"),
        (_with(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_honoured_is_refused_and_not_ignored(body: bytes, param: str) -> None:
    """A client never believes it got JSON, two choices or a look at an image when it did not."""
    with pytest.raises(UnsupportedError) as caught:
        parse_request(body)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


def test_fields_without_meaning_here_are_ignored() -> None:
    """Clients of vLLM and NIM send extra fields; they must not fail for it."""
    request = parse_request(_with(top_k=40, frequency_penalty=0.1, n=1, response_format={"type": "text"}, user="u"))
    assert request.messages[0].text == "Hi"


def test_the_newer_token_limit_wins() -> None:
    """`max_completion_tokens` replaced `max_tokens`; a client that sends both means the newer."""
    assert parse_request(_with(max_tokens=9, max_completion_tokens=4)).max_tokens == 4


@pytest.mark.parametrize("body", [b'{"model": "\xed\xa0\x80"}', b"[" * 992 + b'"\\ud83d\\ude00"' + b"]" * 992])
def test_no_half_character_and_no_depth_gets_through(body: bytes) -> None:
    """Raw bytes of half a surrogate pair, and a nesting that only the second look cannot take, are a 400 too."""
    with pytest.raises(BadRequestError):
        parse_request(body)


def test_an_error_body_has_the_four_fields_of_openai() -> None:
    """The `openai` package reads message, type, param and code."""
    assert ApiError("no", param="n").body() == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "n", "code": None}
    }


@pytest.mark.parametrize(
    ("fields", "in_vain"),
    [
        ({}, ()),
        ({"user": "me", "metadata": {"a": "b"}, "store": True, "modalities": ["text"], "function_call": "none"}, ()),
        ({"presence_penalty": 0, "logit_bias": {}, "top_logprobs": None, "parallel_tool_calls": True}, ()),
        ({"presence_penalty": 0.5}, ("presence_penalty",)),
        ({"logit_bias": {"5": -100}, "reasoning_effort": "low"}, ("logit_bias", "reasoning_effort")),
        ({"top_k": 20, "nvext": {"ignore_eos": True}}, ("top_k", "nvext")),
        ({"parallel_tool_calls": False}, ("parallel_tool_calls",)),
    ],
)
def test_fields_without_effect_are_named(fields: dict[str, Any], in_vain: tuple[str, ...]) -> None:
    """What is asked for in vain is known, for the log; what is at its default, or not about the answer, is no wish."""
    assert parse_request(_with(**fields)).without_effect == in_vain


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" + "0" * 400])
def test_numbers_that_others_could_not_read_are_refused(number: str) -> None:
    """What a request holds may come back in the arguments of a call, and no JSON has these."""
    with pytest.raises(BadRequestError, match="not valid JSON"):
        parse_request(f'{{"model": "m", "messages": [], "seed": {number}}}'.encode())
