"""Which words of a transcript are the agent's own voice."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.text.echo import beyond_echo

HEARD: dict[str, Any] = json.loads(Path(__file__).with_name("echo_heard.json").read_text(encoding="utf-8"))
"""What Moonshine made of the agent's voice at -12 dB, cut anywhere; `bench/record_echo.py` made it."""
MOST_MISSED_SHARE = 0.17
"""Of pieces of 0.4 to 6 s. Most of what is missed is too short to interrupt anybody."""
MOST_TELLING_SHARE = 0.125
"""Of pieces of which three words or more are taken for the user's."""
MOST_TAKEN = 3
"""Of 1,200: the user says "Stop." just when the agent says "stop"."""

PARIS = "The capital of France is Paris."
RAIN = "It will be cloudy in the north with light rain during the afternoon, and dry after that."
"""Read into its own microphone, and interrupted by "Stop. What is twelve times seven?" (2026-11-30, Moonshine)."""


def spoken_before(sample: dict[str, Any]) -> str:
    """The sentences that had begun when the sample ended."""
    return " ".join(HEARD["paragraphs"][sample["paragraph"]][: sample["sentences"]])


@pytest.mark.parametrize(
    ("text", "spoken", "left"),
    [
        ("the capital of france is wait stop", PARIS, "wait stop"),
        ("Wait! The capital of France is Paris.", PARIS, "Wait!"),
        ("The capital of France is Paris.", PARIS, ""),
        ("capital off Frence is Pari", PARIS, ""),
        ("the capitalof france is par is", PARIS, ""),
        ("And Germany has Berlin, hasn't it?", PARIS, "And Germany has Berlin, hasn't it?"),
        ("Which capital is bigger than that of France?", PARIS, "Which capital is bigger than that of France?"),
        ("Paris", PARIS, ""),
        ("Parris.", PARIS, ""),
        ("Paris", f"{PARIS} It lies on the river Seine, in the north.", "Paris"),
        ("is", "", "is"),
        ("", PARIS, ""),
        ("...", PARIS, "..."),
        ("It was built in 1889", "It was built in eighteen eighty nine.", ""),
        ("about 2,000,000 people live there", "and about two million people live there", ""),
        ("about two million people live there", "and about 2,000,000 people live there", ""),
        ("you look into the ice cream shop now", "if you look into the icecream shop now", ""),
        ("Take the second one.", "The second one is cheaper.", "Take the second one."),
        ("And then you get 800 and what was that", "And then you get eight hundred and five", "what was that"),
        ("12345 7", "12346 9", "12345 7"),
        ("The capital stop France is Paris, right", PARIS, "stop France is Paris, right"),
        ("The capital of. Please the Francs is Paris.", PARIS, "Please the Francs is Paris."),
        ("The capital off the Francs is Paris.", PARIS, ""),
        ("okay i have booked a table", "OK, I have booked a table for two.", ""),
        ("you should no that the pod runs in a cluster", "You should know that the pod runs in the cluster.", ""),
        ("I no that the train leaves at noon", "I know that the train leaves at noon.", ""),
        ("The wait of the parcel is about two kilos", "The weight of the parcel is about two kilos.", ""),
        ("rain, stop the aisle", RAIN, "rain, stop the aisle"),
        ("It will be cloudy in the north with light, rain, stop the aisle", RAIN, "stop the aisle"),
        (
            "It will be cloudy in the north with light rain. Stop the after. What is twelve times seven? So?",
            RAIN,
            "Stop the after. What is twelve times seven? So?",
        ),
    ],
)
def test_words_beyond_echo(text: str, spoken: str, left: str) -> None:
    """Misheard, cut, joined and counted words are the agent's; other words, or too few of them, are the user's."""
    assert beyond_echo(text, spoken) == left


def test_echo_is_found_at_the_end_of_a_long_reply() -> None:
    """What was said long ago is not looked at, and what was said last is found."""
    assert beyond_echo("The capital of France is Paris.", f"{'long ' * 2_000}{PARIS}") == ""
    assert (
        beyond_echo("The capital of France is Paris.", f"{PARIS} {'long ' * 2_000}")
        == "The capital of France is Paris."
    )
    assert beyond_echo(f"{'other ' * 1_000}words", PARIS) == f"{'other ' * 1_000}words"


def test_a_word_that_is_said_again_and_again_is_echo_still() -> None:
    """So many places of a word are looked at, and those suffice to know a reply that repeats itself."""
    assert beyond_echo("no " * 100, "no " * 400) == ""


def test_recorded_echo_is_known_as_such() -> None:
    """Pieces of the agent's voice, as a recogniser really hears them, are seldom taken for the user."""
    left = [beyond_echo(sample["heard"], spoken_before(sample)) for sample in HEARD["echoes"]]
    missed = [text for text in left if text]
    telling = [text for text in missed if len(text.split()) > 2]
    assert len(missed) <= MOST_MISSED_SHARE * len(left)
    assert len(telling) <= MOST_TELLING_SHARE * len(left)


def test_recorded_users_are_not_echo() -> None:
    """What users say is kept, whatever the agent has just said."""
    taken = [
        user["heard"]
        for user in HEARD["users"]
        for sentences in HEARD["paragraphs"]
        for count in (1, 2, len(sentences))
        if not beyond_echo(user["heard"], " ".join(sentences[:count]))
    ]
    assert len(taken) <= MOST_TAKEN


def test_recorded_users_are_heard_after_echo() -> None:
    """A transcript that begins as echo and ends as the user is never dropped whole."""
    assert all(beyond_echo(sample["heard"], spoken_before(sample)) for sample in HEARD["mixed"])


def test_only_the_last_words_spoken_count() -> None:
    """What was said minutes ago comes back as the user's words: that bounds the cost."""
    long_ago = f"{PARIS} " + "Then came other things. " * 200
    assert beyond_echo(PARIS, long_ago) == PARIS
    assert beyond_echo(f"{'And so on it went. ' * 100}Hello there", "And so on it went. " * 100) == "Hello there"


WORDS = st.lists(
    st.sampled_from([*PARIS.lower().strip(".").split(), "wait", "no", "what", "42", "capitol"]), max_size=20
)


@given(WORDS, WORDS)
def test_what_is_left_was_said(heard: list[str], spoken: list[str]) -> None:
    """Nothing is made up: what comes back are words of the transcript, in their order."""
    left = beyond_echo(" ".join(heard), " ".join(spoken)).split()
    rest = iter(heard)
    assert all(word in rest for word in left)


@given(WORDS, st.text())
def test_silence_has_no_echo(heard: list[str], other: str) -> None:
    """Without the agent's words every word is the user's, and any text at all may be either side."""
    text = " ".join(heard)
    assert beyond_echo(text, "") == text
    assert beyond_echo(other, "") == other
    assert len(beyond_echo(other, text)) <= len(other)


@given(WORDS.filter(lambda words: len(words) > 4))
def test_the_same_words_are_echo(words: list[str]) -> None:
    """What was spoken just now and comes back word for word is echo."""
    assert beyond_echo(" ".join(words), " ".join(words)) == ""
