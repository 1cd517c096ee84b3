"""What is for the user of a model's text, and what is not."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.thoughts import ThoughtFilter

BITS = [
    *(
        "<think>",
        "</think>",
        "<thinking>",
        "</THINKING>",
        "[THINK]",
        "[/THINK]",
        "<|channel|>",
        "<|message|>",
        "<|end|>",
    ),
    *("<|start|>", "assistant", "analysis", "final", "commentary", " to=f", "<|call|>", "<", "<t", "[", "</", "<|"),
    *(
        " ",
        "\n",
        "a",
        "b.",
        "é",
        "😀",
        "\u25c1think\u25b7",
        "\u25c1/think\u25b7",
        "<reasoning>",
        "</reasoning>",
        "K",
        "İ",
    ),
]
TEXTS = st.lists(st.sampled_from(BITS), max_size=14).map("".join)
LONGEST_MARK_CHARS = len("<|tool_calls_section_begin|>")


def said(pieces: Iterable[str], *, begins_in_thought: bool = False) -> str:
    """What is for the user of a text that comes in these pieces."""
    thoughts = ThoughtFilter(begins_in_thought=begins_in_thought)
    return "".join([*map(thoughts.feed, pieces), thoughts.finish()])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>Hm.</think>Yes.", "Yes."),
        ("<think>\nHm.\n</think>\n\nYes.", "Yes."),
        ("<THINK>Hm.</Think>Yes.", "Yes."),
        ("<thinking>Hm.</thinking>Yes.", "Yes."),
        ("<thought>Hm.</thought>Yes.", "Yes."),
        ("<reasoning>Hm.</reasoning>Yes.", "Yes."),
        ("<seed:think>Hm.</seed:think>Yes.", "Yes."),
        ("[THINK]Hm.[/THINK]Yes.", "Yes."),
        ("\u25c1think\u25b7Hm.\u25c1/think\u25b7Yes.", "Yes."),
        ("<|begin_of_thought|>Hm.<|end_of_thought|>Yes.", "Yes."),
        ("<|START_THINKING|>Hm.<|END_THINKING|>Yes.", "Yes."),
        ("<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>", "Yes."),
        ("<|START_TEXT|>Yes.<|END_TEXT|>", "Yes."),
        ("<|channel>thought\nHm.\n<channel|>Yes.", "Yes."),
        ("<|channel>thought\n<channel|>Yes.", "Yes."),
        ('One moment. <tool_call>\n{"name": "f"}\n</tool_call>', "One moment. "),
        ('<function_call>{"name": "f"}</function_call>Yes.', "Yes."),
        ('One moment.[TOOL_CALLS]f{"a": 1}', "One moment."),
        ("<|tool_calls_section_begin|>f<|tool_calls_section_end|>Yes.", "Yes."),
        ("<\uff5ctool\u2581calls\u2581begin\uff5c>f<\uff5ctool\u2581calls\u2581end\uff5c>Yes.", "Yes."),
        ("<think></think>Yes.", "Yes."),
        ("One. <think>Hm.</think> Two.", "One. Two."),
        ("One.<think>Hm.</think>Two.", "One. Two."),
        ("One.<think>Hm.</think> Two.", "One. Two."),
        ("<think>a</think>One <think>b</think>two.", "One two."),
        ("<think>It says <think> and </thinking>, [/THINK].</think>Yes.", "Yes."),
        ("<think>Hm.", ""),
        ("<think>Hm.</thin", ""),
        ("Yes.<think>Hm.", "Yes."),
        ("Yes.</think>", "Yes."),
        ("<|channel|>analysis<|message|>Hm.<|end|>Yes.", "Yes."),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>", "Yes."),
        ("<|start|>assistant<|message|>Yes.<|end|>", "Yes."),
        ("<|start|>user<|message|>And you?<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "Yes."),
        ("<|channel|>commentary<|message|>One moment.<|end|>", "One moment."),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>", ""),
        ("<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>", ""),
        ("<|channel|>commentary <|constrain|>json<|message|>{}<|call|>", ""),
        ("<|channel|>analysis<|message|>It is <|message|>.<|start|><|channel|>final<|message|>Yes.", "Yes."),
        ("<|channel|>final<|end|>Yes.", "Yes."),
        (f"<|channel|>final {'x' * 300}<|message|>No.", ""),
        (f"{'<|start|>' * 99}<|message|>Yes.", "Yes."),
        (f"{'<|channel|>' * 99}<|message|>No.", ""),
        ("<|message|>Yes.<|end|>", "Yes."),
    ],
)
def test_thoughts_are_not_for_the_user(text: str, expected: str) -> None:
    """In every notation that models use, whole and one character at a time."""
    assert said([text]) == expected
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "Use <b>bold</b>, <thinly> and <thin",
        "It costs <",
        "see [THIN], [think] and [1]",
        "I <think so",
        "1 <| 2 |> 3 <|chan",
        "\u25c1 left",
        "x</thin",
    ],
)
def test_what_merely_looks_like_a_mark_is_not_lost(text: str) -> None:
    """Comparisons, markup and brackets are words of the reply."""
    assert said([text]) == text
    assert said(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hm.</think>Yes.", "Yes."),
        ("Hm. <think> Hm.</think>Yes. <think>Again.</think>", "Yes. "),
        ("Hm.[/THINK]Yes.", "Yes."),
        ("Hm.", ""),
    ],
)
def test_a_reply_may_begin_in_a_thought(text: str, expected: str) -> None:
    """Where the template opens it, everything up to its end is one; without an end all is."""
    assert said([text], begins_in_thought=True) == expected
    assert said(text, begins_in_thought=True) == expected


def test_the_end_of_a_thought_that_was_not_begun_is_noticed() -> None:
    """What was said may have been a thought: nothing can be unsaid, but it can be told."""
    for text, is_stray in (("Hm.</think>Yes.", True), ("<think>Hm.</think>Yes.<|end|><|END_TEXT|>", False)):
        thoughts = ThoughtFilter()
        thoughts.feed(text)
        assert thoughts.has_stray_end is is_stray


@given(text=TEXTS, cuts=st.lists(st.integers(0, 60), max_size=8), begins_in_thought=st.booleans())
def test_any_cutting_gives_the_same_text(text: str, cuts: list[int], *, begins_in_thought: bool) -> None:
    """Marks are cut anywhere by the server, and nothing of a thought gets through the cut."""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    whole = said([text], begins_in_thought=begins_in_thought)
    assert said(pieces, begins_in_thought=begins_in_thought) == whole
    assert said(text, begins_in_thought=begins_in_thought) == whole


@given(st.text(alphabet="ab<>[]/|TH think\n", max_size=40))
def test_text_without_a_mark_is_whole(text: str) -> None:
    """But for the white space that it begins with."""
    if not any(mark in text.lower() for mark in ("<think>", "</think>", "[think]", "[/think]")):
        assert said(text) == text.lstrip()


@given(TEXTS)
def test_nothing_between_marks_is_said(secret: str) -> None:
    """Whatever stands in a thought, up to its own mark."""
    inside = secret.replace("</think>", "")
    if "</think>" not in inside.lower():
        assert said(f"One.<think>{inside}</think>Two.") == "One. Two."


@pytest.mark.parametrize(
    "flood", ["<", "<|channel|>", "<|start|>x", "<think", "[THINK", "</think>", "<think>", "<|tool_calls_"]
)
def test_no_text_fills_the_memory(flood: str) -> None:
    """What is held is shorter than a mark, or a header, however long the text."""
    thoughts = ThoughtFilter()
    for character in flood * 2_000:
        thoughts.feed(character)
        assert len(thoughts._held) < LONGEST_MARK_CHARS
        assert len(thoughts._head) <= 256


@pytest.mark.parametrize("text", ["\n\n", "<think>Hm.</think>\n \n", " <|channel|>final<|message|> "])
def test_white_space_is_no_reply(text: str) -> None:
    """A reply that is all thought, or all space, has no text: the user is told so instead of hearing nothing."""
    assert said([text]) == ""
    assert said(text) == ""
