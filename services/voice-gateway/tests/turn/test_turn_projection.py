"""What the model reads is lawful for the strictest chat template, whatever the conversation was."""

import json

import pytest
from gateway_kit.lawful import assert_lawful
from gateway_kit.phone_call import TOOLBOX, at, new_core, question
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.chat import PROMPT_TOKENS, ChatMessage, Role, Tool, ToolCall, ToolPlace
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, SentenceId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.projection import INTERRUPTED, UNSAID, lawful, messages, prompt_size
from voice_gateway.turn.text.tokens import tokens

IDS = st.integers(1, 6).map(ItemId)
ITEMS = st.lists(
    st.builds(UserItem, IDS, st.just(TurnId(1)), st.sampled_from(["Yes.", "And in Oslo?"]))
    | st.builds(AssistantItem, IDS, st.just(ReplyId(1)), st.just("All."), st.sampled_from(["No.", "x"]), st.booleans())
    | st.builds(ToolCallItem, IDS, st.sampled_from(["", "call00000", "a"]), st.just("weather"), st.just("{}"))
    | st.builds(ToolOutputItem, IDS, IDS, st.sampled_from(["", "sunny"])),
    max_size=14,
)
CALL = ToolCall("D681PevKs", "weather", "{}")


def read(history: History, prompt: str = "") -> tuple[ChatMessage, ...]:
    """What a model of the usual size reads."""
    return messages(prompt, history.items, (), PROMPT_TOKENS)


def said(told: tuple[ChatMessage, ...]) -> list[tuple[str, str]]:
    """Who says what."""
    return [(message.role.value, message.text) for message in told]


@given(st.sampled_from(["", "Be brief."]), ITEMS)
def test_any_items_make_lawful_messages(prompt: str, items: list[Item]) -> None:
    """Items in no order that a conversation could have, with calls of the same id and outputs of none: no template
    refuses them, and no word of the user is lost.
    """
    told = messages(prompt, items, (), PROMPT_TOKENS)
    assert_lawful(told)
    lines = [line for message in told if message.role is Role.USER for line in message.text.split("\n")]
    words = [item.text for item in items if isinstance(item, UserItem)]
    begun = lines[1:] if lines[0] == UNSAID != next(iter(words), None) else lines
    assert begun in (words, [*words, UNSAID])


def test_a_greeting_is_kept() -> None:
    """A model that does not know of the greeting greets again; templates want the user to begin."""
    history = History(Orders())
    history.heard(ReplyId(1), "Hello!", "Hello!", is_interrupted=False)
    history.said(TurnId(1), "Weather?")
    told = read(history, "Be brief.")
    assert said(told) == [("system", "Be brief."), ("user", "..."), ("assistant", "Hello!"), ("user", "Weather?")]


def test_neighbours_are_one_message() -> None:
    """What nobody answered is read with the next turn, and a reply with the apology that follows it."""
    history = History(Orders())
    history.said(TurnId(1), "One pizza.")
    history.said(TurnId(2), "With cheese.")
    history.heard(ReplyId(1), "\nWith", "\nWith", is_interrupted=True)
    history.heard(ReplyId(2), "Sorry.", "Sorry.", is_interrupted=False)
    expected = [("user", "One pizza.\nWith cheese."), ("assistant", "\nWith\nSorry.")]
    assert said(read(history)) == [*expected, ("user", "...")]


def test_whoever_asks_for_a_reply_to_nothing_is_a_user_who_says_nothing() -> None:
    """The last message is the user's: a strict template neither begins with the assistant nor lets it go on."""
    history = History(Orders())
    assert said(read(history, "Be brief.")) == [("system", "Be brief."), ("user", "...")]
    history.said(TurnId(1), "Hello.")
    assert said(read(history)) == [("user", "Hello.")]
    history.heard(ReplyId(1), "Hello!", "Hello!", is_interrupted=False)
    assert said(read(history)) == [("user", "Hello."), ("assistant", "Hello!"), ("user", "...")]


def test_a_round_belongs_to_what_was_said_before_it() -> None:
    """The model called while it spoke, and reads it so; a round that follows another is a message of its own."""
    history = History(Orders())
    history.said(TurnId(1), "Weather?")
    history.heard(ReplyId(1), "I look.", "I look.", is_interrupted=False)
    history.called([(CALL, "sunny")])
    history.called([(CALL, "rainy")])
    assert read(history) == (
        ChatMessage(Role.USER, "Weather?"),
        ChatMessage(Role.ASSISTANT, "I look.", (CALL,)),
        ChatMessage(Role.TOOL, "sunny", call_id="D681PevKs"),
        ChatMessage(Role.ASSISTANT, "", (ToolCall("call00001", "weather", "{}"),)),
        ChatMessage(Role.TOOL, "rainy", call_id="call00001"),
    )


def test_ids_that_are_made_up_are_those_of_nobody() -> None:
    """Servers without ids have us count from 0 in every reply, and others call theirs as we do."""
    history = History(Orders())
    for name in ("call00001", "call00001", "call00002"):
        history.called([(ToolCall(name, "weather", "{}"), "sunny")])
    ids = [message.call_id for message in read(history) if message.role is Role.TOOL]
    assert ids == ["call00001", "call00002", "call00003"]


def test_a_user_who_speaks_before_the_outcome_is_told_follows_an_assistant() -> None:
    """Templates refuse the user after a tool: "(interrupted)" stands between, and the outcome stays."""
    history = History(Orders())
    history.said(TurnId(1), "Weather?")
    history.called([(CALL, "sunny")])
    history.said(TurnId(2), "Stop, please.")
    expected = [("user", "Weather?"), ("assistant", ""), ("tool", "sunny"), ("assistant", "(interrupted)")]
    assert said(read(history)) == [*expected, ("user", "Stop, please.")]


def test_what_was_heard_of_the_answer_stands_between() -> None:
    """An answer of which some words were heard needs no other assistant between the outcome and the user."""
    history = History(Orders())
    history.said(TurnId(1), "Weather?")
    history.called([(CALL, "sunny")])
    history.heard(ReplyId(2), "It is sunny.", "It is", is_interrupted=True)
    history.said(TurnId(2), "Stop, please.")
    assert [text for _, text in said(read(history))] == [
        "Weather?",
        "",
        "sunny",
        "It is",
        "Stop, please.",
    ]


def test_calls_and_outputs_alone_are_left_out() -> None:
    """What is only half there, which no core makes, breaks no request."""
    call, output = ToolCallItem(ItemId(2), "c", "weather", "{}"), ToolOutputItem(ItemId(3), ItemId(9), "sunny")
    assert lawful([UserItem(ItemId(1), TurnId(1), "Weather?"), call, output]) == [ChatMessage(Role.USER, "Weather?")]


def test_a_tool_is_answered_and_interrupted_unheard() -> None:
    """The issue's call: the user speaks while the answer to a tool is being written, and is answered, not apologised
    to. Of that answer nothing was heard, so the model reads that it was interrupted.
    """
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Weather?"), at(1))
    core.handle(inputs.ToolsCalled(ReplyId(1), (CALL,)), at(100))
    core.handle(inputs.ToolReturned(CallId(1), "sunny", is_error=False), at(200))
    core.handle(inputs.ReplyDelta(ReplyId(2), "It is sunny. "), at(300))
    core.handle(inputs.SpeechReady(ReplyId(2), SentenceId(1)), at(400))
    told = question(core.handle(inputs.TextTyped("In Rome."), at(500)))
    assert TOOLBOX.tools == told.tools
    texts = ["Be brief.", "Weather?", "", "sunny", INTERRUPTED, "In Rome."]
    assert [text for _, text in said(told.messages)] == texts


# --- as much as the model can read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("four", 1),
        ("fives", 2),
        ("é", 1),
        ("Привет", 5),  # 6 * 3/4 = 4.5
        ("你好吗", 4),  # 3 * 5/4 = 3.75
        ("สวัสดี", 8),  # 6 * 5/4 = 7.5
        ("😀", 3),
        ("Hi 😀 你好", 7),  # 4 * 1/4 + 3 + 2 * 5/4 = 6.5
        ("\ud83d", 2),  # half of an emoji has three bytes
    ],
)
def test_tokens_are_estimated_by_script(text: str, count: int) -> None:
    """Chinese has five times the tokens of English letters, and an emoji twelve times: 24,000 characters of either are
    no measure.
    """
    assert tokens(text) == count
    assert isinstance(tokens(text), int)


@given(st.text(), st.text())
def test_a_longer_text_has_no_fewer_tokens(text: str, more: str) -> None:
    """A text is cut where its end fits, which is looked for by halves; and the estimate of parts is that of the whole,
    but for rounding.
    """
    assert tokens(text) <= tokens(text + more) <= tokens(text) + tokens(more)


def typed(text: str, count: int, prompt_tokens: int = PROMPT_TOKENS) -> tuple[ChatMessage, ...]:
    """What the model is asked at last when this is typed so often and nothing is answered."""
    core = new_core(prompt_tokens=prompt_tokens)
    core.handle(inputs.SessionStarted(), at(0))
    for number in range(1, count):
        core.handle(inputs.TextTyped(text), at(number))
    return question(core.handle(inputs.TextTyped(text), at(count))).messages


def test_turns_that_nobody_answers_are_bounded() -> None:
    """260 typed turns of 4,000 letters, a million in all: the newest that fit are read, each whole."""
    system, user = typed("x" * 4_000, 260)
    # 7,680 less 11 for "Be brief." and 68 for two tools; a turn has 1,008: 7 of them are 7,056
    assert user.text == "\n".join(["x" * 4_000] * 7)
    assert system.role is Role.SYSTEM


def test_emoji_are_bounded_too() -> None:
    """260 typed turns of 4,000 emoji: the newest alone is too long, so that its end is read. The request has 31 kB."""
    _, user = typed("😀" * 4_000, 260)
    # 7,601 less 8 for the message, at 3 for each: 2,531
    assert user.text == "😀" * 2_531
    assert len(json.dumps(user.text)) == 2_531 * 12 + 2


def test_a_conversation_in_chinese_is_bounded() -> None:
    """A hundred turns in Chinese, as the issue's call had seventeen: the model never gets more than it takes, and what
    it gets are the newest turns, whole.
    """
    history = History(Orders())
    for number in range(100):
        history.said(TurnId(number), "我想预订明天晚上七点两个人的桌子" * 3)
        history.heard(ReplyId(number), "好" * 60, "好" * 60, is_interrupted=False)
    told = read(history)
    # 48 characters are 60 tokens, and 60 are 75; with 8 each a turn has 151: 50 of them are 7,550 of 7,680
    assert len(told) == 2 * 50 + 1
    assert prompt_size(told[:-1], ()) == 7_550


def test_instructions_and_tools_take_their_room() -> None:
    """A model counts all that it reads: long instructions and many tools leave less for the conversation."""
    history = History(Orders())
    for number in range(100):
        history.said(TurnId(number), "x" * 368)  # 92 and 8
        history.heard(ReplyId(number), "y" * 368, "y" * 368, is_interrupted=False)
    tool = Tool("look", "x" * 400, "x" * 300, ToolPlace.SERVER)  # 24 + 1 + 100 + 75
    assert len(messages("", history.items, (), 2_000)) == 20 + 1
    assert len(messages("x" * 1_568, history.items, (tool,), 2_000)) == 1 + 14 + 1  # 2,000 - 400 - 200
    # however little is left, the conversation has 64: 16 and 8 for the end of the question, 32 and 8 for the answer's
    _, *told, unsaid = messages("x" * 8_000, history.items, (tool,), 2_000)
    assert [len(message.text) for message in told] == [64, 128]
    assert unsaid == ChatMessage(Role.USER, UNSAID)


def test_a_large_model_reads_all_that_is_kept() -> None:
    """What a session keeps bounds the request where the model would not: 262,144 bytes and the instructions."""
    _, user = typed("x" * 4_000, 260, prompt_tokens=10_000_000)
    assert user.text == "\n".join(["x" * 4_000] * 63)  # a turn counts 4,128 bytes


def test_each_text_that_the_model_reads_is_counted() -> None:
    """What a tool was asked is read like what was said, and of a reply only what was heard: one token too many, and
    the oldest turn goes.
    """
    call = ToolCallItem(ItemId(3), "an id that no model counts", "n" * 40, "a" * 400)
    items: list[Item] = [
        UserItem(ItemId(1), TurnId(1), "x" * 400),
        AssistantItem(ItemId(2), ReplyId(1), "s" * 4_000, "h" * 40, is_interrupted=True),
        call,
        ToolOutputItem(ItemId(4), ItemId(3), "o" * 80),
        UserItem(ItemId(5), TurnId(2), "y" * 40),
    ]
    # 108, 18, 118, 28 and 18
    whole = messages("", items, (), 290)
    assert [message.text[:1] for message in whole] == ["x", "h", "o", "(", "y"]
    assert whole[1].calls == (ToolCall("an id that no model counts", "n" * 40, "a" * 400),)
    assert said(messages("", items, (), 289)) == [("user", "y" * 40)]


def test_a_request_is_as_large_as_its_messages_and_tools() -> None:
    """Calls are read by name and arguments, and a tool by its name, its description and its parameters."""
    told = (
        ChatMessage(Role.USER, "four"),  # 8 + 1
        ChatMessage(Role.ASSISTANT, "fives", (ToolCall("c1", "look", "x" * 8), ToolCall("c2", "n" * 12, "{}"))),
        ChatMessage(Role.TOOL, "", call_id="c1"),  # 8
    )
    assert prompt_size((), ()) == 0
    assert prompt_size(told[:1], ()) == 9
    assert prompt_size(told[1:2], ()) == 8 + 2 + (1 + 2) + (3 + 1)
    assert prompt_size(told[2:], ()) == 8
    tools = (
        Tool("look", "x" * 20, "y" * 40, ToolPlace.SERVER),  # 24 + 1 + 5 + 10
        Tool("n" * 8, "", "", ToolPlace.CLIENT),  # 24 + 2
    )
    assert prompt_size((), tools) == 66
    assert prompt_size(told, tools) == 9 + 17 + 8 + 66


def test_a_round_is_read_with_its_outcomes_in_their_order() -> None:
    """Two calls at once are one message, the outcomes follow in the order of the calls, and no id is there twice."""
    items: list[Item] = [
        UserItem(ItemId(1), TurnId(1), "Both?"),
        ToolCallItem(ItemId(2), "a", "weather", '{"place": "Rome"}'),
        ToolCallItem(ItemId(3), "a", "clock", "{}"),
        ToolOutputItem(ItemId(4), ItemId(2), "sunny"),
        ToolOutputItem(ItemId(5), ItemId(3), "noon"),
        AssistantItem(ItemId(6), ReplyId(2), "Sunny at noon.", "Sunny", is_interrupted=True),
    ]
    calls = (ToolCall("a", "weather", '{"place": "Rome"}'), ToolCall("call00001", "clock", "{}"))
    assert lawful(items) == [
        ChatMessage(Role.USER, "Both?"),
        ChatMessage(Role.ASSISTANT, "", calls),
        ChatMessage(Role.TOOL, "sunny", call_id="a"),
        ChatMessage(Role.TOOL, "noon", call_id="call00001"),
        ChatMessage(Role.ASSISTANT, "Sunny"),
    ]
    assert lawful(items[1:5])[0] == ChatMessage(Role.USER, UNSAID)
