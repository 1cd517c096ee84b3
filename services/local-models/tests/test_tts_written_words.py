"""From what was read out to what was written."""

from hypothesis import given
from hypothesis import strategies as st
from local_models.engines.synthesis import SpokenWord, share_out
from local_models.engines.written_words import time_written_words


def spoken(text: str) -> list[SpokenWord]:
    """Each word takes 100 ms."""
    return [SpokenWord(word, index * 100, index * 100 + 100) for index, word in enumerate(text.split())]


def times(written: str, read: str) -> list[tuple[str, int, int]]:
    return [(w.text, w.start_ms, w.end_ms) for w in time_written_words(written.split(), spoken(read))]


def test_equal_words_keep_their_times() -> None:
    """Nothing is guessed where nothing was normalised."""
    assert times("a b", "a b") == [("a", 0, 100), ("b", 100, 200)]


def test_an_expanded_word_takes_the_time_of_all_that_was_said_for_it() -> None:
    """The engine says three words for "7:30", which is one to the caller."""
    assert times("at 7:30 sharp", "at seven thirty o'clock sharp") == [
        ("at", 0, 100), ("7:30", 100, 400), ("sharp", 400, 500)
    ]  # fmt: skip


def test_words_read_as_one_share_its_time() -> None:
    """The time is shared by letters, and no word is lost."""
    assert times("x 5 km y", "x five-kilometers y") == [
        ("x", 0, 100),
        ("5", 100, 133),
        ("km", 133, 200),
        ("y", 200, 300),
    ]


def test_words_that_are_not_read_have_no_length() -> None:
    """A lone dash is written but not spoken; it must not shift the words after it."""
    assert times("a - b", "a b") == [("a", 0, 100), ("-", 100, 100), ("b", 100, 200)]


def test_words_that_nobody_wrote_belong_to_the_word_before() -> None:
    """The caller only knows written words, and somebody is talking during that time."""
    assert times("a b", "a extra b") == [("a", 0, 200), ("b", 200, 300)]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd", "7"]), max_size=8)


@given(written=WORDS, read=WORDS)
def test_every_written_word_is_there_once_and_time_never_goes_back(written: list[str], read: list[str]) -> None:
    """Whatever an engine's normalisation does, the answer is the caller's words in order."""
    timed = time_written_words(written, spoken(" ".join(read)))
    assert [word.text for word in timed] == written
    edges = [edge for word in timed for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)


def test_sharing_out_fills_the_span() -> None:
    """The first word begins and the last one ends where the speech does."""
    shared = share_out(["one", "three"], 100, 900)
    assert [(word.start_ms, word.end_ms) for word in shared] == [(100, 400), (400, 900)]
