"""What model servers in use send, byte for byte, and what becomes of it.

Sources are in docs/reference/chat-servers.md. Each recording is replayed whole, byte by byte, and cut at random places.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.chunks import Oddity
from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.reply_reader import ReplyReader
from voice_gateway.domain.chat import ToolCall

RECORDINGS = Path(__file__).with_name("recordings")
PAGE = Path(__file__).resolve().parents[4] / "docs" / "reference" / "chat-servers.md"
NOON = "It is noon."
ROME = ("weather", '{"place": "Rome"}')


@dataclass(frozen=True)
class Case:
    """What a recording comes to.

    Attributes:
        text: all text.
        calls: names and arguments.
        failure: what the error says; empty for a reply that ends well.
        oddities: what was skipped.
        begins_in_thought: as it is configured.
    """

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    failure: str = ""
    oddities: frozenset[Oddity] = field(default=frozenset())
    begins_in_thought: bool = False


def _odd(*oddities: Oddity) -> frozenset[Oddity]:
    return frozenset(oddities)


CASES = {
    "openai_text": Case("It is noon, café open 😀."),
    "openai_refusal": Case("I cannot help with that."),
    "openai_tool_calls": Case(calls=(ROME, ("stop", "{}"))),
    "openai_function_call": Case(calls=(ROME,)),
    "azure_content_filter": Case(NOON, oddities=_odd(Oddity.CHOICE)),
    "azure_null_delta": Case(NOON, oddities=_odd(Oddity.CHOICE)),
    "azure_filtered": Case("It is"),
    "azure_filtered_at_once": Case(failure="no text"),
    "gemini_parallel_calls": Case(
        calls=(("weather", '{"place":"Rome"}'), ("weather", '{"place":"Oslo"}'), ("stop", "{}"))
    ),
    "gemini_calls_without_ids": Case(calls=(("weather", '{"place":"Rome"}'), ("weather", '{"place":"Oslo"}'))),
    "gemini_error": Case(failure="reported"),
    "mistral_parts": Case("Hello there.", oddities=_odd(Oddity.CONTENT)),
    "mistral_whole_calls": Case(calls=(ROME, ("stop", "{}"))),
    "vllm_reasoning": Case(NOON),
    "vllm_error": Case("It is", failure="reported"),
    "vllm_object_error": Case(failure="reported"),
    "vllm_no_end": Case("It is", failure="broke off"),
    "ollama_index_zero": Case(calls=(("weather", '{"place":"Rome"}'), ("stop", "{}"))),
    "ollama_no_index": Case(calls=(("weather", '{"place":"Rome"}'), ("weather", '{"place":"Oslo"}'))),
    "llamacpp_text": Case(NOON),
    "llamacpp_empty_data": Case(NOON, oddities=_odd(Oddity.EVENT)),
    "llamacpp_error_field": Case("It is", failure="reported"),
    "llamacpp_whole_message": Case(calls=(ROME,)),
    "lemonade_bare_error": Case("It is", failure="reported"),
    "nim_name_repeated": Case(calls=(ROME,)),
    "nim_reasoning_calls": Case(calls=(ROME,)),
    "dashscope_empty_ids": Case(calls=(ROME,)),
    "sglang_nulls": Case(calls=(("weather", "{}"),)),
    "openrouter_comments": Case(NOON),
    "openrouter_error": Case("It is", failure="reported"),
    "openrouter_empty_error": Case(failure="reported"),
    "anthropic_ping": Case(NOON, oddities=_odd(Oddity.NO_CHOICES)),
    "anthropic_error": Case("It is", failure="reported"),
    "deepseek_keep_alive": Case(NOON),
    "deepseek_gave_up": Case("It is", failure="broke off"),
    "qwen_think": Case("Noon. It is < 1 o'clock."),
    "qwen_only_thoughts": Case(failure="no text"),
    "qwen_thoughts_and_calls": Case(calls=(ROME,)),
    "qwen_call_in_text": Case("One moment. ", oddities=_odd(Oddity.CALL_IN_TEXT)),
    "deepseek_only_closing": Case(NOON, begins_in_thought=True),
    "deepseek_never_closing": Case(failure="no text", begins_in_thought=True),
    "deepseek_apart": Case(NOON, begins_in_thought=True),
    "deepseek_stray_closing": Case("Hm, noon.\n\nIt is noon.", oddities=_odd(Oddity.END_OF_THOUGHT)),
    "gptoss_harmony": Case("Let me look. It is noon."),
    "gptoss_leaked_call": Case(failure="no text"),
    "mistral_think_tokens": Case(NOON),
    "gemini_thought": Case(NOON),
    "gemma_channel": Case(NOON),
    "openwebui_early_stop": Case(NOON),
    "openwebui_stop_and_cut": Case("It is", failure="broke off"),
    "openwebui_only_stop": Case(failure="no text"),
    "gemini_no_reason": Case(NOON),
    "proxy_no_space": Case(NOON, oddities=_odd(Oddity.EVENT)),
    "proxy_carriage_returns": Case(NOON),
    "proxy_text_error": Case("It is", failure="reported"),
    "proxy_no_last_line": Case(NOON),
    "proxy_cut_event": Case("It is", failure="broke off"),
    "proxy_half_characters": Case("Yes 😀 and \ufffd"),
    "proxy_page": Case(failure="page"),
    "proxy_json_error": Case(failure="reported"),
    "proxy_json_detail": Case(failure="broke off", oddities=_odd(Oddity.NO_CHOICES)),
    "proxy_not_streamed": Case("It is noon, café open.", calls=(("stop", ""),)),
    "proxy_repeated_message": Case(NOON),
    "proxy_two_choices": Case(NOON),
    "proxy_stop_in_every_piece": Case(NOON),
    "proxy_stop_after_each_call": Case(calls=(ROME, ("stop", "{}"))),
    "proxy_error_after_stop": Case(NOON),
    "proxy_cut_after_stop": Case(NOON),
    "proxy_repeated_after_stop": Case(NOON),
    "proxy_name_in_pieces": Case(calls=(ROME,)),
    "proxy_repeated_call": Case(calls=(ROME,)),
    "proxy_empty_object_first": Case(calls=(ROME,)),
}


def replayed(recording: bytes, edges: list[int], *, begins_in_thought: bool) -> Case:
    """What comes of a recording that arrives in these pieces."""
    reader = ReplyReader(begins_in_thought=begins_in_thought)
    texts: list[str] = []
    calls: list[ToolCall] = []
    failure = ""
    try:
        for start, end in pairwise(edges):
            if reader.is_over:
                break
            for piece in reader.feed(recording[start:end]):
                texts.append(piece) if isinstance(piece, str) else calls.append(piece)
        if not reader.is_over:
            for piece in reader.finish():
                texts.append(piece) if isinstance(piece, str) else calls.append(piece)
    except ChatStreamError as error:
        failure = str(error)
    assert all(texts), "a piece of text is never empty"
    ids = [call.id for call in calls]
    assert len(set(ids)) == len(ids)
    assert "" not in ids
    named = tuple((call.name, call.arguments_json) for call in calls)
    return Case("".join(texts), named, failure, frozenset(reader.oddities))


def assert_is(case: Case, expected: Case) -> None:
    """The same, but for the words of a failure; what is together with it in one piece need not be told."""
    assert (case.calls, case.oddities) == (expected.calls, expected.oddities)
    assert case.text == expected.text or (expected.failure and expected.text.startswith(case.text))
    assert expected.failure in case.failure
    assert bool(expected.failure) == bool(case.failure)


@pytest.mark.parametrize("name", CASES)
def test_a_recording_is_read(name: str) -> None:
    """Whole, and one byte at a time: inside of characters, of line ends and of marks."""
    recording = (RECORDINGS / f"{name}.sse").read_bytes()
    case = CASES[name]
    for edges in ([0, len(recording)], list(range(len(recording) + 1))):
        assert_is(replayed(recording, edges, begins_in_thought=case.begins_in_thought), case)


@given(name=st.sampled_from(sorted(CASES)), cuts=st.lists(st.integers(0, 2_000), max_size=12))
@settings(deadline=None)
def test_a_recording_may_be_cut_anywhere(name: str, cuts: list[int]) -> None:
    """What comes of a reply does not depend on how the network cuts it."""
    recording = (RECORDINGS / f"{name}.sse").read_bytes()
    edges = [0, *sorted(min(cut, len(recording)) for cut in cuts), len(recording)]
    assert_is(replayed(recording, edges, begins_in_thought=CASES[name].begins_in_thought), CASES[name])


def test_every_recording_is_read_and_documented() -> None:
    """None lies there unused, and the page has each with its source, and no other."""
    assert {path.stem for path in RECORDINGS.iterdir()} == set(CASES)
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {name for row in rows if len(row) == 5 for name in re.findall(r"`(\w+)`", row[3])}
    assert named == set(CASES)
