"""What is sent to the model is lawful for the strictest chat template, whatever the conversation was."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.codec import encode_messages
from voice_gateway.backends.openai_chat.conversation import UNSAID
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.turn.history import History
from voice_gateway.turn.projection import messages

CALLS = st.lists(
    st.builds(
        ToolCall,
        id=st.sampled_from(["call00000", "call00001", "a", "b"]),
        name=st.sampled_from(["weather", "stop"]),
        arguments_json=st.sampled_from(["{}", '{"place": "Rome"}', "", "{", "7", "null", '{"a": NaN}', "[" * 2_000]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda call: call.id,
)
WORDS = st.sampled_from(["Yes.", "And in Oslo?", "x" * 9_000])
STEPS = st.lists(
    st.tuples(st.just("said"), WORDS) | st.tuples(st.just("heard"), WORDS) | st.tuples(st.just("called"), CALLS),
    max_size=12,
)
MESSAGES = st.lists(
    st.builds(
        ChatMessage,
        role=st.sampled_from(Role),
        text=st.sampled_from(["", "Yes.", "No."]),
        calls=st.just(()) | CALLS.map(tuple),
        call_id=st.sampled_from(["", "a", "b"]),
    ),
    max_size=10,
)


def assert_lawful(sent: list[dict[str, Any]]) -> None:
    """Mistral's rules, which are the strictest: https://github.com/mistralai/mistral-common, `validator.py`."""
    messages = sent[1:] if sent and sent[0]["role"] == "system" else sent
    if not messages:
        return
    assert messages[0]["role"] == "user"
    ids: list[str] = []
    for index, message in enumerate(messages):
        calls = message.get("tool_calls", [])
        assert message["content"] or calls or message["role"] == "tool"
        outcomes = [after.get("tool_call_id") for after in messages[index + 1 : index + 1 + len(calls)]]
        assert outcomes == [call["id"] for call in calls]
        ids += outcomes
        assert not any("NaN" in call["function"]["arguments"] for call in calls)
        assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert len(set(ids)) == len(ids)
    assert len(ids) == sum(message["role"] == "tool" for message in messages)
    for before, after in pairwise(messages):
        follows = {"user": {"assistant"}, "tool": {"assistant", "tool"}}
        lawful = {"tool"} if before.get("tool_calls") else follows.get(before["role"], {"user"})
        assert after["role"] in lawful


@given(prompt=st.sampled_from(["", "Be brief."]), steps=STEPS)
def test_every_history_is_lawful(prompt: str, steps: list[tuple[str, Any]]) -> None:
    """Interrupted outcomes, prompts before the first word, replies in parts: no template refuses the next turn."""
    history = History()
    for verb, what in steps:
        match verb:
            case "said":
                history.said(TurnId(1), what)
            case "heard":
                history.heard(ReplyId(1), what, what, is_interrupted=False)
            case _:
                history.called([(call, "sunny") for call in what])
    sent = encode_messages(messages(prompt, history.items))
    assert_lawful(sent)
    assert [message["content"] for message in sent if message["role"] == "system"] == [prompt] * bool(prompt)
    if steps and steps[-1][0] == "said":
        assert sent[-1]["role"] == "user"
        assert sent[-1]["content"].endswith(steps[-1][1])


@given(MESSAGES)
def test_any_messages_are_made_lawful(given_messages: list[ChatMessage]) -> None:
    """Also those of a client that goes on from a conversation of its own; no user's word is lost."""
    sent = encode_messages(given_messages)
    assert_lawful(sent)
    said = [line for message in sent if message["role"] == "user" for line in message["content"].split("\n")]
    words = [message.text for message in given_messages if message.role is Role.USER and message.text]
    assert said in (words, [UNSAID, *words])


def test_a_greeting_is_kept() -> None:
    """A model that does not know of the greeting greets again; templates want the user to begin."""
    history = History()
    history.heard(ReplyId(1), "Hello! How can I help?", "Hello! How can I help?", is_interrupted=False)
    history.said(TurnId(1), "Weather?")
    assert [
        (message["role"], message["content"]) for message in encode_messages(messages("Be brief.", history.items))
    ] == [
        ("system", "Be brief."),
        ("user", UNSAID),
        ("assistant", "Hello! How can I help?"),
        ("user", "Weather?"),
    ]


def test_a_user_who_speaks_before_the_outcome_is_told_follows_an_assistant() -> None:
    """Templates refuse the user after a tool; the outcome stays, and nothing is put into the assistant's mouth."""
    call = ToolCall("D681PevKs", "weather", "{}")
    history = History()
    history.said(TurnId(1), "Weather?")
    history.called([(call, "sunny")])
    history.said(TurnId(1), "Stop, please.")
    roles = [(message["role"], message["content"]) for message in encode_messages(messages("", history.items))]
    expected = [("user", "Weather?"), ("assistant", None), ("tool", "sunny"), ("assistant", UNSAID)]
    assert roles == [*expected, ("user", "Stop, please.")]


def test_a_call_before_any_word_stays_with_its_outcome() -> None:
    """What a client's or a shortened conversation begins with is no less true for that."""
    call = ToolCall("D681PevKs", "weather", "{}")
    told = [ChatMessage(Role.ASSISTANT, "", (call,)), ChatMessage(Role.TOOL, "sunny", call_id=call.id)]
    roles = [message["role"] for message in encode_messages([*told, ChatMessage(Role.ASSISTANT, "Sunny.")])]
    assert roles == ["user", "assistant", "tool", "assistant"]


def test_calls_that_were_counted_anew_have_ids_of_their_own() -> None:
    """Servers without ids have us count from 0 in every reply; servers that check ids see each once."""
    history = History()
    for _ in range(2):
        history.said(TurnId(1), "Weather?")
        history.called([(ToolCall("call00000", "weather", "{"), "sunny")])
    sent = encode_messages(messages("", history.items))
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == ["call00000", "call00001"]
