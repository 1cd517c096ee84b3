"""The chat protocol's events and messages, without a network."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.codec import (
    MAX_ARGUMENTS_CHARS,
    MAX_CALLS,
    MAX_EVENT_BYTES,
    CallAssembler,
    CallDelta,
    ChatDelta,
    ChatStreamError,
    EventStreamDecoder,
    decode_event,
    decode_models,
    encode_messages,
    encode_tools,
    versioned_url,
)
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.domain.chat import ChatMessage, Role, Tool, ToolCall, ToolPlace


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


def test_calls_and_outcomes_go_out_as_the_protocol_has_them() -> None:
    """An assistant's calls stand beside its text, which may be none; each outcome names its call."""
    call = ToolCall("c1", "weather", '{"place": "Rome"}')
    messages = (
        ChatMessage(Role.ASSISTANT, "", (call,)),
        ChatMessage(Role.TOOL, "sunny", call_id="c1"),
        ChatMessage(Role.ASSISTANT, "Well.", (call,)),
    )
    function = {"name": "weather", "arguments": '{"place": "Rome"}'}
    calls = [{"id": "c1", "type": "function", "function": function}]
    assert encode_messages(messages) == [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "assistant", "content": "Well.", "tool_calls": calls},
    ]


def test_a_tool_always_has_a_schema() -> None:
    """Its own, or that of no arguments."""
    own = Tool("weather", "Tells.", '{"type": "object", "required": []}', ToolPlace.SERVER)
    none = Tool("stop", "Stops.", "", ToolPlace.CLIENT)
    assert [tool["function"]["parameters"] for tool in encode_tools((own, none))] == [
        {"type": "object", "required": []},
        {"type": "object", "properties": {}},
    ]


def _assembled(*pieces: CallDelta) -> tuple[ToolCall, ...]:
    assembler = CallAssembler()
    for piece in pieces:
        assembler.feed(piece)
    return assembler.finish()


def test_calls_are_put_together_from_pieces() -> None:
    """Several calls in one reply, their pieces mixed; without an index a new id begins a new call."""
    assert _assembled(
        CallDelta(0, "a", "one", ""),
        CallDelta(1, "b", "two", "{"),
        CallDelta(0, "", "", '{"x"'),
        CallDelta(1, "", "", "}"),
        CallDelta(0, "", "", ": 1}"),
    ) == (ToolCall("a", "one", '{"x": 1}'), ToolCall("b", "two", "{}"))
    assert _assembled(
        CallDelta(None, "a", "one", "{"), CallDelta(None, "", "", "}"), CallDelta(None, "b", "two", "{}")
    ) == (ToolCall("a", "one", "{}"), ToolCall("b", "two", "{}"))


def test_each_call_has_an_id_of_its_own() -> None:
    """The protocol joins outcomes to calls by it; some servers give none, or the same twice."""
    ids = [
        call.id
        for call in _assembled(CallDelta(0, "", "x", ""), CallDelta(1, "a", "x", ""), CallDelta(2, "a", "x", ""))
    ]
    assert ids == ["call_0", "a", "a_2"]


@pytest.mark.parametrize(
    "pieces",
    [
        [CallDelta(index, "", "x", "") for index in range(MAX_CALLS + 1)],
        [CallDelta(0, "", "x", "y" * 1_000)] * (MAX_ARGUMENTS_CHARS // 1_000 + 1),
    ],
)
def test_calls_without_end_are_refused(pieces: list[CallDelta]) -> None:
    """A model that never stops must not fill the memory."""
    with pytest.raises(ChatStreamError, match="called more"):
        _assembled(*pieces)


@pytest.mark.parametrize(
    ("entries", "calls"),
    [
        (None, ()),
        ([], ()),
        (
            [{"index": 1, "id": "a", "type": "function", "function": {"name": "x", "arguments": "{"}}],
            (CallDelta(1, "a", "x", "{"),),
        ),
        ([{"function": {"arguments": "}"}}], (CallDelta(None, "", "", "}"),)),
    ],
)
def test_pieces_of_calls_are_read(entries: object, calls: tuple[CallDelta, ...]) -> None:
    """What a server leaves out of a piece is empty."""
    data = json.dumps({"choices": [{"delta": {"tool_calls": entries}}]})
    assert decode_event(data) == ChatDelta(calls=calls)


@pytest.mark.parametrize("entries", [7, [7], [{"index": 0}], [{"function": {"name": 7}}], [{"id": 7, "function": {}}]])
def test_pieces_that_are_none_are_refused(entries: object) -> None:
    """A typed error, as for any event that is no chunk."""
    with pytest.raises(ChatStreamError):
        decode_event(json.dumps({"choices": [{"delta": {"tool_calls": entries}}]}))


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
