"""Events, chunks and tool calls of a streamed reply, without a network."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.chunks import ChatDelta, Oddity, decode_event
from voice_gateway.backends.openai_chat.event_stream import MAX_EVENT_BYTES, Event, EventStreamDecoder
from voice_gateway.backends.openai_chat.failures import ChatStreamBrokenError, ChatStreamError, ChatStreamTooLongError
from voice_gateway.backends.openai_chat.reply_reader import ReplyReader
from voice_gateway.backends.openai_chat.tool_calls import MAX_ARGUMENTS_CHARS, MAX_CALLS, CallAssembler, CallDelta
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.strict_json import is_object

CALLS_OF_ONE = '{"choices": [{"delta": {"tool_calls": [%s]}}]}'


def chunk(content: object, finish_reason: object = None) -> str:
    """An event's data with this content."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}]})


@given(
    texts=st.lists(st.text(max_size=10), max_size=5),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_any_cutting_gives_the_same_events(texts: list[str], ending: str, cuts: list[int]) -> None:
    """Packets end anywhere, inside a line's end or a character too; the events are the same."""
    datas = [json.dumps(text, ensure_ascii=False) for text in texts]
    stream = "".join(f": ping{ending}event: x{ending}data: {data}{ending}{ending}" for data in datas).encode()
    decoder = EventStreamDecoder()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(stream[start:end])]
    assert [*events, *decoder.finish()] == [Event(data, "x") for data in datas]


def test_event_lines_are_joined_and_unfinished_events_wait() -> None:
    """Several data lines are one event; a colon without a space counts too; the end of all ends the last event."""
    decoder = EventStreamDecoder()
    assert decoder.feed(b"data: a\ndata:b\n") == []
    assert decoder.feed(b"\n\n\ndata: c") == [Event("a\nb")]
    assert decoder.feed(b"\n\n") == [Event("c")]
    assert decoder.feed(b"event: y\ndata: d") == []
    assert decoder.finish() == [Event("d", "y")]
    assert decoder.finish() == []


@pytest.mark.parametrize("flood", [b"x" * (MAX_EVENT_BYTES + 1), b"data: y\n" * (MAX_EVENT_BYTES // 7 + 1)])
def test_endless_events_are_refused(flood: bytes) -> None:
    """A server that never ends its line, or its event, cannot fill the memory."""
    with pytest.raises(ChatStreamError, match="too large"):
        EventStreamDecoder().feed(flood)


def test_an_endless_object_is_refused() -> None:
    """Nor can one that does not stream."""
    reader = ReplyReader()
    reader.feed(b'{"a": "')
    with pytest.raises(ChatStreamError, match="too large"):
        reader.feed(b"x" * MAX_EVENT_BYTES)


class _CountedBytes(bytearray):
    """Counts the bytes that are copied out of it."""

    copied = 0

    def __bytes__(self) -> bytes:
        type(self).copied += len(self)
        return bytes(bytearray(self))


def test_a_long_line_is_copied_once() -> None:
    """A line that comes one byte at a time is put together when it ends, not anew with each byte."""
    decoder = EventStreamDecoder()
    decoder._rest = _CountedBytes()
    line = b"data: " + b"x" * 50_000
    for at in range(len(line)):
        assert decoder.feed(line[at : at + 1]) == []
    assert _CountedBytes.copied == 0
    assert len(decoder.feed(b"\n\n")) == 1
    assert _CountedBytes.copied == len(line) + 2


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
        (chunk("x", {"type": "stop"}), ChatDelta("x", is_end=True)),
        (chunk("x", "null"), ChatDelta("x")),
        (chunk("x", ""), ChatDelta("x")),
        (" [DONE] ", ChatDelta(is_done=True)),
        (json.dumps({"choices": [], "usage": {"total_tokens": 3}}), ChatDelta()),
        (json.dumps({"error": None, "choices": [{"delta": {"role": "assistant"}}]}), ChatDelta()),
        (chunk([{"type": "text", "text": "a"}, "b", {"text": "c"}]), ChatDelta("abc")),
        (chunk({"type": "text", "text": "a"}), ChatDelta("a")),
        (chunk([{"type": "refusal", "refusal": "No."}]), ChatDelta("No.")),
        (chunk([{"type": "thinking", "thinking": "Hm."}]), ChatDelta(has_thought=True)),
    ],
)
def test_events_say_text_and_end(data: str, delta: ChatDelta) -> None:
    """Text in all its forms, the ways to say the end and not to say it, and events without text."""
    assert decode_event(Event(data)) == delta


@pytest.mark.parametrize(
    ("data", "oddity"),
    [
        ("", Oddity.EVENT),
        ("ping", Oddity.EVENT),
        ("7", Oddity.EVENT),
        ("[]", Oddity.EVENT),
        ("[" * 100_000, Oddity.EVENT),
        ("{}", Oddity.NO_CHOICES),
        ('[{"a": 1}]', Oddity.NO_CHOICES),
        ('{"choices": null}', Oddity.NO_CHOICES),
        ('{"choices": 1}', Oddity.NO_CHOICES),
        ('{"choices": [1]}', Oddity.CHOICE),
        ('{"choices": [{"delta": 1}]}', Oddity.CHOICE),
        ('{"choices": [{"index": 0}]}', Oddity.CHOICE),
        (chunk(7), Oddity.CONTENT),
        (chunk([7]), Oddity.CONTENT),
        (chunk([{"type": "image_url", "image_url": {}}]), Oddity.CONTENT),
        (chunk([{"type": ["text"], "text": "x"}]), Oddity.CONTENT),
        ('{"choices": [{"delta": {"tool_calls": [7]}}]}', Oddity.TOOL_CALL),
        ('{"choices": [{"delta": {"tool_calls": 7}}]}', Oddity.TOOL_CALL),
        ('{"choices": [{"delta": {"function_call": "auto"}}]}', Oddity.TOOL_CALL),
    ],
)
def test_what_is_not_known_is_skipped_and_named(data: str, oddity: Oddity) -> None:
    """It ends no reply, and does not go by unnoticed."""
    assert decode_event(Event(data)) == ChatDelta(oddities=(oddity,))


@pytest.mark.parametrize("data", ["{", '{"choices": [{"delta":', '[{"a"', '{"a":' + "[" * 100_000])
def test_chunks_that_cannot_be_read_are_refused(data: str) -> None:
    """Words are lost with them: that is a failure, as a typed error."""
    with pytest.raises(ChatStreamError, match="not JSON"):
        decode_event(Event(data))


@pytest.mark.parametrize(
    ("event", "item", "most"),
    [
        ('{"choices": [%s]}', "{}", 1_000),
        ('{"choices": [{"delta": {"content": [%s]}}]}', "{}", 999),
        (CALLS_OF_ONE, "{}", 999),
        ('{"choices": [{"message": {"tool_calls": [%s]}}]}', "{}", 999),
        ('{"choices": [%s]}', '{"delta": {"tool_calls": [{}]}}', 500),
    ],
)
def test_an_event_without_measure_ends_the_reply(event: str, item: str, most: int) -> None:
    """One event is read without a break, so that what is in it is bounded, however it is shared out."""
    assert decode_event(Event(event % ",".join([item] * most))) is not None
    with pytest.raises(ChatStreamError, match="more than 1000 choices, parts and calls"):
        decode_event(Event(event % ",".join([item] * (most + 1))))


@pytest.mark.parametrize("arguments", ['{"far": 1e999}', '{"far": NaN}', '"{\\"far\\": NaN}"', '"{\\"far\\": 1e999}"'])
def test_arguments_that_are_no_json_end_no_reply(arguments: str) -> None:
    """As an object or as text, they are a call that is not made, and of which the model is told."""
    call = f'{{"index": 0, "function": {{"name": "a", "arguments": {arguments}}}}}'
    (delta,) = decode_event(Event(f'{{"choices": [{{"delta": {{"tool_calls": [{call}]}}}}]}}')).calls
    assert not is_object(delta.arguments)


@pytest.mark.parametrize(
    "event",
    [
        Event(json.dumps({"error": {"message": "key sk-123 at 10.0.0.7"}})),
        Event(json.dumps({"error": "key sk-123"})),
        Event(json.dumps({"object": "error", "message": "sk-123"})),
        Event(json.dumps({"type": "error", "message": "sk-123"})),
        Event(json.dumps([{"error": {"message": "sk-123"}}])),
        Event(json.dumps({"choices": [{"delta": {}, "error": {"message": "sk-123"}}]})),
        Event(chunk("", "error")),
        Event("sk-123", "error"),
        Event("", "error"),
    ],
)
def test_errors_inside_a_stream_are_noticed_and_not_quoted(event: Event) -> None:
    """An error may come as an event of an accepted stream; its words may hold more than a client should see."""
    with pytest.raises(ChatStreamError, match="reported an error") as caught:
        decode_event(event)
    assert "sk-123" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "error"])
def test_a_refusal_for_length_inside_a_stream_is_known(name: str) -> None:
    """SGLang accepts the stream and refuses in it; its words are those of a refusal by status."""
    told = "The input (9000 tokens) is longer than the model's context length (8192 tokens)."
    with pytest.raises(ChatStreamTooLongError):
        decode_event(Event(json.dumps({"error": {"message": told, "code": 400}}), name))


@pytest.mark.parametrize("reason", ["abort", "network_error"])
def test_a_reply_that_its_server_gave_up_is_broken(reason: str) -> None:
    """It is no reply that came to its end, and may do better a moment later."""
    with pytest.raises(ChatStreamBrokenError):
        decode_event(Event(chunk("x", reason)))


NAMES = ["choices", "delta", "message", "content", "tool_calls", "function", "function_call", "index", "id", "name"]
NAMES += ["arguments", "type", "text", "finish_reason", "refusal", "reasoning", "error"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["text", "null", "stop"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=3), st.text(max_size=5))
def test_any_event_is_read_or_a_typed_error(choices: list[Any], data: str) -> None:
    """No event ends in an exception that nobody expects, whatever stands where."""
    for written in (data, json.dumps(choices), json.dumps({"choices": choices})):
        reader = ReplyReader()
        try:
            pieces = reader.feed(f"data: {written}\n\n".encode("utf-8", "replace"))
        except ChatStreamError:
            continue
        assert all(piece.encode() if isinstance(piece, str) else piece.name.encode() for piece in pieces)


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


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        (
            [CallDelta(0, "a", "say", '{"x": "\ud83d'), CallDelta(0, "", "", '\ude00"}')],
            (ToolCall("a", "say", '{"x": "\U0001f600"}'),),
        ),
        ([CallDelta(0, "a", "say", '{"x": "\ud800"}')], (ToolCall("a", "say", '{"x": "\ufffd"}'),)),
        (
            [CallDelta(0, "\ud800", "one", "{}"), CallDelta(1, "\udc00", "t\udc00", "{}")],
            (ToolCall("\ufffd", "one", "{}"), ToolCall("call00001", "t\ufffd", "{}")),
        ),
    ],
    ids=["in two pieces", "half", "names"],
)
def test_no_call_has_half_a_character(pieces: list[CallDelta], calls: tuple[ToolCall, ...]) -> None:
    """A character that is cut in two is whole again, and half of one ends no call: no wire of ours can carry it."""
    assembler = CallAssembler()
    for piece in pieces:
        assembler.feed(piece)
    assert assembler.finish() == calls


def test_a_name_in_pieces_may_end_with_the_first_arguments() -> None:
    """The id says that they belong together."""
    assembler = CallAssembler()
    for piece in (CallDelta(0, "a", "get_", ""), CallDelta(0, "a", "weather", '{"x":'), CallDelta(0, "a", "", "1}")):
        assembler.feed(piece)
    assert assembler.finish() == (ToolCall("a", "get_weather", '{"x":1}'),)


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        (
            [("f", ""), ("", '{"a":1}'), ("f", ""), ("", '{"a":2}')],
            (ToolCall("call00000", "f", '{"a":1}'), ToolCall("call00001", "f", '{"a":2}')),
        ),
        (
            [("f", ""), ("f", '{"a":'), ("f", "1}"), ("f", ""), ("f", "\n")],
            (ToolCall("call00000", "f", '{"a":1}'),),
        ),
    ],
    ids=["the same tool twice", "its name in every piece"],
)
def test_calls_without_ids_stay_apart(pieces: list[tuple[str, str]], calls: tuple[ToolCall, ...]) -> None:
    """Under one index, without ids, a name behind whole arguments begins a call if arguments follow it."""
    assembler = CallAssembler()
    for name, arguments in pieces:
        assembler.feed(CallDelta(0, "", name, arguments))
    assert assembler.finish() == calls


def test_each_call_has_an_id_of_its_own() -> None:
    """The protocol joins outcomes to calls by it; some servers give none, or the same twice."""
    ids = [
        call.id
        for call in _assembled(CallDelta(0, "", "x", ""), CallDelta(1, "a", "x", ""), CallDelta(2, "a", "x", ""))
    ]
    assert ids == ["call00000", "a", "call00002"]


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
        ({"id": 7, "function": {"name": "x", "arguments": {"a": "é"}}}, (CallDelta(None, "7", "x", '{"a": "é"}'),)),
        ([{"index": "2", "id": "a", "function": None}], (CallDelta(2, "a", "", ""),)),
        ([{"index": -1.5, "name": "x", "arguments": None}], (CallDelta(None, "", "x", ""),)),
    ],
)
def test_pieces_of_calls_are_read(entries: object, calls: tuple[CallDelta, ...]) -> None:
    """What a server leaves out of a piece is empty."""
    data = json.dumps({"choices": [{"delta": {"tool_calls": entries}}]})
    assert decode_event(Event(data)) == ChatDelta(calls=calls)


@pytest.mark.parametrize(
    "pieces",
    [
        [CallDelta(0, "a", "x", "{}"), CallDelta(0, "b", "x", "{}")],
        [CallDelta(0, "a", "x", "{"), CallDelta(0, "b", "x", "{}"), CallDelta(0, "a", "", "}")],
        [CallDelta(0, "a", "x", ""), CallDelta(0, "b", "x", "")],
        [CallDelta(0, "", "x", '{"a": "}{"}'), CallDelta(0, "", "x", "{}")],
        [CallDelta(None, "", "x", "{}"), CallDelta(None, "", "x", "{}")],
        [CallDelta(None, "", "x", ""), CallDelta(None, "", "y", "")],
        [
            CallDelta(0, "a", "", ""),
            CallDelta(0, "a", "x", "{}"),
            CallDelta(0, "b", "", ""),
            CallDelta(0, "b", "x", "{}"),
        ],
    ],
)
def test_two_calls_stay_two(pieces: list[CallDelta]) -> None:
    """Another id, another name, or arguments after those that are whole: servers give one index to all calls."""
    assert len(_assembled(*pieces)) == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [CallDelta(0, "a", "x", "{"), CallDelta(0, "a", "x", "}"), CallDelta(0, "a", "x", "")],
        [CallDelta(0, "a", "x", "{"), CallDelta(0, "", "x", "}"), CallDelta(0, "", "x", "")],
        [CallDelta(0, "a", "x", "{"), CallDelta(0, "b", "", "}")],
        [CallDelta(None, "a", "x", "{"), CallDelta(None, "a", "", "}")],
        [CallDelta(0, "a", "", "{"), CallDelta(0, "", "x", "}"), CallDelta(1, "", "", "{}")],
        [CallDelta(0, "a", "x", '{"b": "\\\\'), CallDelta(0, "", "x", '\\" } "}')],
        [CallDelta(0, "a", "wea", ""), CallDelta(0, "", "ther", ""), CallDelta(0, "", "", "{}")],
        [CallDelta(0, "", "wea", ""), CallDelta(0, "", "ther", ""), CallDelta(0, "", "", "{}")],
        [CallDelta(0, "a", "x", "{}"), CallDelta(0, "a", "x", "{}")],
    ],
)
def test_one_call_stays_one(pieces: list[CallDelta]) -> None:
    """Names and ids that are repeated in every piece, or made anew, begin no call; what has no name is none."""
    assert len(_assembled(*pieces)) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [CallDelta(0, "a", "x", '{"b": 1}'), CallDelta(0, "a", "x", '{"b": 1}')],
        [CallDelta(0, "a", "x", '{"b": 1}'), CallDelta(0, "a", "x", '{"b":'), CallDelta(0, "", "", " 1}")],
        [CallDelta(0, "a", "x", "{}"), CallDelta(0, "", "", '{"b": 1}')],
        [CallDelta(0, "a", "x", "{}"), CallDelta(0, "", "", '{"b":'), CallDelta(0, "", "", " 1}")],
        [CallDelta(None, "a", "x", '{"b": 1}'), CallDelta(None, "a", "", '\n{"b": 1}')],
        [CallDelta(0, "a", "", '{"b":'), CallDelta(0, "a", "x", " 1}")],
    ],
)
def test_arguments_are_said_once(pieces: list[CallDelta]) -> None:
    """A call that is sent again, or whose arguments begin with an empty object, has one object of arguments."""
    ((name, arguments),) = [(call.name, json.loads(call.arguments_json)) for call in _assembled(*pieces)]
    assert (name, arguments) == ("x", {"b": 1})


@given(
    st.recursive(
        st.text(max_size=6) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_arguments_are_whole_at_their_last_character(value: object) -> None:
    """However they are cut: a second call of the same name begins after them, and nowhere before."""
    arguments = json.dumps({"value": value}, ensure_ascii=False)
    pieces = [CallDelta(0, "", "x", character) for character in arguments]
    assert _assembled(*pieces, CallDelta(0, "", "x", "{}")) == (
        ToolCall("call00000", "x", arguments),
        ToolCall("call00001", "x", "{}"),
    )


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "Hi"},
        {"reasoning_content": "Hm."},
        {"content": "<think>Hm."},
        {"tool_calls": [{"id": "a", "function": {"name": "x"}}]},
    ],
)
def test_a_reply_has_begun_with_whatever_the_model_writes(delta: dict[str, Any]) -> None:
    """A model that thinks is at work: its address is not passed over as one that does not begin."""
    reader = ReplyReader()
    reader.feed(f"data: {chunk('')}\n\n: ping\n\n".encode())
    assert not reader.has_begun
    reader.feed(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode())
    assert reader.has_begun
