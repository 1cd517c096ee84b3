"""What a request has beside its conversation, and what of it a server refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.parameters import (
    MAX_EXTRA_CHARS,
    parameters,
    parse_extra_body,
    refused_parameter,
)
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings

URL = "http://llm"
SENT = ("model", "messages", "tools", "stream", "max_tokens", "temperature", "top_k")


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        (OpenAiChatSettings(URL), {"temperature": 0.7, "max_tokens": 512, "stream": True}),
        (OpenAiChatSettings(URL, temperature=None, max_tokens=None), {"stream": True}),
        (OpenAiChatSettings(URL, temperature=0, max_tokens=9), {"temperature": 0, "max_tokens": 9, "stream": True}),
        (
            OpenAiChatSettings(URL, temperature=None, max_tokens=9, max_tokens_field="max_completion_tokens"),
            {"max_completion_tokens": 9, "stream": True},
        ),
        (
            OpenAiChatSettings(URL, temperature=None, max_tokens=None, extra_body_json='{"chat_template_kwargs": {}}'),
            {"chat_template_kwargs": {}, "stream": True},
        ),
    ],
)
def test_a_request_has_what_is_configured(settings: OpenAiChatSettings, sent: dict[str, object]) -> None:
    """What is off is not there at all: some servers refuse even the field."""
    assert parameters(settings) == sent


@pytest.mark.parametrize(
    ("raw", "text"), [("{}", "{}"), (' {"a": [1, "é"]} ', '{"a": [1, "\\u00e9"]}'), ('{"tool_choice": "auto"}',) * 2]
)
def test_further_fields_are_an_object(raw: str, text: str) -> None:
    """As it was written."""
    assert parse_extra_body(raw) == text


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "must be a JSON object"),
        ("{", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ("7", "must be a JSON object"),
        ('{"a": NaN}', "must be a JSON object"),
        ('{"a": 1e999}', "must be a JSON object"),
        ('{"a":' + "[" * 4_000, "must be a JSON object"),
        ('{"a": "' + "x" * MAX_EXTRA_CHARS + '"}', "must be at most 4096 characters"),
        ('{"stream": false, "messages": []}', "must not have messages, stream: "),
        ('{"tools": []}', "must not have tools: "),
        ('{"max_tokens": 1}', "must not have max_tokens: "),
    ],
)
def test_further_fields_that_cannot_be_meant_are_refused(raw: str, said: str) -> None:
    """They neither replace the conversation nor contradict a setting, and they are bounded."""
    with pytest.raises(ValueError, match=f"^{said}"):
        parse_extra_body(raw)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (
            {
                "error": {
                    "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                    "'max_completion_tokens' instead.",
                    "type": "invalid_request_error",
                    "param": "max_tokens",
                }
            },
            "max_tokens",
        ),
        ({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model."}}, "max_tokens"),
        ({"error": {"message": "bad", "param": "messages[0].role"}}, "messages"),
        (
            [{"error": {"code": 400, "message": 'Invalid JSON payload. Unknown name "top_k": Cannot find field.'}}],
            "top_k",
        ),
        ({"detail": [{"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs"}]}, "top_k"),
        ({"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k')}]"}, "top_k"),
        ({"message": "temperature must be 1"}, "temperature"),
        ({"message": "this model takes no messages"}, ""),
        ({"error": {"param": "sk-123", "message": "the key sk-123 is wrong"}}, ""),
        ({"error": {"param": ["x"], "message": None}}, ""),
    ],
)
def test_a_refusal_names_one_of_our_fields(body: object, parameter: str) -> None:
    """In the words of OpenAI, Gemini, FastAPI, vLLM and Mistral; and in nobody's a secret."""
    assert refused_parameter(json.dumps(body).encode(), dict.fromkeys(SENT)) == parameter


@given(st.binary(max_size=40) | st.recursive(st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_any_refusal_is_read(body: bytes) -> None:
    """Whatever stands in it, what comes out is a name of ours or nothing."""
    assert refused_parameter(body, dict.fromkeys(SENT)) in (*SENT, "")


@pytest.mark.parametrize("body", [b"<html>", b"[" * 16_000, b'["max_token' + b"s"])
def test_a_refusal_that_is_no_json_names_nothing(body: bytes) -> None:
    """A proxy's page, or what was cut off."""
    assert refused_parameter(body, dict.fromkeys(SENT)) == ""
