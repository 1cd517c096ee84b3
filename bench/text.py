"""What each text function costs for adversarial input, and whether that grows with its length only. For `make bench`.

Inputs are repetitions of fragments: a fixed list of those that have made text functions quadratic, and what Hypothesis
finds when it aims at slow ones. Each function is measured as the gateway calls it: in the pieces, and up to the bounds,
that it sees there. A target is missed when one step, which holds up every session, takes over five loops, or when four
times the input takes more than five times as long.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st
from voice_gateway.backends.openai_chat.failures import ChatStreamError
from voice_gateway.backends.openai_chat.thoughts import ThoughtFilter
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.session.excess import PIECE_CHARS
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import KEPT_BYTES, History
from voice_gateway.turn.projection import MESSAGE_TOKENS, messages
from voice_gateway.turn.reply.ledger import SpokenSentence, heard_text, last_heard, spoken_text
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.echo import beyond_echo
from voice_gateway.turn.text.heard import LONGEST_CHARS as HEARD_CHARS
from voice_gateway.turn.text.heard import bounded, count_words
from voice_gateway.turn.text.normalised import difference, same_words
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import Speakable
from voice_gateway.turn.text.stop_words import is_stop
from voice_gateway.turn.text.unfinished import reads_unfinished

from bench.loop import loop_ms
from bench.process import Bench
from bench.report import Comparison, Line, loops

CHARS: Final = 65_536
"""The largest input, cut to what the gateway lets through."""
MAX_STEP_LOOPS: Final = 5.0
"""5 ms where a loop takes 1 ms: docs/adr/0034-five-milliseconds-are-a-step.md."""
MAX_RATIO: Final = 5.0
"""The time for four times the input, as a multiple: 4 is linear, and one more is for the noise of a busy machine."""
LEAST_MS: Final = 1.0
"""Shorter times tell nothing about growth."""
EXAMPLES: Final = 40
REPEATS: Final = 3
RATE_HZ: Final = 24_000
FRAGMENTS: Final = (
    *("\n", " ", "a", "a ", "1", "1 ", ".", ". ", "a. ", "A.", "etc. ", "Hello.World", "\u3002", "\uff0c", "?!", "..."),
    *(
        "[",
        "](",
        "[a](",
        "[[a]",
        "[a",
        "(",
        "((",
        "![",
        "<",
        "<a ",
        "<a b=",
        "<!--",
        "&",
        "&#",
        "```",
        "~",
        "`",
        "|",
        "| ",
    ),
    *(
        "*",
        "**a",
        "* ",
        "_",
        "-",
        "- ",
        "--\n",
        "|-",
        "> ",
        "#",
        "# ",
        "\n-",
        "\n ",
        "http://",
        "www.",
        "a@",
        "[1]",
        " [1]",
    ),
    *(
        "\u0301",
        "a\u0301\u0316",
        "\ufdfa",
        "\u200d",
        "\u2764",
        "\u338f",
        "\U0001f600",
        "\u4f60",
        "\u0e01",
        "\u0915\u093f",
    ),
    *(
        "<think",
        "<think a=",
        "<think>",
        "</think>",
        "a <think> ",
        "<|a|>",
        "<|im_start|>x\n",
        '<tool_call>{"',
        "1. ",
        "A. ",
    ),
    *("$1", "$1 ", "1,000", "1/", "one ", "hundred ", "a hundred and ", "oh one ", "double ", "stop ", "no ", "to "),
    *("what is ", "i'm ", "x'", "is the of ", "dollar and 1 ", "word word ", "abcd abce "),
)


@dataclass(frozen=True, slots=True)
class Function:
    """A text function as the gateway calls it."""

    name: str
    steps: Callable[[str], Sequence[Callable[[], object]]]
    """Its steps for a text: each runs without a pause, and between two of them other sessions have their turn."""
    bound: str
    """What bounds its input."""
    chars: int = CHARS
    """The most that it is given: what its bound lets through, so that n, 2n and 4n differ."""


def _split(text: str, piece_chars: int) -> list[Callable[[], object]]:
    splitter = SentenceSplitter()
    pieces = [text[at : at + piece_chars] for at in range(0, len(text), piece_chars)]
    return [*(partial(splitter.feed, piece) for piece in pieces), splitter.finish]


def _write(text: str) -> list[Callable[[], object]]:
    """What a reply does with the model's text: each piece becomes sentences, and each of these is read aloud."""
    splitter, speakable = SentenceSplitter(), Speakable()
    pieces = [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]

    def take(piece: str) -> None:
        for sentence in splitter.feed(piece):
            speakable.of(sentence)

    return [partial(take, piece) for piece in pieces]


def _thoughts(text: str) -> list[Callable[[], object]]:
    thoughts = ThoughtFilter()

    def filter_event() -> None:
        with suppress(ChatStreamError):
            thoughts.feed(text)

    return [filter_event]


def _sentences(text: str) -> list[str]:
    splitter = SentenceSplitter()
    return [*splitter.feed(text), *splitter.finish()]


def _read_aloud(text: str) -> list[Callable[[], object]]:
    speakable = Speakable()
    return [partial(speakable.of, sentence) for sentence in _sentences(text)]


def _reply(text: str) -> list[SpokenSentence]:
    speakable, told = Speakable(), []
    for sentence in _sentences(text):
        spoken = speakable.of(sentence)
        told.append(SpokenSentence(sentence, spoken.text, 100 * len(spoken.text), (), spoken.word_ends))
    return told


def _heard(text: str) -> list[Callable[[], object]]:
    told = _reply(text[:16_384])
    until = sum(sentence.samples or 0 for sentence in told)
    return [partial(function, told, until, RATE_HZ) for function in (heard_text, last_heard, spoken_text)]


def _remember(text: str) -> list[Callable[[], object]]:
    """A conversation of short turns, as many as the history keeps, that a long turn displaces."""
    history = History(Orders())
    for at in range(0, KEPT_BYTES, MESSAGE_TOKENS):
        history.said(TurnId(1), text[at % len(text) :][:MESSAGE_TOKENS])
        history.heard(ReplyId(1), "Yes.", "Yes.", is_interrupted=False)
    turn = text[:4_000]
    return [lambda: messages("", history.items_with(TurnId(1), turn), (), 10**9), lambda: history.said(TurnId(1), turn)]


PIECE_BOUND: Final = "pieces of 128 characters, session/calls.py"
HEARD_BOUND: Final = "16,000 characters, text/heard.py"
WORDS_BOUND: Final = "2,400 characters, text/normalised.py"
WORDS_CHARS: Final = 2_300
"""Some are left for the word that makes the two texts differ."""
FUNCTIONS: Final = (
    Function(
        "sentences, in pieces of 1",
        lambda text: _split(text[: len(text) // 8], 1),
        "8 kB; a piece costs itself and 400",
    ),
    Function("sentences, in long pieces", lambda text: _split(text, PIECE_CHARS), PIECE_BOUND),
    Function("thoughts", _thoughts, "64 kB in one event, and 300 marks"),
    Function("sentences and speakable", _write, PIECE_BOUND),
    Function("speakable", _read_aloud, "sentences of 441, text/sentences.py"),
    Function("heard and spoken text", _heard, "the reply's text"),
    Function("echo, of the same words", lambda text: [lambda: beyond_echo(bounded(text), text)], HEARD_BOUND),
    Function("echo, of others", lambda text: [lambda: beyond_echo(bounded(text), text[::-1])], HEARD_BOUND),
    Function(
        "same words", lambda text: [lambda: same_words(bounded(text), bounded(text)[:-1])], HEARD_BOUND, HEARD_CHARS
    ),
    Function("same words, the longest", lambda text: [lambda: same_words(text, f"x {text}")], WORDS_BOUND, WORDS_CHARS),
    Function("difference, the longest", lambda text: [lambda: difference(text, f"x {text}")], WORDS_BOUND, WORDS_CHARS),
    Function("unfinished", lambda text: [lambda: reads_unfinished(bounded(text))], HEARD_BOUND, HEARD_CHARS),
    Function("stop words", lambda text: [lambda: is_stop(bounded(text))], HEARD_BOUND, HEARD_CHARS),
    Function("backchannels", lambda text: [lambda: is_backchannel(bounded(text), "en-US")], HEARD_BOUND, HEARD_CHARS),
    Function("words", lambda text: [lambda: count_words(bounded(text))], HEARD_BOUND, HEARD_CHARS),
    Function("history", _remember, "256 KiB, history.py"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one function with one fragment."""

    fragment: str
    step_ms: float
    """The longest step for the largest input."""
    all_ms: tuple[float, float, float]
    """All steps for a quarter, half and all of it."""

    @property
    def ratio(self) -> float:
        """Time for all of it by that for a quarter, if that can be told."""
        return self.all_ms[2] / self.all_ms[0] if self.all_ms[2] >= LEAST_MS else 0.0


def _times_ms(function: Function, text: str) -> list[float]:
    found = []
    for step in function.steps(text):
        began_s = time.thread_time()
        step()
        found.append((time.thread_time() - began_s) * 1_000)
    return found


def cost(function: Function, fragment: str) -> Cost:
    """Measure, the best of some runs: what disturbs can only make it longer."""
    step_ms, all_ms = float("inf"), []
    for chars in (function.chars // 4, function.chars // 2, function.chars):
        text = (fragment * (chars // len(fragment) + 1))[:chars]
        runs = [_times_ms(function, text) for _ in range(REPEATS)]
        all_ms.append(min(map(sum, runs)))
        step_ms = max((min(each) for each in zip(*runs, strict=True)), default=0.0)
    return Cost(fragment, step_ms, (all_ms[0], all_ms[1], all_ms[2]))


def search(function: Function) -> list[str]:
    """Fragments that Hypothesis finds to be slow: it is told the time of each and aims at more."""
    met: dict[str, float] = {}
    alphabet = st.sampled_from(sorted({char for fragment in FRAGMENTS for char in fragment}))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.text(alphabet, min_size=1, max_size=8))
    def aim(fragment: str) -> None:
        text = (fragment * (CHARS // 16))[: CHARS // 16]
        met[fragment] = min(sum(_times_ms(function, text)) for _ in range(2))
        target(met[fragment])

    aim()
    return sorted(met, key=lambda fragment: -met[fragment])[:3]


def worst(function: Function) -> tuple[Cost, Cost]:
    """The fragment with the longest step, and the one whose time grows most."""
    quick = {fragment: sum(_times_ms(function, (fragment * CHARS)[: CHARS // 8])) for fragment in FRAGMENTS}
    slowest = sorted(quick, key=lambda fragment: -quick[fragment])[:8]
    costs = [cost(function, fragment) for fragment in [*slowest, *search(function)]]
    return max(costs, key=lambda each: each.step_ms), max(costs, key=lambda each: each.ratio)


async def measure_text(bench: Bench) -> tuple[list[str], list[Line]]:
    """Measure every function."""
    told = [
        "| function | bound | slowest input | n, 2n, 4n ms | 4n / n | longest step ms |",
        "|---|---|---|---|---|---|",
    ]
    lines: list[Line] = []
    loop = loops(loop_ms(min(os.sched_getaffinity(0))))
    for function in FUNCTIONS:
        bench.say(f"text: {function.name}")
        slow, steep = worst(function)
        times = ", ".join(f"{ms:.2f}" for ms in steep.all_ms)
        told.append(
            f"| {function.name} | {function.bound} | {slow.fragment!a}, {steep.fragment!a} | {times} "
            f"| {steep.ratio:.1f} | {slow.step_ms:.2f} |"
        )
        step, growth = f"{function.name}: longest step", f"{function.name}: time of 4n by that of n"
        lines.append(Line(step, slow.step_ms, "ms", MAX_STEP_LOOPS, ruler=loop, comparison=Comparison.NONE))
        lines.append(Line(growth, steep.ratio, "times", MAX_RATIO, comparison=Comparison.NONE))
    return told, lines
