"""What goes out to the chat protocol, and its listing of models, without a network."""

import pytest
from voice_gateway.backends.openai_chat.codec import (
    ListedModel,
    decode_models,
    encode_messages,
    encode_tools,
    versioned_url,
)
from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolCall, ToolPlace


def test_messages_keep_roles_and_order() -> None:
    """The conversation goes out as it is, roles in the protocol's words."""
    messages = (ChatMessage(Role.SYSTEM, "Be brief."), ChatMessage(Role.USER, "Hi"), ChatMessage(Role.ASSISTANT, "Yo"))
    assert encode_messages(messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"},
    ]


def test_calls_and_outcomes_go_out_as_the_protocol_has_them() -> None:
    """An assistant's calls stand beside its text, which may be none; each outcome names its call."""
    call, further = ToolCall("c1", "weather", '{"place": "Rome"}'), ToolCall("c2", "stop", "{}")
    messages = (
        ChatMessage(Role.USER, "Weather?"),
        ChatMessage(Role.ASSISTANT, "", (call,)),
        ChatMessage(Role.TOOL, "sunny", call_id="c1"),
        ChatMessage(Role.ASSISTANT, "Well.", (further,)),
        ChatMessage(Role.TOOL, "rainy", call_id="c2"),
    )
    function = {"name": "weather", "arguments": '{"place": "Rome"}'}
    calls = [{"id": "c1", "type": "function", "function": function}]
    stop = {"id": "c2", "type": "function", "function": {"name": "stop", "arguments": "{}"}}
    assert encode_messages(messages) == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "assistant", "content": "Well.", "tool_calls": [stop]},
        {"role": "tool", "tool_call_id": "c2", "content": "rainy"},
    ]


def test_a_tool_always_has_a_schema() -> None:
    """Its own, or that of no arguments."""
    own = Tool("weather", "Tells.", '{"type": "object", "required": []}', ToolPlace.SERVER)
    none = Tool("stop", "Stops.", "", ToolPlace.CLIENT)
    assert [tool["function"]["parameters"] for tool in encode_tools((own, none))] == [
        {"type": "object", "required": []},
        {"type": "object", "properties": {}},
    ]


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("http://llm:8000", "http://llm:8000/v1"),
        ("http://llm:8000/", "http://llm:8000/v1"),
        ("http://llm:8000/v1", "http://llm:8000/v1"),
        ("http://llm:8000/v1/", "http://llm:8000/v1"),
        ("https://host/llm", "https://host/llm/v1"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai"),
    ],
)
def test_url_may_lack_its_version(given_url: str, used: str) -> None:
    """The older deployment's ConfigMap gives the URL without /v1, others with it; both work."""
    assert versioned_url(given_url) == used


def test_model_listing_gives_names_in_order() -> None:
    """The first name is the one used when none is configured; odd rows do not hide the others."""
    assert decode_models(b'{"data": [{"object": "model"}, 3, {"id": "a"}, {"id": "b"}]}') == (
        ListedModel("a"),
        ListedModel("b"),
    )


@pytest.mark.parametrize(
    ("told", "context_tokens"), [("8192", 8_192), ("null", None), ("0", None), ('"8192"', None), ("true", None)]
)
def test_what_a_model_takes_is_read_where_it_is_told(told: str, context_tokens: int | None) -> None:
    """`max_model_len` is a field of vLLM's that NIM has too; what is no number of tokens tells nothing."""
    body = f'{{"data": [{{"id": "a", "max_model_len": {told}}}]}}'.encode()
    assert decode_models(body) == (ListedModel("a", context_tokens),)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data": []}', b'{"data": [{"id": 3}]}', b"\xff"])
def test_listings_without_models_are_refused(body: bytes) -> None:
    """A proxy's page or an empty listing is no answer of a model server."""
    with pytest.raises(ChatStreamError, match="models"):
        decode_models(body)


def test_settings_show_no_secrets_and_refuse_other_urls() -> None:
    """Neither a key nor a URL with a password gets into a log by way of `repr`; a URL without a scheme is told."""
    settings = OpenAiChatSettings("http://user:hunter2@llm", api_key="sk-123")
    assert "hunter2" not in repr(settings)
    assert "sk-123" not in repr(settings)
    with pytest.raises(ValueError, match="http"):
        OpenAiChatSettings("llm:8000")
