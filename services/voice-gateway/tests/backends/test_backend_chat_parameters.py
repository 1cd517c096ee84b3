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
    says_too_long,
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


@pytest.mark.parametrize(
    "told",
    [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 202868 tokens.",
        "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens.",
        "'max_tokens' is too large: 512. This model's maximum context length is 4096 tokens.",
        "The decoder prompt (length 10127) is longer than the maximum model length of 8192.",
        "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
        "the request exceeds the available context size. try increasing the context size or enable context shift",
        "request (33056 tokens) exceeds the available context size (32768 tokens), try increasing it",
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).",
        "The sum of prompt length (9351.0), query length (0) should not exceed max_num_tokens (8192)",
        "the input length exceeds the context length",
        "prompt too long; exceeded max context length by 12 tokens",
        "Your input exceeds the context window of this model",
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "prompt is too long: 213462 tokens > 200000 maximum",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    ],
)
def test_servers_say_that_a_question_is_too_long(told: str) -> None:
    """The sentences of OpenAI, vLLM, llama.cpp, SGLang, TensorRT-LLM, Ollama, Mistral, Anthropic and Gemini."""
    assert says_too_long(json.dumps({"error": {"message": told, "type": "BadRequestError", "code": 400}}).encode())
    assert says_too_long(json.dumps({"object": "error", "message": told}).encode())
    assert says_too_long(told.encode())


def test_codes_say_it_too() -> None:
    """OpenAI's code and llama.cpp's type are enough, whatever the sentence."""
    assert says_too_long(b'{"error": {"message": "no", "code": "context_length_exceeded"}}')
    assert says_too_long(b'{"error": {"message": "no", "type": "exceed_context_size_error", "n_ctx": 32768}}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"error": {"message": "Unsupported parameter: \'max_tokens\'", "param": "max_tokens"}}',
        b'{"detail": [{"loc": ["body", "seed"], "msg": "not a number", "input": "what is a context window"}]}',
    ],
)
def test_other_refusals_do_not(body: bytes) -> None:
    """What cannot be read says nothing, nor does what a user said, which some servers say again in a refusal."""
    assert not says_too_long(body)
