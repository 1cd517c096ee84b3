"""Where sentences end, and where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.text.sentences import FIRST_CLAUSE_CHARS, LONGEST_CHARS, LONGEST_SPACE_CHARS, SentenceSplitter


def split(text: str) -> list[str]:
    """All sentences of a whole text, without the space between them."""
    splitter = SentenceSplitter()
    return [sentence.strip() for sentence in (*splitter.feed(text), *splitter.finish())]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met Mrs. Jones. They talked.", ["Dr. Smith met Mrs. Jones.", "They talked."]),
        ("Pi is 3.14 and e is 2.72. Good.", ["Pi is 3.14 and e is 2.72.", "Good."]),
        ("Use e.g. Riva. Done.", ["Use e.g. Riva.", "Done."]),
        ("Bring pens etc. and paper.", ["Bring pens etc. and paper."]),
        ("Bring pens etc. Then go.", ["Bring pens etc.", "Then go."]),
        ("At 5 p.m. we met.", ["At 5 p.m. we met."]),
        ("In Washington D.C. and in the U.S. it rains. Yes.", ["In Washington D.C. and in the U.S. it rains.", "Yes."]),
        ("At 3:30 p.m. today. Bring $4.50, e.g. now.", ["At 3:30 p.m. today.", "Bring $4.50, e.g. now."]),
        ("Mail jane.doe@example.org today.", ["Mail jane.doe@example.org today."]),
        ("Do this: 1. Open it. 2. Close it.", ["Do this: 1. Open it.", "2. Close it."]),
        (
            "\u092f\u0939 \u0939\u0948\u0964 \u0914\u0930\u0964",
            ["\u092f\u0939 \u0939\u0948\u0964", "\u0914\u0930\u0964"],
        ),
        ("J. R. Tolkien wrote. I did. So am I. Yes.", ["J. R. Tolkien wrote.", "I did.", "So am I.", "Yes."]),
        ("1. First thing\n2. Second thing\n", ["1. First thing", "2. Second thing"]),
        ("It costs 5. Take it.", ["It costs 5.", "Take it."]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("Wait... what? Yes\u2026 no.", ["Wait...", "what?", "Yes\u2026", "no."]),
        ("\u4f60\u597d\u3002\u518d\u89c1\uff01", ["\u4f60\u597d\u3002", "\u518d\u89c1\uff01"]),
        ("See example.org today.", ["See example.org today."]),
        ("**Bold.** Next.", ["**Bold.**", "Next."]),
        ("\n\nHello.\n\nWorld", ["Hello.", "World"]),
        ("...", ["..."]),
        (". Odd.", [".", "Odd."]),
        ("Use Rs and App.Tsx here. Good.", ["Use Rs and App.Tsx here.", "Good."]),
        ("See main.Rs and Index.Html first. Go.", ["See main.Rs and Index.Html first.", "Go."]),
        ("It costs Rs. 500. Yes.", ["It costs Rs. 500.", "Yes."]),
        ("Am 3. Oktober kam er. Gut.", ["Am 3. Oktober kam er.", "Gut."]),
        ("Vom 30. M\u00e4rz zum 4. und 5. Mai. Gut.", ["Vom 30. M\u00e4rz zum 4. und 5. Mai.", "Gut."]),
        ("He came 3. Then he left.", ["He came 3.", "Then he left."]),
        ("In 1984. and so on", ["In 1984.", "and so on"]),
        ("Usa p. ej. esto. Bien.", ["Usa p. ej. esto.", "Bien."]),
        ("En EE. UU. hay. En EE. UU. Bien.", ["En EE. UU. hay.", "En EE. UU.", "Bien."]),
        ("Hauptstr. 5 und Kantstr. Gut.", ["Hauptstr. 5 und Kantstr.", "Gut."]),
        ("Das geht i. d. R. gut. Ja.", ["Das geht i. d. R. gut.", "Ja."]),
        ("1. A 2. B 3. C", ["1. A 2. B 3. C"]),
        ("Do it: 9. Ham 10. Eggs. 12. Go.", ["Do it: 9. Ham 10. Eggs.", "12. Go."]),
        ("The answer is no. Then go.", ["The answer is no.", "Then go."]),
        ("See no. 5, no. of items.", ["See no. 5, no. of items."]),
        ("Say no.\nThen go.", ["Say no.", "Then go."]),
        ("Say no.Then go.", ["Say no.", "Then go."]),
        ("Vitamin C. It helps. Plan B. Then go.", ["Vitamin C.", "It helps.", "Plan B.", "Then go."]),
        ("I chose C. You chose D.", ["I chose C.", "You chose D."]),
        ("I met A. Smith and W. H. Auden.", ["I met A. Smith and W. H. Auden."]),
        ("Hola.\u00bfQu\u00e9 tal?\u00a1Vamos!", ["Hola.", "\u00bfQu\u00e9 tal?", "\u00a1Vamos!"]),
        ("Bien.\u201eGut.\u201c sagte er.", ["Bien.", "\u201eGut.\u201c sagte er."]),
        ("Il vint.\u00abOui\u00bb dit-il. Bon.", ["Il vint.", "\u00abOui\u00bb dit-il.", "Bon."]),
        ("Er rief \u00bbJa!\u00ab und ging", ["Er rief \u00bbJa!\u00ab und ging"]),
        ("Er rief \u00bbJa!\u00ab", ["Er rief \u00bbJa!\u00ab"]),
        ("Dr.\u201eX\u201c", ["Dr.\u201eX\u201c"]),
        ("\u03b1;\u201e", ["\u03b1;\u201e"]),
        ("", []),
    ],
)
def test_sentence_ends(text: str, sentences: list[str]) -> None:
    """Abbreviations, decimals, initials and list numbers end no sentence; marks, line breaks and CJK stops do."""
    assert split(text) == sentences


def test_the_first_clause_comes_early() -> None:
    """A long first sentence is cut at its first clause, so that the first sound does not wait for the full stop."""
    splitter = SentenceSplitter()
    first = splitter.feed("The recogniser turns what you say into text, and then the model")
    assert first == ["The recogniser turns what you say into text, "]
    assert splitter.feed(" answers, as it must, with care and without haste, always, and") == []


def test_a_first_clause_needs_no_space_where_the_script_has_none() -> None:
    """A full-width comma ends a clause by itself."""
    clause = "\u8fd9" * FIRST_CLAUSE_CHARS + "\uff0c"
    assert SentenceSplitter().feed(clause + "\u597d") == [clause]


def test_a_short_first_clause_stays() -> None:
    """A clause of a few words would sound broken alone."""
    assert SentenceSplitter().feed("Well, yes, " + "x" * (FIRST_CLAUSE_CHARS // 2)) == []


def test_an_undecided_abbreviation_waits() -> None:
    """Whether `etc.` ends the sentence is known only when the next word comes."""
    splitter = SentenceSplitter()
    assert splitter.feed("Pens etc. ") == []
    assert splitter.feed("Then") == ["Pens etc. "]


@pytest.mark.parametrize("word", ["word ", "word, ", "w"])
def test_no_sentence_grows_without_end(word: str) -> None:
    """Text without any full stop is cut at a clause, a space, or by force."""
    sentences = SentenceSplitter().feed("First. " + word * (LONGEST_CHARS + 1))
    assert max(map(len, sentences)) <= LONGEST_CHARS + 1
    assert len(sentences) > 1


def test_a_sentence_that_comes_at_once_is_bounded_too() -> None:
    """A model that delivers its whole reply in one piece does not get longer sentences into synthesis."""
    sentences = SentenceSplitter().feed("First. " + "word " * LONGEST_CHARS + "end. Next")
    assert max(map(len, sentences)) <= LONGEST_CHARS + 1


def pieces_of(pieces: list[str]) -> list[str]:
    """The sentences of a text that comes in these pieces."""
    splitter = SentenceSplitter()
    return [sentence for piece in pieces for sentence in splitter.feed(piece)] + splitter.finish()


@given(
    st.lists(
        st.text(alphabet="aB1 .,!?\n\"'\u3002(-:;\u2013\u0964\uff0c\uff0e\u2026\u03b1@", max_size=12)
        | st.sampled_from(
            [
                "Dr.",
                "etc.",
                "U.S.",
                "Hello",
                "Node.js",
                " \u2013 ",
                ", ",
                "1.",
                "x" * 50,
                " " * 50,
                "Then",
                "\u03b1;",
                "www.",
                "no.",
                "3. Mai ",
                "C. It ",
                "1. A 2. ",
                "\u00ab",
                "\u00bf",
                "\u201e",
                "Hauptstr. ",
            ]
        ),
        max_size=40,
    )
)
def test_nothing_is_lost_and_pieces_do_not_matter(pieces: list[str]) -> None:
    """However the text is cut into pieces, the sentences are the same, bounded, and together the text."""
    whole = "".join(pieces)
    sentences = pieces_of(pieces)
    assert sentences == pieces_of([whole]) == pieces_of(list(whole))
    assert max(map(len, sentences), default=0) <= LONGEST_SPACE_CHARS + LONGEST_CHARS + 1
    assert "".join("".join(sentences).split()) == "".join(whole.split())
    if " " * LONGEST_SPACE_CHARS not in whole:
        assert "".join(sentences) == whole.rstrip() or "".join(sentences).rstrip() == whole.rstrip()


@pytest.mark.parametrize("space", ["\n", " \n", "\r\n", "\u00a0"])
def test_a_model_that_writes_line_breaks_says_nothing(space: str) -> None:
    """A run of white space makes no sentences, and next to none of it is kept."""
    splitter = SentenceSplitter()
    assert splitter.feed("Hello." + space * 20_000) == [f"Hello.{space[0]}"]
    assert splitter.feed("World. ") == [f"{(space * 41)[1:41]}World. "]
    assert splitter.finish() == []


@pytest.mark.parametrize(
    ("fed", "sentences"),
    [
        ("Pens etc. " + " " * 20, []),
        ("Pens etc. " + " " * 70, ["Pens etc. "]),
        ("Hello.World", []),
        ("Hello.World" + "d" * 70, ["Hello."]),
        ("Pens etc. \u4f60", []),
        ("Vitamin C. I", []),
        ("Vitamin C. I ", ["Vitamin C. "]),
        ("Say no. ", []),
        ("Say no. T", ["Say no. "]),
        ("Say no.\n", ["Say no.\n"]),
        ("It costs 5. ", []),
        ("It costs 5. T", []),
        ("It costs 5. Take ", ["It costs 5. "]),
        ("It costs 5.\n", ["It costs 5.\n"]),
        ("Il vint.\u00ab", []),
        ("Il vint.\u00abO", ["Il vint."]),
    ],
)
def test_what_decides_is_waited_for_in_bounds(fed: str, sentences: list[str]) -> None:
    """A mark whose meaning hangs on what follows waits for it, and for no more than 64 characters."""
    assert SentenceSplitter().feed(fed) == sentences
