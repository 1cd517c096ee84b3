"""The page that tells what is read aloud is true, line by line."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from voice_gateway.turn.text.sentences import SentenceSplitter
from voice_gateway.turn.text.speakable import Speakable

PAGE = Path(__file__).parents[5] / "docs" / "reference" / "what-is-read-aloud.md"
FEWEST = 60
"""Cases that the page has at least: one that is not found any more must not pass for one that is true."""


def cases(kind: str) -> Iterator[tuple[str, str]]:
    """The lines of all blocks of this kind: what is written, what becomes of it."""
    for block in re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            written, becomes = line.split(" ⇒ ")
            yield written, becomes


@pytest.mark.parametrize(("written", "spoken"), [*cases("text")])
def test_what_is_read_aloud(written: str, spoken: str) -> None:
    """Every word and number that a person would read is read, in each kind of writing that models use."""
    assert Speakable().of(f"{written}\n").text == spoken.replace("(nothing)", "")


@pytest.mark.parametrize(("written", "sentences"), [*cases("sentences")])
def test_where_a_sentence_ends(written: str, sentences: str) -> None:
    """A sentence ends where its script ends one, with or without the space, and in no number, name or address."""
    splitter = SentenceSplitter()
    assert [each.strip() for each in (*splitter.feed(written), *splitter.finish())] == sentences.split(" ‖ ")


def test_the_page_has_its_cases() -> None:
    """The cases above are found on the page."""
    assert len(list(cases("text"))) >= FEWEST
    assert len(list(cases("sentences"))) >= FEWEST // 3
