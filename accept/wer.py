"""Word error rates of what was said against what was meant, both normalised: case, punctuation, numbers as words."""

import re

import jiwer
from num2words import num2words

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})\b")
_NOT_WORD = re.compile(r"[^a-z' ]+")


def normalise(text: str) -> str:
    """Small letters, no punctuation, numbers as English words."""
    text = _CLOCK.sub(r"\1 \2", text.replace("\u2019", "'"))
    text = _NUMBER.sub(lambda match: f" {num2words(match.group())} ", text).lower()
    return " ".join(_NOT_WORD.sub(" ", text).split())


def rate(meant: list[str], said: list[str]) -> float:
    """Word error rate over all pairs, 0.0 to 1.0 and above."""
    return float(jiwer.wer([normalise(text) for text in meant], [normalise(text) for text in said]))
