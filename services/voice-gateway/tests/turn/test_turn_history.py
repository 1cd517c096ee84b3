"""What a session keeps of its conversation, and what becomes of it when it is too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.ids import ItemId, ReplyId, TurnId
from voice_gateway.domain.items import AssistantItem, Item, ToolCallItem, ToolOutputItem, UserItem
from voice_gateway.turn import effects
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import ITEM_BYTES, KEPT_BYTES, History
from voice_gateway.turn.shortening import CUT_MARK, FORGOTTEN, Measure, end_within, shortened

KIB = 1_024


def of_user(number: int, text: str) -> UserItem:
    """What the user said in the turn of the same number."""
    return UserItem(ItemId(number), TurnId(number), text)


def of_agent(number: int, text: str) -> AssistantItem:
    """A reply that was heard whole."""
    return AssistantItem(ItemId(number), ReplyId(number), text, text, is_interrupted=False)


def told_by(history: History) -> list[effects.Effect]:
    """What it tells of its changes."""
    history.tell()
    return [*history._orders.drain()]


def a_round(number: int, *outputs: str) -> list[Item]:
    """A round of tools: so many calls, then their outputs."""
    ids = [ItemId(number + place) for place in range(2 * len(outputs))]
    calls, answers = ids[: len(outputs)], ids[len(outputs) :]
    return [
        *(ToolCallItem(call, f"c{call}", "look", "{}") for call in calls),
        *(ToolOutputItem(own, call, text) for own, call, text in zip(answers, calls, outputs, strict=True)),
    ]


def texts(item: Item) -> tuple[str, ...]:
    """The texts that the tests count."""
    match item:
        case UserItem():
            return (item.text,)
        case AssistantItem():
            return (item.heard,)
        case ToolCallItem():
            return (item.arguments_json,)
        case ToolOutputItem():
            return (item.output,)


CHARS = Measure(len, 10, texts)
"""A bound in characters is one that can be reckoned by hand: an item counts 10, and each character of it 1."""


def kept(items: list[Item], limit: int) -> list[str]:
    """The texts that fit, in short."""
    return [texts(item)[0] for item in shortened(items, limit, CHARS)]


def test_the_oldest_turns_are_left_out_whole() -> None:
    """A turn goes with its reply and its tools: no outcome is ever left without its call, and the user begins."""
    items = [of_user(1, "a" * 20), *a_round(2, "b" * 20), of_agent(4, "c" * 20), of_user(5, "d" * 20)]
    # 30 for the user, 12 and 30 for the round, 30 for the reply, 30 for the user again: 132 in all
    assert kept(items, 132) == ["a" * 20, "{}", "b" * 20, "c" * 20, "d" * 20]
    assert kept(items, 131) == ["d" * 20]


def test_a_greeting_is_left_out_first() -> None:
    """What the agent said before the user's first words is a turn of its own, and the oldest."""
    items: list[Item] = [of_agent(1, "a" * 20), of_user(2, "b" * 20), of_agent(3, "c" * 20)]
    assert kept(items, 90) == ["a" * 20, "b" * 20, "c" * 20]
    assert kept(items, 89) == ["b" * 20, "c" * 20]


def test_turns_that_nobody_answered_are_left_out_one_by_one() -> None:
    """Whoever types on and on and hears no answer loses the oldest turns, each whole, and not all of them at once."""
    items: list[Item] = [of_user(number, str(number) * 20) for number in range(1, 6)]
    assert kept(items, 100) == ["3" * 20, "4" * 20, "5" * 20]


def test_an_output_is_a_third_at_most() -> None:
    """One long outcome does not push out the question, and the model is told that it is not whole."""
    items = [of_user(1, "What?"), *a_round(2, "y" * 400)]
    assert kept(items, 300) == ["What?", "{}", "y" * (100 - len(CUT_MARK)) + CUT_MARK]
    assert kept([of_user(1, "What?"), *a_round(2, "y" * 100)], 300)[-1] == "y" * 100


def test_the_oldest_outputs_of_one_turn_are_forgotten() -> None:
    """A turn that is too long alone keeps every call, and the newest outputs, as far as they fit."""
    items = [of_user(1, "What?"), *a_round(2, "1" * 80, "2" * 80), *a_round(6, "3" * 80)]
    # 15 + 3 * 12 + 3 * 90 = 321; an output that is forgotten counts 52 less
    assert len(FORGOTTEN) == 28
    assert kept(items, 321)[3] == "1" * 80
    assert kept(items, 269) == ["What?", "{}", "{}", FORGOTTEN, "2" * 80, "{}", "3" * 80]
    assert kept(items, 268)[3:5] == [FORGOTTEN, FORGOTTEN]


def test_then_the_oldest_rounds_and_replies_of_the_turn_go() -> None:
    """What the user asked stays, and the last round, which the model is to go on from; each round goes whole."""
    items = [of_user(1, "What?"), of_agent(2, "a" * 30), *a_round(3, "b", "c"), *a_round(7, "d")]
    # 15 + 40 + (2 * 12 + 2 * 11) + (12 + 11) = 124
    assert kept(items, 124) == ["What?", "a" * 30, "{}", "{}", "b", "c", "{}", "d"]
    assert kept(items, 123) == ["What?", "{}", "{}", "b", "c", "{}", "d"]
    assert kept(items, 84) == ["What?", "{}", "{}", "b", "c", "{}", "d"]
    assert kept(items, 83) == ["What?", "{}", "d"]


def test_then_beginnings_are_cut() -> None:
    """A question and an answer beyond all bounds stay a question and an answer: each keeps its end."""
    items: list[Item] = [of_user(1, "q" * 99 + "?"), of_agent(2, "a" * 99 + ".")]
    assert kept(items, 220) == ["q" * 99 + "?", "a" * 99 + "."]
    assert kept(items, 210) == ["q" * 89 + "?", "a" * 99 + "."]
    # a quarter of the bound is left to the older text, the newer one bears the rest: 40 - 20 - 10 - 10
    assert kept(items, 40) == ["q" * 9 + "?", "a" * 9 + "."]
    call = ToolCallItem(ItemId(2), "c", "look", '{"a": "' + "x" * 100 + '"}')
    assert kept([of_user(1, "?"), call, ToolOutputItem(ItemId(3), ItemId(2), "no")], 60) == ["?", "{}", "no"]
    assert kept([of_user(1, "?"), *a_round(2, "no", "no")], 30) == ["?", "{}", "{}", "no", "no"]  # 11 and 48: too long


def test_an_output_that_is_short_is_not_forgotten() -> None:
    """What would save nothing stays readable, and one character that is saved may be enough."""
    short, longer = "s" * 28, "l" * 29
    items = [of_user(1, "?"), *a_round(2, short, longer), of_agent(6, "a" * 20)]
    # 11 for the user, 12 twice, 38 and 39, 30 for the reply: 142
    assert kept(items, 142) == ["?", "{}", "{}", short, longer, "a" * 20]
    assert kept(items, 141) == ["?", "{}", "{}", short, FORGOTTEN, "a" * 20]


def test_without_a_question_the_oldest_reply_goes_first() -> None:
    """An agent that spoke first and was not answered loses what it said first, whole."""
    items: list[Item] = [of_agent(1, "a" * 30), of_agent(2, "b" * 30), of_agent(3, "c" * 30)]
    assert kept(items, 120) == ["a" * 30, "b" * 30, "c" * 30]
    assert kept(items, 119) == ["b" * 30, "c" * 30]
    assert kept(items, 79) == ["c" * 30]


def test_no_more_is_cut_than_has_to_be() -> None:
    """When the end of the question fits, what a tool was asked behind it stays as it was."""
    call = ToolCallItem(ItemId(2), "c", "look", '{"a": 1}')
    items: list[Item] = [of_user(1, "q" * 99 + "?"), call, ToolOutputItem(ItemId(3), ItemId(2), "no")]
    # 110 and 18 and 12: 140
    assert kept(items, 130) == ["q" * 89 + "?", '{"a": 1}', "no"]
    assert kept(items, 129) == ["q" * 88 + "?", '{"a": 1}', "no"]
    assert kept(items, 56) == ["q" * 15 + "?", '{"a": 1}', "no"]
    # a question keeps at least a quarter of the bound, 13: then what was asked of the tool goes, too
    assert kept(items, 53) == ["q" * 12 + "?", '{"a": 1}', "no"]
    assert kept(items, 52) == ["q" * 12 + "?", "{}", "no"]


def test_what_was_said_is_cut_like_what_was_heard() -> None:
    """A reply that was interrupted keeps the end of both, so that neither fills the memory."""
    reply = AssistantItem(ItemId(2), ReplyId(2), "s" * 99 + ".", "h" * 49 + ",", is_interrupted=True)
    _, cut = shortened([of_user(1, "?"), reply], 61, CHARS)  # 11 and 60 are 71
    assert cut == AssistantItem(ItemId(2), ReplyId(2), "s" * 89 + ".", "h" * 39 + ",", is_interrupted=True)


@pytest.mark.parametrize(
    ("text", "room", "end"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 7, "abcdef"),
        ("abcdef", 5, "bcdef"),
        ("abcdef", 2, "ef"),
        ("abcdef", 1, "f"),
        ("abcdef", 0, "f"),
        ("abcdef", -3, "f"),
        ("a", 0, "a"),
        ("", 0, ""),
        ("", 3, ""),
    ],
)
def test_the_end_of_a_text_is_as_long_as_its_room(text: str, room: int, end: str) -> None:
    """Not a letter more is kept, and not one less; of words that were said something always stays."""
    assert end_within(text, room, CHARS) == end


@given(
    st.lists(
        st.builds(lambda text: [of_user(1, text)], st.text(max_size=60))
        | st.builds(lambda text: [of_agent(1, text)], st.text(max_size=60))
        | st.lists(st.text(max_size=60), min_size=1, max_size=3).map(lambda outputs: a_round(1, *outputs)),
        max_size=20,
    ),
    st.integers(1, 3),
)
def test_what_is_kept_fits(parts: list[list[Item]], size: int) -> None:
    """Whatever the conversation is, it fits its bound, if that has room for the shortest end of it; outputs stay
    behind their calls.
    """
    limit = 200 * size
    left = shortened([item for part in parts for item in part], limit, CHARS)
    assert sum(map(CHARS.size, left)) <= limit
    assert bool(left) == bool(parts)
    rounds = [item for item in left if isinstance(item, ToolCallItem | ToolOutputItem)]
    assert sum(isinstance(item, ToolCallItem) for item in rounds) * 2 == len(rounds)


# --- the history -----------------------------------------------------------------------------------------------------


def test_items_are_told_as_they_come_and_go() -> None:
    """A store that does what it is told has the conversation; numbers go on after what was taken back."""
    history = History(Orders())
    history.said(TurnId(1), "Weather?")
    history.called([(ToolCall("c1", "weather", "{}"), "sunny")])
    history.heard(ReplyId(2), "It is sunny. Enjoy!", "It is", is_interrupted=True)
    history.heard(ReplyId(3), "Nobody heard this.", "", is_interrupted=True)
    history.said(TurnId(2), "And")
    history.unsaid()
    history.said(TurnId(3), "And tomorrow?")
    items: tuple[Item, ...] = (
        UserItem(ItemId(1), TurnId(1), "Weather?"),
        ToolCallItem(ItemId(2), "c1", "weather", "{}"),
        ToolOutputItem(ItemId(3), ItemId(2), "sunny"),
        AssistantItem(ItemId(4), ReplyId(2), "It is sunny. Enjoy!", "It is", is_interrupted=True),
        UserItem(ItemId(6), TurnId(3), "And tomorrow?"),
    )
    assert history.items == items
    taken_back = UserItem(ItemId(5), TurnId(2), "And")
    told = [*map(effects.Remember, (*items[:4], taken_back)), effects.Forget(ItemId(5)), effects.Remember(items[4])]
    assert told_by(history) == told
    assert told_by(history) == []


def test_every_change_is_a_version() -> None:
    """A reply that was prepared for the conversation as it was does not answer it as it is, nor after a turn was taken
    back: what is equal in length is not the same.
    """
    history = History(Orders())
    versions = [history.version]
    history.said(TurnId(1), "And")
    versions.append(history.version)
    history.unsaid()
    versions.append(history.version)
    history.said(TurnId(2), "And tomorrow?")
    versions.append(history.version)
    assert versions == [0, 1, 2, 3]


def test_a_session_keeps_256_kib() -> None:
    """Bytes are what memory is made of: of emoji, four bytes each, a quarter of the letters is kept. What goes for want
    of room was not taken back.
    """
    history = History(Orders())
    for number in range(1, 81):
        history.said(TurnId(number), "\U0001f600" * KIB)
    # a turn counts 4 KiB and 128: 62 of them are 261,888 of 262,144
    assert len(history.items) == KEPT_BYTES // (4 * KIB + ITEM_BYTES) == 62
    assert history.items[0].id == 19
    assert not any(isinstance(told, effects.Forget) for told in told_by(history))


def test_short_items_are_bounded_too() -> None:
    """An item counts more than its letters, so that a conversation of single words does not grow for hours."""
    history = History(Orders())
    for number in range(5_000):
        history.said(TurnId(number), "a")
    assert len(history.items) == KEPT_BYTES // (ITEM_BYTES + 1) == 2_032


def test_what_was_taken_back_takes_no_room() -> None:
    """A long turn that is said anew does not push out the conversation before it."""
    history = History(Orders())
    for number, kib in ((1, 10), (2, 200)):
        history.said(TurnId(number), "x" * kib * KIB)
    history.unsaid()
    for number, kib in ((3, 100), (4, 145)):  # with the first 255 KiB, and 3 * 128 bytes
        history.said(TurnId(number), "x" * kib * KIB)
    assert [item.id for item in history.items] == [1, 3, 4]


def test_two_turns_may_fill_it_to_the_last_byte() -> None:
    """The bound is what is kept, not one byte less."""
    history = History(Orders())
    for number in (1, 2):
        history.said(TurnId(number), "x" * (128 * KIB - ITEM_BYTES))
    assert [item.id for item in history.items] == [1, 2]
    history.said(TurnId(3), "")
    assert [item.id for item in history.items] == [2, 3]


def test_the_oldest_turn_goes_with_its_reply() -> None:
    """A conversation that has outgrown its room begins with what the user said."""
    history = History(Orders())
    history.said(TurnId(1), "x" * 100 * KIB)
    history.heard(ReplyId(1), "y" * 100 * KIB, "y" * 100 * KIB, is_interrupted=False)
    history.said(TurnId(2), "x" * 100 * KIB)
    assert [item.id for item in history.items] == [3]


def test_what_was_cut_from_an_item_takes_no_room() -> None:
    """After one item that is too long there is as much room as ever."""
    history = History(Orders())
    for number, kib in ((1, 300), (2, 10), (3, 240)):
        history.said(TurnId(number), "x" * kib * KIB)
    assert [item.id for item in history.items] == [2, 3]


def test_earlier_items_take_room() -> None:
    """A conversation that another process began is bounded like one that began here."""
    history = History(Orders())
    history.resume([of_user(4, "x" * 200 * KIB)], ItemId(4))
    history.said(TurnId(5), "x" * 100 * KIB)
    assert [item.id for item in history.items] == [5]


def test_what_would_be_said_has_its_place_and_number() -> None:
    """A reply is prepared to the very items that there will be when the turn is committed."""
    history = History(Orders())
    history.said(TurnId(1), "Hello.")
    would_be = history.items_with(TurnId(2), "And?")
    assert would_be == (UserItem(ItemId(1), TurnId(1), "Hello."), UserItem(ItemId(2), TurnId(2), "And?"))
    history.said(TurnId(2), "And?")
    assert history.items == would_be


def test_a_reply_counts_once_if_all_of_it_was_heard() -> None:
    """What was heard is kept beside what was said only where the two differ; then both take room."""
    whole, half = History(Orders()), History(Orders())
    for number in (1, 2):
        for history, heard_kib in ((whole, 100), (half, 60)):
            history.said(TurnId(number), "Go on.")
            said, heard = "x" * 100 * KIB, "x" * heard_kib * KIB
            history.heard(ReplyId(number), said, heard, is_interrupted=said != heard)
    assert [item.id for item in whole.items] == [1, 2, 3, 4]  # 200 KiB
    assert [item.id for item in half.items] == [3, 4]  # 160 KiB each


def test_what_was_said_and_not_heard_is_kept_and_counts() -> None:
    """A reply of which little was heard takes the room of all that was said."""
    history = History(Orders())
    for number in range(1, 6):
        history.said(TurnId(number), "Go on.")
        history.heard(ReplyId(number), "x" * 64 * KIB, "x", is_interrupted=True)
    assert [item.id for item in history.items] == [5, 6, 7, 8, 9, 10]


def test_one_item_may_not_fill_the_memory() -> None:
    """An item that is too long alone is told whole, and kept at its end."""
    history = History(Orders())
    history.said(TurnId(1), "x" * 300 * KIB + "?")
    (item,), (told,) = history.items, told_by(history)
    assert isinstance(item, UserItem)
    assert (len(item.text), item.text[-1]) == (KEPT_BYTES - ITEM_BYTES, "?")
    assert isinstance(told, effects.Remember)
    assert isinstance(told.item, UserItem)
    assert len(told.item.text) == 300 * KIB + 1


def test_a_long_output_is_cut_before_turns_are_left_out() -> None:
    """A tool that returns a book is told whole and kept to a third; the conversation before it stays."""
    history = History(Orders())
    history.said(TurnId(1), "x" * 100 * KIB)
    history.said(TurnId(2), "Read it.")
    history.called([(ToolCall("c1", "read", "{}"), "y" * 250 * KIB)])
    first, *_, output = history.items
    assert (first.id, type(output)) == (1, ToolOutputItem)
    assert isinstance(output, ToolOutputItem)
    assert len(output.output) == KEPT_BYTES // 3
    told = told_by(history)[-1]
    assert isinstance(told, effects.Remember)
    assert isinstance(told.item, ToolOutputItem)
    assert len(told.item.output) == 250 * KIB


def test_half_characters_are_counted() -> None:
    """A text with half of a surrogate pair, which JSON can carry, is kept like any other."""
    history = History(Orders())
    history.said(TurnId(1), "\ud83d")
    assert len(history.items) == 1


@pytest.mark.parametrize(("more", "first"), [(0, 1), (1, 2)])
def test_each_text_of_a_round_takes_room(more: int, first: int) -> None:
    """Names, arguments and outcomes are memory like what was said: one byte too many, and the oldest turn goes."""
    history = History(Orders())
    history.said(TurnId(1), "x" * 100 * KIB)
    history.said(TurnId(2), "y")
    history.called([(ToolCall("i" * 10 * KIB, "n" * 20 * KIB, "a" * 30 * KIB), "o" * 40 * KIB)])
    # 200 KiB, 1 byte and 4 items; the fifth fills the rest
    history.said(TurnId(3), "z" * (56 * KIB - 1 - 5 * ITEM_BYTES + more))
    assert history.items[0].id == first


def test_a_copy_goes_on_by_itself() -> None:
    """What is tried out in a copy is not said in the conversation, nor told to a store, and is bounded as well."""
    history = History(Orders())
    history.said(TurnId(1), "x" * 200 * KIB)
    copy = history.copy()
    assert (copy.items, copy.last) == (history.items, 1)
    copy.said(TurnId(2), "y" * 100 * KIB)
    assert ([item.id for item in copy.items], copy.last) == ([2], 2)
    assert ([item.id for item in history.items], history.last, history.version) == ([1], 1, 1)
    assert told_by(history) == [effects.Remember(history.items[0])]
    assert told_by(copy) == [effects.Remember(copy.items[0])]
