"""The marks that models write round what is not for the user, and those of chat templates that leak. Pure.

Every mark ends with its last character, whatever follows, and none holds another `<`: `held_from` tells where the
beginning of one may stand at the end of a text.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache


class Kind(Enum):
    """What a mark does."""

    THOUGHT = auto()
    """Begins a thought, or what a tool has answered."""
    CALL = auto()
    """Begins a call, which the server did not know for one."""
    CLOSING = auto()
    """Ends one of these."""
    HEAD = auto()
    """Begins the header of a message: who speaks, and to whom."""
    HEAD_END = auto()
    """Ends it."""
    OTHERS = auto()
    """Begins a message that is not the assistant's."""
    END = auto()
    """Ends a message, or begins the assistant's."""
    SINGLE = auto()
    """Does nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One that was met."""

    kind: Kind
    name: str
    """In small letters, without attributes."""
    closing: str = ""
    """The name of what ends it; empty if only the end of the message does."""
    is_markup: bool = False
    """Written in common letters: an answer may speak of it, too."""
    ends_thought: bool = False


_THOUGHT_NAMES = (
    "think|thinking|thoughts?|reasoning|analysis|scratch_?pad|reflection|(?:inner_|internal_)?monologue|"
    "chain_of_thought|longcat_think|tool_(?:response|result|output)s?|function_(?:response|result)s?"
)
"""DeepSeek, Qwen and many more; ...; Hermes, Qwen and Anthropic for what tools have answered."""
_CALL_NAMES = "tool_?calls?|function_calls?|tool_code|tool_use|longcat_tool_call"
"""Qwen and Hermes, NVIDIA's Nemotron, Anthropic, Gemma, LongCat."""
_SPACES = "seed|minimax|antml|steptml|longcat"
"""Before a name, as in `seed:think`."""
_PAIRS = {
    "[think]": "[/think]",
    "[tool_results]": "[/tool_results]",
    "[inst]": "[/inst]",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|start_tool_result|>": "<|end_tool_result|>",
    "<|think|>": "<|/think|>",
    "<|thinking|>": "<|/thinking|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>thought": "<channel|>",
    "<|tool_response>": "<tool_response|>",
    "<\uff5ctool\u2581outputs\u2581begin\uff5c>": "<\uff5ctool\u2581outputs\u2581end\uff5c>",
}
"""Mistral (three), Kimi-VL, Sky-T1, Cohere (two), ..., Apertus, Gemma (two), DeepSeek."""
_CALL_PAIRS = {
    "[tool_calls]": "[/tool_calls]",
    "<|python_tag|>": "",
    "<|tool_call|>": "<|/tool_call|>",
    "<|tool_call>": "<tool_call|>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<|tool_call_begin|>": "<|tool_call_end|>",
    "<|tool_calls_section_begin|>": "<|tool_calls_section_end|>",
    "<|tools_prefix|>": "<|tools_suffix|>",
    "<|action_start|>": "<|action_end|>",
    "<|start_action|>": "<|end_action|>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>": "<\uff5ctool\u2581calls\u2581end\uff5c>",
    "<\uff5ctool\u2581call\u2581begin\uff5c>": "<\uff5ctool\u2581call\u2581end\uff5c>",
    "<\uff5cdsml\uff5cfunction_calls>": "</\uff5cdsml\uff5cfunction_calls>",
    "<\uff5cdsml\uff5ctool_calls>": "</\uff5cdsml\uff5ctool_calls>",
}
"""Mistral, Llama, Phi and Granite, Gemma, LFM2, Kimi (two), Apertus, InternLM, Cohere, DeepSeek (four)."""
_MESSAGES = {
    Kind.HEAD: "<|start|> <|channel|> <|im_start|> <|im_assistant|> <|start_header_id|> <start_of_turn> <|turn>",
    Kind.HEAD_END: "<|message|> <|im_sep|> <|im_middle|> <|end_header_id|>",
    Kind.OTHERS: "<|user|> <|system|> <|human|> <|observation|> <|tool|> <|tool_response|> <|function|> <|ipython|> "
    "<|im_user|> <|im_system|> <|user_token|> <|system_token|> <\uff5cuser\uff5c>",
    Kind.END: "<|end|> <|return|> <|call|> <|im_end|> <|eot_id|> <|eom_id|> <|eot|> <|eos|> <|endoftext|> "
    "<|end_of_text|> <|end_of_turn|> <|end_of_turn_token|> <|assistant|> <|chatbot_token|> </s> <eos> <end_of_turn> "
    "<turn|> <\uff5cassistant\uff5c> <\uff5cend\u2581of\u2581sentence\uff5c>",
}
"""Harmony (gpt-oss), ChatML (Qwen, Hermes, Yi), Llama, Gemma, Phi, Kimi, GLM, Zephyr, Cohere, DeepSeek. See
docs/reference/chat-servers.md."""
MESSAGE_KINDS = frozenset(_MESSAGES)
LINE_HEADS = frozenset(("<|im_start|>", "<start_of_turn>", "<|turn>"))
"""Headers that the end of the line ends."""

_NAME_CHARS, _SPACE_CHARS, _ATTRIBUTES_CHARS = 40, 8, 100
_SPACE = rf"\s{{0,{_SPACE_CHARS}}}+"
_ATTRIBUTE = rf"[\w:.-]{{0,{_NAME_CHARS}}}+{_SPACE}=[^<>]{{0,{_ATTRIBUTES_CHARS}}}+"
_NAME = rf"(?=[a-z_:]{{5}})(?:(?:{_SPACES}):)?(?:{_THOUGHT_NAMES}|{_CALL_NAMES}|invoke|function)"
_ARGUMENTS = rf"(?![\w:.-])(?:(?<=function)(?={_SPACE}=|>)|(?<=invoke)(?={_SPACE}name|>)|(?<!function)(?<!invoke))"
"""An answer about programs may hold `<function (x)>`."""
_TAG_END = rf"{_ARGUMENTS}{_SPACE}(?:{_ATTRIBUTE})?+/?>"
_TAG = rf"/?{_NAME}{_TAG_END}"
_BARS = rf"\|(?=[^\s<>|])(?:[^\s<>|]{{1,{_NAME_CHARS}}}+\|>|channel>thought|(?:turn|tool_call|tool_response)>)"
_WIDE_BARS = rf"/?\uff5c[^\s<>]{{1,{_NAME_CHARS}}}+>"
"""Whatever stands between bars: templates of models to come write their marks so, too."""
_TOKENS = r"(?:channel|turn|tool_call|tool_response)\|>|(?:/?s|[be]os|pad|unk|(?:start|end)_of_turn)>"
ANY_MARK = re.compile(
    rf"(?ai:<(?:{_BARS}|(?=[/a-z\uff5c])(?:{_TAG}|{_WIDE_BARS}|{_TOKENS}))|\[/?(?:think|inst)\]|\u25c1/?think\u25b7)"
    r"|\[/?TOOL_(?:CALLS|RESULTS)\]"
)
"""The assertions are for speed: 64 kB of `<` take 1.4 ms with them, and 14 ms without (measured 2026-11-28)."""
_BEGUN_ATTRIBUTE = rf"(?:[\w:.-]{{0,{_NAME_CHARS}}}+{_SPACE}|{_ATTRIBUTE})/?"
_BEGUN_TAG = rf"</?(?:[\w:.-]{{0,{2 * _NAME_CHARS}}}+|{_NAME}(?![\w:.-]){_SPACE}{_BEGUN_ATTRIBUTE})"
_BEGUN_BARS = (
    rf"<\|(?:[^\s<>|]{{0,{_NAME_CHARS}}}+\|?|channel>[thoug]{{0,6}})|</?\uff5c[^\s<>]{{0,{_NAME_CHARS}}}+|<\w{{0,16}}\|"
)
_BEGUN = re.compile(rf"(?ai:{_BEGUN_BARS}|{_BEGUN_TAG}|\[/?[a-z_]{{0,12}}|\u25c1/?[a-z]{{0,5}})")
"""At least what every beginning of a mark looks like."""
LONGEST_CHARS = 256
"""No mark is longer."""


def _fixed() -> dict[str, Mark]:
    marks: dict[str, Mark] = {}
    for pairs, kind in ((_PAIRS, Kind.THOUGHT), (_CALL_PAIRS, Kind.CALL)):
        for name, closing in pairs.items():
            is_thought = kind is Kind.THOUGHT
            is_markup = name in {"[think]", "[inst]"}
            marks[name] = Mark(kind, name, closing, is_markup=is_markup)
            marks[closing] = Mark(Kind.CLOSING, closing, ends_thought=is_thought)
    for kind, names in _MESSAGES.items():
        marks.update({name: Mark(kind, name) for name in names.split()})
    marks["<s>"] = Mark(Kind.SINGLE, "<s>", "</s>", is_markup=True)
    return marks


_FIXED = _fixed()
_TAG_NAME = re.compile(r"</?([\w:]++)", re.ASCII)
_CALL_NAME = re.compile(rf"(?:(?:{_SPACES}):)?(?:{_CALL_NAMES}|invoke|function)")


def _of_fixed(*kinds: Kind) -> str:
    return "|".join(re.escape(mark.name) for mark in _FIXED.values() if mark.kind in kinds)


MESSAGE_MARK = re.compile(rf"(?ai:{_of_fixed(*MESSAGE_KINDS)})")
END_OF_ANY_THOUGHT = re.compile(
    rf"(?ai:</(?:(?:{_SPACES}):)?(?:{_THOUGHT_NAMES}){_SPACE}>"
    rf"|{'|'.join(re.escape(mark.name) for mark in _FIXED.values() if mark.ends_thought)})"
)


@cache
def marks_within(opening: Mark) -> re.Pattern[str]:
    """Those that count within a thought or a call: its own, and for a call the ends of messages.

    There are as many openings as names, whatever a text holds.
    """
    is_call = opening.kind is Kind.CALL
    if opening.name not in _FIXED:
        own = rf"<{'/' if is_call else '/?'}{re.escape(opening.name[1:-1])}{_TAG_END}"
    else:
        own = "|".join(re.escape(name) for name in (opening.closing, "" if is_call else opening.name) if name)
    return re.compile(f"(?ai:{'|'.join(filter(None, (own, _of_fixed(Kind.END) if is_call else '')))})")


def mark_of(written: str) -> Mark:
    """What a mark that was found is."""
    lower = written.lower()
    fixed = _FIXED.get(lower)
    if fixed is not None:
        return fixed
    match = _TAG_NAME.match(lower)
    if match is None or lower.endswith("/>"):
        return Mark(Kind.SINGLE, lower)
    name = match[1]
    is_call = _CALL_NAME.fullmatch(name) is not None
    if lower.startswith("</"):
        return Mark(Kind.CLOSING, f"</{name}>", ends_thought=not is_call)
    return Mark(Kind.CALL if is_call else Kind.THOUGHT, f"<{name}>", f"</{name}>", is_markup=True)


def held_from(text: str) -> int:
    """Where the end of a text begins that may be the beginning of a mark, or is one; its length if none does.

    Of a mark that is complete, what stands behind it may tell whether it is one.
    """
    at = max(0, len(text) - LONGEST_CHARS)
    places = [place for first in "<[\u25c1" if (place := text.rfind(first, at)) >= 0]
    begun = (place for place in places if _BEGUN.fullmatch(text, place) or ANY_MARK.fullmatch(text, place))
    return min(begun, default=len(text))
