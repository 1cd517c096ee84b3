"""What is for the user of a model's text, and what is not."""

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.thought_marks import LONGEST_CHARS
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
    *(
        "<think",
        " a=",
        '"',
        "/",
        ">",
        "</s>",
        "<s>",
        "`",
        "```",
        "~~~\n",
        "(",
        ". ",
        "1. ",
        "\\",
        "<|im_start|>",
        "assistant\n",
    ),
    *(
        "<|im_end|>",
        "<tool_call>",
        "</tool_call>",
        "{",
        "<function",
        "=f",
        "[think]",
        "<|channel>",
        "thought",
        "<channel|>",
    ),
    *(
        "<|user|>",
        "<\uff5c",
        "DSML\uff5c",
        "function_calls",
        "<|python_tag|>",
        "\u4f60",
        "</seed:think>",
        "<seed:think>",
    ),
]
TEXTS = st.lists(st.sampled_from(BITS), max_size=14).map("".join)
A_MARK = re.compile(r"</?think\s*[/>]|\[/?think\]|<\|\S+\|>", re.IGNORECASE)


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
        ("<think>a</think>One. <think>b</think>Two.", "One. Two."),
        ("<think>a</think>\nOne\n<think>b</think>two.", "One\ntwo."),
        ("One,<think>b</think>two.", "One, two."),
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
    ("text", "expected"),
    [
        ("<think >Hm.</think >Yes.", "Yes."),
        ("<think\n>Hm.</think>Yes.", "Yes."),
        ('<think type="deep">Hm.</think>Yes.', "Yes."),
        ("<think/>Yes.", "Yes."),
        ("<think>a<think>b</think>c</think>Yes.", "Yes."),
        ("<think>a\n<think>b\n<think>c</think>d</think>e</think>Yes.", "Yes."),
        ("<think>a <think/> b</think>Yes.", "Yes."),
        ("<think>a.<think/>b</think>Yes.", "Yes."),
        ("<think>\n<think>Hm.</think>Yes.", "Yes."),
        ("<|START_THINKING|>a<|START_THINKING|>b<|END_THINKING|>c<|END_THINKING|>Yes.", "Yes."),
        *((f"<{name}>Hm.</{name}>Yes.", "Yes.") for name in ("analysis", "thoughts", "scratchpad", "reflection")),
        *((f"<{name}>Hm.</{name}>Yes.", "Yes.") for name in ("tool_code", "tool_response", "minimax:tool_call")),
        *((f"<{name}>Hm.</{name}>Yes.", "Yes.") for name in ("TOOLCALL", "function_results", "inner_monologue")),
        ("[think]Hm.[/think]Yes.", "Yes."),
        ('One.<function=f>{"a": 1}</function>', "One."),
        ("<function=f><parameter=a>1</parameter></function>Yes.", "Yes."),
        ('<function_calls><invoke name="f"></invoke></function_calls>Yes.', "Yes."),
        ('<invoke name="f"><b>1</b></invoke>Yes.', "Yes."),
        ("One <tool_call>f</tool_call>", "One "),
        ('<|tool_call|>[{"name": "f"}]<|/tool_call|>Yes.', "Yes."),
        ('<|tool_call|>[{"name": "f"}]<|end_of_text|>', ""),
        ("<|tool_call>call:f{}<tool_call|>Yes.", "Yes."),
        ("<|tool_call_start|>[f(1)]<|tool_call_end|>Yes.", "Yes."),
        ("<\uff5cDSML\uff5cfunction_calls>f</\uff5cDSML\uff5cfunction_calls>Yes.", "Yes."),
        ('One moment.<|python_tag|>{"name": "f"}<|eom_id|>', "One moment."),
        ("One moment.<|python_tag|>f(1)", "One moment."),
        ('<tool_call>{"a": "</tool_call>"}</tool_call>Yes.', "Yes."),
        (r'<tool_call>[{"a\\": "\"</tool_call><|im_end|>"}]</tool_call>Yes.', "Yes."),
        ('<tool_call>{"a": "b\n</tool_call>Yes.', "Yes."),
        ('<tool_call>f "a</tool_call>Yes.', "Yes."),
        ('<tool_call>{"a": "it\'s\n"}</tool_call> Yes.', "Yes."),
        ('<tool_call>{"a": "it\'s\n b"}\n</tool_call> Yes.', "Yes."),
        ('<tool_call>{"a": "{b}</tool_call>"}</tool_call>Yes.', "Yes."),
        ("- <think>x</think>y", "- y"),
        ("1. <think>x</think>y", "1. y"),
        ("(<think>x</think>) y", "( ) y"),
        ('"<think>x</think>y"', '" y"'),
    ],
)
def test_neither_thoughts_nor_calls_of_other_shapes(text: str, expected: str) -> None:
    """With attributes and spaces, one within another, under other names, and with their own end in an argument."""
    assert said([text]) == expected
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((f"Yes.{mark}", "Yes.") for mark in ("<|im_end|>", "</s>", "<|eot_id|>", "<|endoftext|>", "<end_of_turn>")),
        *((f"Yes.{mark}", "Yes.") for mark in ("<\uff5cend\u2581of\u2581sentence\uff5c>", "<eos>", "<|of_next_year|>")),
        ("<s>Yes.</s>", "Yes."),
        ("Yes <|im_end|>", "Yes "),
        ("<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\nAnd you?<|im_end|>", "Yes.\n"),
        ("<|im_start|>assistant<think>\nHm.</think>Yes.", "Yes."),
        ("<|im_start|>assistant<|im_sep|>Yes.", "Yes."),
        ("<|im_start|>user<think>\nHm.</think>Yes.", ""),
        ("<|im_user|>me<|im_middle|>And?<|im_end|><|im_assistant|>assistant<|im_middle|>Yes.", "Yes."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>", "Yes."),
        ("Yes.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd?", "Yes."),
        ("<start_of_turn>model\nYes.<end_of_turn>", "Yes."),
        ("Yes.<|user|>And? <think><|assistant|>Well.", "Yes. Well."),
        ("Yes. [INST] And? [/INST] Well.", "Yes. Well."),
        ("It is:\n```\nx\n```<|im_end|>", "It is:\n```\nx\n```"),
        ('He said "Yes."<|im_end|>', 'He said "Yes."'),
    ],
)
def test_tokens_of_templates_are_not_for_the_user(text: str, expected: str) -> None:
    """What a server should have kept to itself is dropped, and so is what the model writes in the user's name."""
    assert said([text]) == expected
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<think>` opens a thought, and `</think>` ends it.",
        'Write "<think>" first, "</think>" last.',
        "Models write <think> before they think, and </think> after it.",
        "\u201c<reasoning>\u201d, (<think>) and **<thought>** are some, and <think>/<analysis>.",
        "- <think> is one.\n2. <thought> is another.",
        "\u6807\u7b7e<think>\u5f88\u597d\uff0c\u300c</think>\u300d\u4e5f\u662f",
        "It is:\n```xml\n<think>\nHm.\n</think>\n<|im_end|>\n```\nAnd `<|im_end|>` ends it.",
        "~~~\n<tool_call>\n~~~",
        "```<think>",
        "The token `<|im_end|>` ends a message, ``<|im_start|>`` begins it.",
        'In JSON: {"a": "<tool_call>"}',
        "Use <s>old</s> or `<s>`, <b>bold</b> and <br/>.",
        "<function (x)> and <invoke (y)> are none.",
        "x <| f |> y, <|> and <||>",
        f"a{'b' * 200} <think> c",
        f"<|{'a' * 41}|>, <think a={'b' * 101}>",
        "I <think so and so> it is",
    ],
)
def test_an_answer_may_speak_of_marks(text: str) -> None:
    """Within a sentence, quoted or in code a mark is a word of the answer, and so is the end that belongs to it."""
    assert said([text]) == text
    assert said(text) == text


def test_a_thought_begins_after_one_was_spoken_of() -> None:
    """What the text only speaks of does not hide it, and ends no thought."""
    text = "Some write <think> first.\n<think>Hm, </think>\nYes."
    assert said([text]) == "Some write <think> first.\nYes."


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
    if not A_MARK.search(text):
        assert said(text) == text.lstrip()


@given(TEXTS)
def test_nothing_between_marks_is_said(secret: str) -> None:
    """Whatever stands in a thought, but for its own marks."""
    if not A_MARK.search(secret):
        assert said(f"One.<think>{secret}</think>Two.") == "One. Two."


@pytest.mark.parametrize(
    "flood",
    [
        "<",
        "<|channel|> ",
        "<|start|>x",
        "<think",
        "[THINK",
        "<think a=",
        "<|tool_calls_",
        "a <think> ",
        "<tool_call>{",
        "`",
    ],
)
def test_no_text_fills_the_memory(flood: str) -> None:
    """What is held is shorter than a mark, a header or a part of a line, however long the text."""
    thoughts = ThoughtFilter()
    for character in (flood * 290)[:4_000]:
        thoughts.feed(character)
        assert len(thoughts._held) <= LONGEST_CHARS
        assert len(thoughts._head) <= 256
        assert len(thoughts._line._text) <= 128


@pytest.mark.parametrize("flood", ["</think>", "<|channel|>", "a <think> ", "<think>x</think>", "<|im_end|>"])
def test_a_text_of_nothing_but_marks_is_no_reply(flood: str) -> None:
    """Each of them costs time, so that the reply has failed after some hundred, however it is cut."""
    assert said([flood * 150]) is not None
    with pytest.raises(ChatStreamError, match="more marks"):
        said([flood * 301])
    with pytest.raises(ChatStreamError, match="more marks"):
        said(flood * 301)


@pytest.mark.parametrize("text", ["\n\n", "<think>Hm.</think>\n \n", " <|channel|>final<|message|> "])
def test_white_space_is_no_reply(text: str) -> None:
    """A reply that is all thought, or all space, has no text: the user is told so instead of hearing nothing."""
    assert said([text]) == ""
    assert said(text) == ""
