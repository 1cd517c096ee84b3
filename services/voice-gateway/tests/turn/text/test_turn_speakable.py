"""What is read aloud, beyond the cases on the page (`test_turn_read_aloud.py`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.reply.wording import spoken_sentences
from voice_gateway.turn.text.marks import is_tag_character
from voice_gateway.turn.text.speakable import Speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Plain text, unchanged.", "Plain text, unchanged."),
        ("One\n\n# Two\n- three\n", "One Two three"),
        ("a | b", "a, b"),
        ("It (<https://a.example>) works. \u2764\ufe0f", "It (a.example) works."),
        ("\U0001f1e9\U0001f1ea flag \U0001f3f4\U000e0067\U000e007f!", "flag!"),
        ("\u200d a\u200d b", "a\u200d b"),
        ("\u261e look \u2f00", "look \u4e00"),
        ("f( ) and [ ]", "f and"),
        ("5 \u0964", "5 \u0964"),
        ("*", ""),
        ("Only 5* ", "Only 5*"),
        ("www.", "www."),
        ("http://user:pw@example.org/", "example.org"),
        ("**One. ", "One."),
        ("two.** Three", "two. Three"),
        ("=====", ""),
        ("</foo> x </b>", "x"),
    ],
)
def test_spoken_form(written: str, spoken: str) -> None:
    """Marks that are cut in two, stand alone, or come in lines are none of the words."""
    assert Speakable().of(written).text == spoken


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("**Bold** and", ["**Bold", "**Bold** and"]),
        (
            "See [the docs](https://a.example/b) now.",
            ["See", "See [the", "See [the docs", "See [the docs](https://a.example/b) now."],
        ),
        ("5\u338e of https://www.example.org/x", ["5\u338e", "5\u338e of", "5\u338e of https://www.example.org/x"]),
        ("A &amp; B", ["A", "A &amp;", "A &amp; B"]),
        ("I\u2764you", ["I", "I\u2764you"]),
        ("|a|b|", ["|a|", "|a|b"]),
        ("say <b>no</b>", ["say", "say <b>no"]),
        ("x ```y``` z", ["x", "x ```y", "x ```y``` z"]),
    ],
)
def test_each_word_knows_where_it_was_written(written: str, heard: list[str]) -> None:
    """What was heard is cut from the model's own text, whatever was changed to read it aloud."""
    spoken = Speakable().of(written)
    assert [written[:end] for end in spoken.word_ends] == heard


def test_code_blocks_are_not_read_across_sentences() -> None:
    """A code block that begins in one sentence and ends in another is silent, and speech goes on after it."""
    speakable = Speakable()
    assert speakable.of("Do this:\n").text == "Do this:"
    assert speakable.of("```sh\n").text == ""
    assert speakable.of("rm -rf build\n").text == ""
    done = speakable.of("``` Done.")
    assert (done.text, done.word_ends) == ("Done.", (9,))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("```python\nx. Y = 2\n```\nDone. OK.", ["Done.", "OK."]),
        ("Here it is: ```python\nprint(1)\n```\nDone.", ["Here it is:", "Done."]),
        ("- a\n  ```sh\n  ls\n  ```\n- b", ["a", "b"]),
        ("```\ncode\n~~~\nmore\n```\nDone.", ["Done."]),
        ("~~~\ncode\n```\nmore\n~~~\nDone.", ["Done."]),
        ("````\n```\nx\n```\n````\nDone.", ["Done."]),
        ("```js\nfoo()```\nNext one.", ["Next one."]),
        ("Use ``` to begin. And go on. Then more.", ["Use to begin.", "And go on.", "Then more."]),
        ("It ends with ```. More here.", ["It ends with.", "More here."]),
        ("It ends with ```\nMore here.", ["It ends with", "More here."]),
        ("```Note. This``` is important. Yes.", ["Note.", "This is important.", "Yes."]),
        ("Okay. ~~~ Tilde. Yes.", ["Okay.", "Tilde.", "Yes."]),
        ("Wait. ```\ncode\n```\nAfter.", ["Wait.", "After."]),
        ("Here:  ```\ncode\n```\nAfter.", ["Here:", "After."]),
        ("- ```\n  code\n  ```\nAfter.", ["After."]),
        ("1. ```sh\n   ls. Y = 2\n   ```\nAfter.", ["After."]),
        ("> ```\n> code\n> ```\nAfter.", ["After."]),
    ],
)
def test_a_code_block_has_lines_of_its_own(written: str, spoken: list[str]) -> None:
    """Backticks or tildes within a line silence nothing; a block ends with the mark that it began with."""
    assert list(spoken_sentences(written)) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is cold. - 5 degrees. Then.", ["It is cold.", "- 5 degrees.", "Then."]),
        ("Well. # 1 is good.", ["Well.", "# 1 is good."]),
        ("Yes. >= 5 is fine. > 6 too.", ["Yes.", ">= 5 is fine.", "> 6 too."]),
        ("One.\n- two.\n- three. - 4.", ["One.", "two.", "three.", "- 4."]),
        ("One.  \n  - two\n", ["One.", "two"]),
        ("<answer>\nYes. No.\n</answer>", ["Yes.", "No."]),
        ("| a. B | c |\n", ["a. B, c"]),
    ],
)
def test_a_sentence_begins_no_line(written: str, spoken: list[str]) -> None:
    """What is a bullet, a heading or a quotation where a line begins is a sign elsewhere."""
    assert list(spoken_sentences(written)) == spoken


@given(st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    """Nothing that a model may write raises; what is spoken says something or is empty, and each word has its place."""
    spoken = Speakable().of(text)
    assert spoken.text == "" or any(char.isalnum() for char in spoken.text)
    assert len(spoken.word_ends) == len(spoken.text.split())
    assert list(spoken.word_ends) == sorted(spoken.word_ends)
    assert all(0 < end <= len(text) for end in spoken.word_ends)


@given(st.lists(st.from_regex(r"[a-z]{1,8}|[0-9]{1,4}", fullmatch=True), max_size=12), st.data())
def test_no_word_is_lost(words: list[str], data: st.DataObject) -> None:
    """Whatever marks stand round words and numbers, all of them are read, in their order."""
    before = st.sampled_from(
        ["", "**", "*", "_", "`", "(", "<", "[", "# ", "- ", "\u2764 ", '"', "~~", "| ", "\n", "$", "-"]
    )
    after = st.sampled_from(
        ["", "**", "*", "_", "`", ")", ">", "]", "\u2764", ".", "\u3002", "%", "~~", " |", "\n", "\u20ac", "!"]
    )
    written = " ".join(f"{data.draw(before)}{word}{data.draw(after)}" for word in words)
    said = "".join(char if char.isalnum() else " " for char in Speakable().of(written).text).split()
    assert [word for word in said if word in words] == words


@pytest.mark.parametrize(
    ("char", "is_tag"),
    [("\U000dffff", False), ("\U000e0000", True), ("\U000e007f", True), ("\U000e0080", False), ("a", False)],
)
def test_the_letters_of_a_region_are_those_of_their_block(char: str, is_tag: bool) -> None:  # noqa: FBT001  one of the pair
    """The flag of a region is not read aloud with the letters that it is made of, and no other letter is left out."""
    assert is_tag_character(char) is is_tag


@pytest.mark.parametrize(("sentence", "would_be"), [("```\nls\n", ""), ("- One.\n", "One."), ("Two.", "Two.")])
def test_what_would_be_said_is_asked_in_advance(sentence: str, would_be: str) -> None:
    """The answer is what `of` gives, and nothing of the question is remembered: no code block, no line begun."""
    asked, never_asked = Speakable(), Speakable()
    assert asked.would_be(sentence) == would_be
    for following in ("- Three.", "- Four."):
        assert asked.of(following) == never_asked.of(following)
    assert asked.would_be("- Five.") == never_asked.of("- Five.").text
