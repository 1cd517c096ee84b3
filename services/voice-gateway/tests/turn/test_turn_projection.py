"""What the model reads is lawful for the strictest chat template, whatever the conversation was."""

from gateway_kit.lawful import assert_lawful
from gateway_kit.phone_call import TOOLBOX, at, new_core, question
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.chat import ChatMessage, Role, ToolCall
from voice_gateway.domain.ids import CallId, ItemId, ReplyId, SentenceId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn import inputs
from voice_gateway.turn.history import History
from voice_gateway.turn.projection import INTERRUPTED, UNSAID, lawful, messages

IDS = st.integers(1, 6).map(ItemId)
ITEMS = st.lists(
    st.builds(UserItem, IDS, st.just(TurnId(1)), st.sampled_from(["Yes.", "And in Oslo?"]))
    | st.builds(AssistantItem, IDS, st.just(ReplyId(1)), st.just("All."), st.sampled_from(["No.", "x"]), st.booleans())
    | st.builds(ToolCallItem, IDS, st.sampled_from(["", "call00000", "a"]), st.just("weather"), st.just("{}"))
    | st.builds(ToolOutputItem, IDS, IDS, st.sampled_from(["", "sunny"])),
    max_size=14,
)
CALL = ToolCall("D681PevKs", "weather", "{}")


def said(told: tuple[ChatMessage, ...]) -> list[tuple[str, str]]:
    """Who says what."""
    return [(message.role.value, message.text) for message in told]


@given(st.sampled_from(["", "Be brief."]), ITEMS)
def test_any_items_make_lawful_messages(prompt: str, items: list[Item]) -> None:
    """Items in no order that a conversation could have, with calls of the same id and outputs of none: no template
    refuses them, and no word of the user is lost.
    """
    told = messages(prompt, items)
    assert_lawful(told)
    lines = [line for message in told if message.role is Role.USER for line in message.text.split("\n")]
    words = [item.text for item in items if isinstance(item, UserItem)]
    assert lines in (words, [UNSAID, *words])


def test_a_greeting_is_kept() -> None:
    """A model that does not know of the greeting greets again; templates want the user to begin."""
    history = History()
    history.heard(ReplyId(1), "Hello!", "Hello!", is_interrupted=False)
    history.said(TurnId(1), "Weather?")
    told = messages("Be brief.", history.items)
    assert said(told) == [("system", "Be brief."), ("user", "..."), ("assistant", "Hello!"), ("user", "Weather?")]


def test_neighbours_are_one_message() -> None:
    """What nobody answered is read with the next turn, and a reply with the apology that follows it."""
    history = History()
    history.said(TurnId(1), "One pizza.")
    history.said(TurnId(2), "With cheese.")
    history.heard(ReplyId(1), "\nWith", "\nWith", is_interrupted=True)
    history.heard(ReplyId(2), "Sorry.", "Sorry.", is_interrupted=False)
    assert said(messages("", history.items)) == [("user", "One pizza.\nWith cheese."), ("assistant", "\nWith\nSorry.")]


def test_a_round_belongs_to_what_was_said_before_it() -> None:
    """The model called while it spoke, and reads it so; a round that follows another is a message of its own."""
    history = History()
    history.said(TurnId(1), "Weather?")
    history.heard(ReplyId(1), "I look.", "I look.", is_interrupted=False)
    history.called([(CALL, "sunny")])
    history.called([(CALL, "rainy")])
    assert messages("", history.items) == (
        ChatMessage(Role.USER, "Weather?"),
        ChatMessage(Role.ASSISTANT, "I look.", (CALL,)),
        ChatMessage(Role.TOOL, "sunny", call_id="D681PevKs"),
        ChatMessage(Role.ASSISTANT, "", (ToolCall("call00001", "weather", "{}"),)),
        ChatMessage(Role.TOOL, "rainy", call_id="call00001"),
    )


def test_a_user_who_speaks_before_the_outcome_is_told_follows_an_assistant() -> None:
    """Templates refuse the user after a tool: "(interrupted)" stands between, and the outcome stays."""
    history = History()
    history.said(TurnId(1), "Weather?")
    history.called([(CALL, "sunny")])
    history.said(TurnId(2), "Stop, please.")
    expected = [("user", "Weather?"), ("assistant", ""), ("tool", "sunny"), ("assistant", "(interrupted)")]
    assert said(messages("", history.items)) == [*expected, ("user", "Stop, please.")]


def test_what_was_heard_of_the_answer_stands_between() -> None:
    """An answer of which some words were heard needs no other assistant between the outcome and the user."""
    history = History()
    history.said(TurnId(1), "Weather?")
    history.called([(CALL, "sunny")])
    history.heard(ReplyId(2), "It is sunny.", "It is", is_interrupted=True)
    history.said(TurnId(2), "Stop, please.")
    assert [text for _, text in said(messages("", history.items))] == [
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
