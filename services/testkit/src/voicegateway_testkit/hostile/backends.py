"""Backends whose answers are the harm, for those who ask for it; to everybody else they are as any fake."""

from collections.abc import Callable
from typing import Final

from voicegateway_testkit.fakes.asr import FakeAsr
from voicegateway_testkit.fakes.grpc_fake import ConfigRow
from voicegateway_testkit.fakes.llm import FakeLlm, LlmTiming
from voicegateway_testkit.fakes.llm_codec import JsonObject, Reply
from voicegateway_testkit.fakes.script import Utterance
from voicegateway_testkit.fakes.tts import FakeTts, TtsTiming
from voicegateway_testkit.faults import Flood

FLOODED_LANGUAGE: Final = "de-DE"
"""Who speaks it gets interims without end."""
LANGUAGE_OF_FINALS: Final = "fr-FR"
"""Who speaks it gets finals without end, each a turn."""
LANGUAGES: Final = ("en-US", FLOODED_LANGUAGE, LANGUAGE_OF_FINALS)
_MARK: Final = "\u0301"
"""A combining accent."""
HARMS: Final[dict[str, Callable[[], Reply]]] = {
    "newlines": lambda: Reply("Well" + "\n" * 20_000 + "then."),
    "brackets": lambda: Reply("[" * 20_000 + "(" * 20_000 + "<" * 20_000 + "end."),
    "dots": lambda: Reply("." * 60_000 + "a." * 20_000 + "end."),
    "marks": lambda: Reply("e" + _MARK * 40_000 + " end."),
    "one sentence": lambda: Reply("word " * 40_000, tokens_a_write=200),
    "many sentences": lambda: Reply("Yes. " * 20_000, tokens_a_write=200),
    "tokens": lambda: Reply("a" + " b" * 60_000, tokens_a_write=100),
    "long": lambda: Reply("This is a long answer that goes on and on. " * 60),
}
"""What is answered to whom asks for it by name."""
ANSWER: Final = "It is twelve o'clock now. The sun is high."


def answer(messages: list[JsonObject]) -> Reply | str:
    """Gives the harm that the last message asks for, else a plain answer."""
    harm = HARMS.get(str(messages[-1].get("content")))
    return harm() if harm is not None else ANSWER


def recogniser(words: str) -> FakeAsr:
    """Makes a recogniser of all languages; every utterance says `words`, those of the flooded languages no end."""
    rows = [
        ConfigRow(f"fake-asr-{code}", {"type": "online", "language_code": code, "sample_rate": "16000"})
        for code in LANGUAGES
    ]
    asr = FakeAsr([Utterance(words)], repeats=True, keeps_audio=False, rows=rows)
    asr.language_faults[FLOODED_LANGUAGE] = Flood(results_per_s=2_000, chars=2_000)
    asr.language_faults[LANGUAGE_OF_FINALS] = Flood(results_per_s=1_000, chars=40, is_final=True)
    return asr


def synthesizer(timing: TtsTiming = TtsTiming()) -> FakeTts:  # noqa: B008  a frozen value
    """Makes a synthesizer of all languages."""
    return FakeTts(
        timing=timing,
        rows=[
            ConfigRow(f"fake-tts-{code}", {"language_code": code, "voice_name": "Fake", "subvoices": "Aria:0"})
            for code in LANGUAGES
        ],
    )


def model(timing: LlmTiming = LlmTiming()) -> FakeLlm:  # noqa: B008  a frozen value
    """Makes a language model that does harm to whom asks for it."""
    return FakeLlm(answer, timing=timing)
