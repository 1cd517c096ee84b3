"""The chat protocol's events and messages, without a network."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.codec import (
    MAX_EVENT_BYTES,
    ChatDelta,
    ChatStreamError,
    EventStreamDecoder,
    decode_event,
    decode_models,
    encode_messages,
    versioned_url,
)
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Role


def chunk(content: object, finish_reason: str | None = None) -> str:
    """An event's data with this content."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}]})


@given(
    texts=st.lists(st.text(max_size=10), max_size=5),
    ending=st.sampled_from(["\n", "\r\n"]),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_any_cutting_gives_the_same_events(texts: list[str], ending: str, cuts: list[int]) -> None:
    """Packets end anywhere, inside a line's end or a character too; the events are the same."""
    events = [json.dumps(text, ensure_ascii=False) for text in texts]
    stream = "".join(f": ping{ending}event: x{ending}data: {event}{ending}{ending}" for event in events).encode()
    decoder = EventStreamDecoder()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert [data for start, end in pairwise(edges) for data in decoder.feed(stream[start:end])] == events


def test_event_lines_are_joined_and_unfinished_events_wait() -> None:
    """Several data lines are one event; what has no empty line yet is none; a colon without a space counts too."""
    decoder = EventStreamDecoder()
    assert decoder.feed(b"data: a\ndata:b\n") == []
    assert decoder.feed(b"\n\n\ndata: c") == ["a\nb"]
    assert decoder.feed(b"\n\n") == ["c"]


@pytest.mark.parametrize("flood", [b"x" * (MAX_EVENT_BYTES + 1), b"data: y\n" * (MAX_EVENT_BYTES // 7 + 1)])
def test_endless_events_are_refused(flood: bytes) -> None:
    """A server that never ends its line, or its event, cannot fill the memory."""
    with pytest.raises(ChatStreamError, match="too large"):
        EventStreamDecoder().feed(flood)


def test_bytes_that_are_no_text_are_refused() -> None:
    """An event that is not UTF-8 is a broken server, told as such."""
    with pytest.raises(ChatStreamError, match="UTF-8"):
        EventStreamDecoder().feed(b"data: \xff\xfe\n\n")


@pytest.mark.parametrize(
    ("data", "delta"),
    [
        (chunk("Hel"), ChatDelta("Hel")),
        (chunk(None), ChatDelta()),
        (chunk("lo.", "stop"), ChatDelta("lo.", is_end=True)),
        (chunk(None, "length"), ChatDelta(is_end=True)),
        ("[DONE]", ChatDelta(is_end=True)),
        (json.dumps({"choices": [], "usage": {"total_tokens": 3}}), ChatDelta()),
        (json.dumps({"error": None, "choices": [{"delta": {"role": "assistant"}}]}), ChatDelta()),
        (chunk("\ud83d"), ChatDelta("\ufffd")),
        (chunk("\U0001f600"), ChatDelta("\U0001f600")),
    ],
)
def test_events_say_text_and_end(data: str, delta: ChatDelta) -> None:
    """Text, the two ways to say the end, events without text, and half a character that no wire could carry on."""
    assert decode_event(data) == delta


@pytest.mark.parametrize(
    "data",
    ["", "{", "[" * 100_000, "[]", "7", "{}", '{"choices": 1}', '{"choices": [{"delta": 1}]}', chunk(7), chunk(["x"])],
)
def test_events_that_are_no_chunks_are_refused(data: str) -> None:
    """Whatever else a server sends is a typed error, never an IndexError or silence."""
    with pytest.raises(ChatStreamError):
        decode_event(data)


def test_errors_inside_a_stream_are_noticed_and_not_quoted() -> None:
    """An error may come as an event of an accepted stream; its words may hold more than a client should see."""
    with pytest.raises(ChatStreamError) as caught:
        decode_event(json.dumps({"error": {"message": "key sk-123 at 10.0.0.7"}}))
    assert "sk-123" not in str(caught.value)


@given(st.text())
def test_any_event_is_a_delta_or_a_typed_error(data: str) -> None:
    """No event ends in an exception that nobody expects."""
    try:
        delta = decode_event(data)
    except ChatStreamError:
        return
    assert delta.is_end or not delta.text


def test_messages_keep_roles_and_order() -> None:
    """The conversation goes out as it is, roles in the protocol's words."""
    messages = (ChatMessage(Role.SYSTEM, "Be brief."), ChatMessage(Role.USER, "Hi"), ChatMessage(Role.ASSISTANT, "Yo"))
    assert encode_messages(messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"},
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
    assert decode_models(b'{"data": [{"object": "model"}, 3, {"id": "a"}, {"id": "b"}]}') == ("a", "b")


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
