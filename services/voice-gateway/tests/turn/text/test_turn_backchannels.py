"""What acknowledges, beyond the tables of `test_turn_contest.py`: words in a row, long texts, other languages."""

from collections.abc import Iterator

import pytest
from voice_gateway.turn.text import backchannels
from voice_gateway.turn.text.backchannel_words import LISTS
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.stop_words import is_stop


@pytest.fixture(autouse=True)
def _lists_are_made_anew() -> Iterator[None]:
    """Without what earlier tests have left: a list is made once in a process."""
    made = vars(backchannels)["_list_of"]
    made.cache_clear()
    yield
    made.cache_clear()


@pytest.mark.parametrize(
    ("text", "language_code"),
    [
        ("\u55ef\u597d\u7684", "zh"),
        ("\u597d\u7684\u55ef", "zh"),
        ("\u55ef\u597d\u7684\u55ef", "zh-CN"),
        ("\u306f\u3044\u306a\u308b\u307b\u3069", "ja"),
        ("\ub124\uc54c\uaca0\uc2b5\ub2c8\ub2e4", "ko"),
    ],
)
def test_words_without_spaces_acknowledge_in_a_row(text: str, language_code: str) -> None:
    """Recognisers of Chinese, Japanese and Korean write "mm, okay" as one word; it takes no floor."""
    assert is_backchannel(text, language_code)


@pytest.mark.parametrize(
    ("text", "language_code"),
    [
        ("\u55ef\u6211\u60f3", "zh"),
        ("Hammer.", "en"),
        ("Surely right and.", "en"),
        ("Mama!", "de"),
        ("You.", "fr"),
    ],
)
def test_what_only_looks_like_an_acknowledgement_is_meant(text: str, language_code: str) -> None:
    """A word made of the letters of several sounds is a word, and "Mama" is a noise to recognisers of English only."""
    assert not is_backchannel(text, language_code)


@pytest.mark.parametrize("text", ["Mama.", "and", "You", "I", "the"])
def test_a_hum_is_heard_as_a_word(text: str) -> None:
    """What a recogniser of English makes of a cough does not stop the agent."""
    assert is_backchannel(text, "en")


def test_a_word_of_two_equal_halves_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed word that sounds twice the same acknowledges, though half of it says nothing."""
    monkeypatch.setitem(LISTS, "qaa", frozenset({"tiptip", "bon"}))
    assert is_backchannel("Tiptip, bon", "qaa")
    assert is_backchannel("bonbon tiptip", "qaa")
    assert not is_backchannel("Tip, bon", "qaa")


def test_nobody_acknowledges_at_length() -> None:
    """40 characters of "yes" acknowledge; more are meant, whatever they are."""
    assert is_backchannel("yes " * 10, "en")
    assert not is_backchannel("yes " * 10 + ".", "en")


@pytest.mark.parametrize("language_code", ["en", "sw-KE", "multi", ""])
def test_what_holds_no_word_says_nothing_in_any_language(language_code: str) -> None:
    """Marks alone take no floor, with a list for the language or without."""
    assert is_backchannel("...", language_code)
    assert is_backchannel("", language_code)


def test_how_long_a_stop_word_may_be_said() -> None:
    """400 characters of "stop" stop the agent by themselves; with more, the text is judged as other words are."""
    assert is_stop("stop " * 80)
    assert not is_stop("stop " * 80 + "!")
