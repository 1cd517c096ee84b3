"""The folder of Markdown facts and the search over it (BM25, by the bm25s library).

A file holds facts as `## Title`, an optional line `Also: other words that ask for it`, and one short paragraph to
speak. The title and the other words are searched together with the paragraph; only the paragraph is spoken.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s  # type: ignore[import-untyped]  # the package ships no type information
import snowballstemmer  # type: ignore[import-untyped]  # the package ships no type information

from local_models.responder.words import plain

FACTS_DIR = Path(__file__).with_name("facts")

MIN_SCORE = 0.8
"""BM25 score below which nothing is known. Measured 2026-11-21 on the questions in test_responder_facts.py."""
MIN_COVERAGE = 0.6
"""Share of the question's own words that the fact's title or other words must hold. Without it "the capital of Peru"
finds Paris; higher, and one misheard word loses the answer. Measured on the same questions."""

# Words by which people ask; they say nothing about what is asked. bm25s brings the articles and prepositions.
_ASKING = """
about actually again all also am any anything bit briefly can could describe did do does doing don't explain
for from give go had has have hear heard hello hey hi how i i'd i'll i'm i've is it it's its just know learn let
like little lot many may me mean means meaning might much my need now of ok okay please question quick really
remember right said say short should so some something sorry speak talk tell thank thanks thing things think too
understand up us use used uses very want was we well what what's whats when where which while who who's whose why
would yes you your"""
_STOP_WORDS = frozenset(bm25s.stopwords.STOPWORDS_EN) | frozenset(_ASKING.split())
_stemmer = snowballstemmer.stemmer("english")


class FactsError(Exception):
    """A facts folder or file that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Fact:
    title: str
    also: str
    answer: str


def content_stems(text: str) -> list[str]:
    """Give the stems of the words that carry meaning, in order."""
    words = [word.replace("'s", "") for word in plain(text).split()]
    return [str(stem) for stem in _stemmer.stemWords([word for word in words if word not in _STOP_WORDS])]


def read_facts(folder: Path) -> tuple[Fact, ...]:
    """Read every `*.md` of a folder, in name order.

    Raises:
        FactsError: there is no fact, or a fact has no answer.
    """
    facts = tuple(fact for path in sorted(folder.glob("*.md")) for fact in _parse(path))
    if not facts:
        raise FactsError(f"no facts in {folder}: expected *.md files with '## Title' sections")
    return facts


def _parse(path: Path) -> list[Fact]:
    facts = []
    for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, *lines = section.strip().splitlines()
        also = " ".join(line.removeprefix("Also:").strip() for line in lines if line.startswith("Also:"))
        answer = " ".join(line.strip() for line in lines if line.strip() and not line.startswith("Also:"))
        if not answer:
            raise FactsError(f"{path.name}: the fact {title!r} has no answer")
        facts.append(Fact(title, also, answer))
    return facts


class FactIndex:
    """Find the fact that answers a question, or say that no fact does."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = tuple(facts)
        # The title is counted three times: a word that names a fact says more than one in passing.
        stems = [content_stems(f"{fact.title} " * 3 + f"{fact.also} {fact.answer}") for fact in facts]
        self._keys = [frozenset(content_stems(f"{fact.title} {fact.also}")) for fact in facts]
        self._bm25 = bm25s.BM25()
        self._bm25.index(stems, show_progress=False)

    def __len__(self) -> int:
        return len(self._facts)

    def find(self, question: str, context: str = "") -> Fact | None:
        """Give the best fact that covers a question, or None when nothing is near enough.

        `context` is earlier text that a follow-up ("who wrote it") leans on: it helps to rank, not to pass.
        """
        asked = content_stems(question)
        if not asked:
            return None
        # The question counts twice: what it says itself outweighs what was said before.
        stems = asked + asked + content_stems(context) if context else asked
        ranked = self._bm25.retrieve([stems], k=len(self._facts), show_progress=False)
        own = frozenset(asked)
        for number, score in zip(ranked.documents[0], ranked.scores[0], strict=True):
            if score >= MIN_SCORE and len(own & self._keys[number]) >= MIN_COVERAGE * len(own):
                return self._facts[int(number)]
        return None
