"""Finding facts: what is known is found however it was heard, and what is not known is not."""

from pathlib import Path

import pytest
from local_models.responder.facts import FACTS_DIR, FactIndex, FactsError, read_facts

# The questions on which MIN_SCORE and MIN_COVERAGE were measured; the second column is in the title of the fact.
KNOWN = [
    ("It was the best of times. It was the worst of times.", "best of times"),
    ("it was the best of times it was the worst of times", "best of times"),
    ("It was the age of wisdom, it was the age of foolishness.", "best of times"),
    ("It was the season of light, it was the season of darkness.", "best of times"),
    ("it was the epoch of belief", "best of times"),
    ("We had everything before us.", "best of times"),
    ("Who wrote a tale of two cities?", "Who wrote A Tale"),
    ("who is the author of a Tale of 2 Cities", "Who wrote A Tale"),
    ("Tell me about two cities.", "Two Cities about"),
    ("Who wrote Hamlet?", "Romeo"),
    ("What is a pod in Kubernetes?", "a pod"),
    ("what are pods", "a pod"),
    ("What is a pot in Kubernetes?", "a pod"),
    ("What is cooper netties?", "What is Kubernetes"),
    ("Hey, what's Kubernetes?", "What is Kubernetes"),
    ("What is a helm chart", "Helm"),
    ("What is Riva?", "Riva"),
    ("what is river", "Riva"),
    ("Tell me about Reeva.", "Riva"),
    ("What is Reva?", "Riva"),
    ("What is cube or needs?", "What is Kubernetes"),
    ("What is Kubernetes?", "What is Kubernetes"),
    ("What is bargain?", "barge in"),
    ("What is a home chart?", "Helm"),
    ("What is text to speech?", "text to speech"),
    ("What is a service in Kubernetes?", "a service"),
    ("How can I interrupt you?", "barge in"),
    ("What is the voice gateway?", "voice gateway"),
    ("what does the gateway do", "voice gateway"),
    ("What is the capital of France?", "France"),
    ("What is the speed of light?", "light"),
    ("How many planets are there?", "planets"),
    ("How many days does a year have?", "year"),
]
UNKNOWN = [
    "What is the capital of Peru?",
    "What is the weather in Paris?",
    "Who won the world cup?",
    "How tall is Mount Everest?",
    "Tell me a joke.",
    "What is the meaning of life?",
    "Why is the sky blue?",
    "Who is the president of the United States?",
    "Can you book a flight to London?",
    "What is machine learning?",
    "What is it?",
]


@pytest.fixture(scope="module")
def index() -> FactIndex:
    return FactIndex(read_facts(FACTS_DIR))


@pytest.mark.parametrize(("question", "title"), KNOWN)
def test_a_known_question_finds_its_fact(index: FactIndex, question: str, title: str) -> None:
    """However it is put, and with the misspellings that recognisers make."""
    fact = index.find(question)
    assert fact is not None
    assert title in fact.title


@pytest.mark.parametrize("question", UNKNOWN)
def test_an_unknown_question_finds_nothing(index: FactIndex, question: str) -> None:
    """A wrong answer said with confidence is worse than none."""
    assert index.find(question) is None


def test_a_follow_up_leans_on_what_was_said(index: FactIndex) -> None:
    """Asking "who wrote it" is about the book just spoken of, not about the best match in the world."""
    alone, in_context = (
        index.find("Who wrote it?"),
        index.find("Who wrote it?", "Those are words of A Tale of Two Cities"),
    )
    assert alone is not None
    assert "Romeo" in alone.title
    assert in_context is not None
    assert "Two Cities" in in_context.title


def test_context_alone_answers_nothing(index: FactIndex) -> None:
    """What was said before helps to choose, but an unknown question stays unknown."""
    assert index.find("Who painted it?", "A Tale of Two Cities by Charles Dickens") is None


def test_every_answer_can_be_spoken() -> None:
    """One to three sentences of plain words: no digits, symbols or abbreviations that a voice stumbles over."""
    for fact in read_facts(FACTS_DIR):
        assert 1 <= sum(fact.answer.count(end) for end in ".!?") <= 3, fact.title
        assert fact.answer.endswith("."), fact.title
        assert not set(fact.answer) & set("0123456789()[]{}*_#&%$@/:;\"'-"), fact.title


def test_a_fact_without_an_answer_is_refused(tmp_path: Path) -> None:
    """The file and the title are named, so that the writer finds it."""
    (tmp_path / "a.md").write_text("# A\n\n## What is this\nAlso: that\n", encoding="utf-8")
    with pytest.raises(FactsError, match=r"a\.md: the fact 'What is this' has no answer"):
        read_facts(tmp_path)


def test_a_folder_without_facts_is_refused(tmp_path: Path) -> None:
    """A responder that knows nothing would be a silent mistake in packaging."""
    with pytest.raises(FactsError, match="no facts"):
        read_facts(tmp_path)
