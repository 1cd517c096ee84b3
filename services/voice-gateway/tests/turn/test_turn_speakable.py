"""What is read aloud."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.text.speakable import Speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Plain text, unchanged.", "Plain text, unchanged."),
        ("**Bold** and *italic* and __both__ and ~~gone~~.", "Bold and italic and both and gone."),
        ("Run `kubectl get pods` now.", "Run kubectl get pods now."),
        ("## A heading\n", "A heading"),
        ("- an item\n", "an item"),
        ("1. first\n", "1. first"),
        ("> quoted", "quoted"),
        ("See [the docs](https://example.org/a?b=c) there.", "See the docs there."),
        ("See https://example.org/x, or www.example.org.", "See, or."),
        ("An ![alt text](image.png) here.", "An alt text here."),
        ("Nice \U0001f600 work \U0001f44d\U0001f3fd!", "Nice work!"),
        ("It is 20\u00b0C.", "It is 20\u00b0C."),
        ("| a | b |\n", "a, b"),
        ("|---|---|\n", ""),
        ("---\n", ""),
        ("Line<br/>break", "Linebreak"),
        ("snake_case_name and 2 * 3 < 4", "snake_case_name and 2 * 3 < 4"),
        ("2*3 is 6, 2**8 is 256, **5** cost **$3**.", "2*3 is 6, 2**8 is 256, 5 cost $3."),
        ("**\u91cd\u8981**\u7684", "\u91cd\u8981\u7684"),
        ("\U0001f389\U0001f389", ""),
        ("...", ""),
        ("It (https://a.b/c) works. \u2764\ufe0f", "It works."),
    ],
)
def test_spoken_form(written: str, spoken: str) -> None:
    """Markdown marks, addresses and emoji are not read out; words, numbers and signs are."""
    assert Speakable().of(written) == spoken


def test_code_blocks_are_not_read_across_sentences() -> None:
    """A code block that begins in one sentence and ends in another is silent, and speech goes on after it."""
    speakable = Speakable()
    assert speakable.of("Do this:\n") == "Do this:"
    assert speakable.of("```sh\n") == ""
    assert speakable.of("rm -rf build\n") == ""
    assert speakable.of("``` Done.") == "Done."


def test_a_long_row_of_dashes_is_no_work() -> None:
    """What is nearly a rule is decided in time that grows with its length, on the loop of every session."""
    began_s = time.process_time()
    assert Speakable().of("-" * 4_000 + "x").endswith("x")
    assert time.process_time() - began_s < 0.5, "400 took 74 ms when the pattern could match in three ways"


@given(st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    """Nothing that a model may write raises, and what is spoken has something to say or is empty."""
    spoken = Speakable().of(text)
    assert spoken == "" or any(char.isalnum() for char in spoken)
