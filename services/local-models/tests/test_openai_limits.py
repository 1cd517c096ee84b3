"""Cutting replies at stop sequences and splitting them into tokens."""

from hypothesis import given
from hypothesis import strategies as st
from local_models.openai_http.limits import StopCutter, split_tokens


def test_a_stop_sequence_across_pieces_is_never_sent() -> None:
    """The client gets the text before the stop sequence and nothing of the sequence itself."""
    cutter = StopCutter(("END",))
    assert [cutter.feed(part) for part in ("one E", "N", "D two")] == ["one ", "", ""]
    assert cutter.is_stopped
    assert cutter.feed("three") == ""
    assert cutter.flush() == ""


def test_text_held_for_a_stop_that_did_not_come_is_given_at_the_end() -> None:
    """Nothing of a reply is lost because it ended like a stop sequence begins."""
    cutter = StopCutter(("END",))
    assert cutter.feed("the EN") == "the "
    assert cutter.flush() == "EN"


@given(st.text(alphabet="ab "), st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=4), st.data())
def test_any_splitting_gives_the_same_as_cutting_the_whole(text: str, stops: list[str], data: st.DataObject) -> None:
    """How a model's output is cut into pieces changes nothing in what the client reads."""
    cutter = StopCutter(tuple(stops))
    given_out, rest = "", text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        given_out += cutter.feed(rest[:size])
        rest = rest[size:]
    given_out += cutter.flush()
    places = [(place + len(stop), place) for stop in stops if (place := text.find(stop)) >= 0]
    first_complete = min(places)[0] if places else None
    expected = text if first_complete is None else text[: min(p for end, p in places if end == first_complete)]
    assert given_out == expected


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    """Streaming word by word loses and adds nothing."""
    assert "".join(split_tokens(text)) == text


def test_a_token_is_a_word_with_the_space_before_it() -> None:
    """As language models give them, so that a voice gateway meets the usual shape."""
    assert list(split_tokens("One two.  Three")) == ["One", " two.", "  Three"]
