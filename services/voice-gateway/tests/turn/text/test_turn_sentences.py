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


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("See (e.g. Riva) now. Yes.", ["See (e.g. Riva) now.", "Yes."]),
        ("Ask 'Dr. Who' now. Yes.", ["Ask 'Dr. Who' now.", "Yes."]),
        ('Ask "Dr. Who" now. Yes.', ['Ask "Dr. Who" now.', "Yes."]),
        ("Ask **Dr. Who** now. Yes.", ["Ask **Dr. Who** now.", "Yes."]),
        ("Ask _Dr. Who_ now. Yes.", ["Ask _Dr. Who_ now.", "Yes."]),
        ("Ask [Dr. Who] now. Yes.", ["Ask [Dr. Who] now.", "Yes."]),
        ("Ask DR. Who. Yes.", ["Ask DR. Who.", "Yes."]),
        ("It rains . Yes it does", ["It rains .", "Yes it does"]),
        ("Say Dr! Then go.", ["Say Dr!", "Then go."]),
        ("And so on etc... and more", ["And so on etc...", "and more"]),
        ("Pens etc. 5 of them", ["Pens etc. 5 of them"]),
        ("Pens etc.\nthen paper", ["Pens etc.", "then paper"]),
        ("In the U.S. They sing", ["In the U.S.", "They sing"]),
        ("Hauptstr. und Markt", ["Hauptstr. und Markt"]),
        ("Say no. Then", ["Say no.", "Then"]),
        ("Vitamin C. It", ["Vitamin C.", "It"]),
        ("He came 3. Then", ["He came 3.", "Then"]),
        ("Vitamin C.", ["Vitamin C."]),
        ("Plan b. It works", ["Plan b. It works"]),
        ("So do I. Smith does", ["So do I.", "Smith does"]),
        ("Am 12. kam er", ["Am 12. kam er"]),
        ("All 100. and so on", ["All 100.", "and so on"]),
        ("Take 12. Go on", ["Take 12.", "Go on"]),
        ("Take 12. iPhones now", ["Take 12. iPhones now"]),
        ("See sec. iOS now", ["See sec. iOS now"]),
        ("See no. 5a now", ["See no. 5a now"]),
        ("See XC. Smith wrote it", ["See XC.", "Smith wrote it"]),
        ("Pens etc. and\nmore", ["Pens etc. and", "more"]),
        ("He came 3. Then he\nleft", ["He came 3.", "Then he", "left"]),
        ("12. Ham first", ["12. Ham first"]),
        ("Buy these: 7. Ham", ["Buy these: 7. Ham"]),
        ("Buy 6. Ham 8. Eggs", ["Buy 6.", "Ham 8.", "Eggs"]),
        ("It is: 99. Ham 100. Eggs", ["It is: 99. Ham 100.", "Eggs"]),
        ("It was 99. Then 100. Then", ["It was 99.", "Then 100.", "Then"]),
    ],
)
def test_the_word_before_a_full_stop_decides(text: str, sentences: list[str]) -> None:
    """A sentence is not spoken in two halves for an abbreviation, whatever stands round it, and two are not one."""
    assert split(text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Go home.I am here", ["Go home.", "I am here"]),
        ("Go home.It is here", ["Go home.", "It is here"]),
        ("Go home.Then mail me@home", ["Go home.", "Then mail me@home"]),
        ("Get ab1.Then go", ["Get ab1.Then go"]),
        ("It costs $5.Then go", ["It costs $5.", "Then go"]),
        ("Go home.A dog is here", ["Go home.", "A dog is here"]),
        ("Go home.B is a letter", ["Go home.B is a letter"]),
        ("Ask.NASA is there", ["Ask.NASA is there"]),
        ("Ask.IPhone is there", ["Ask.IPhone is there"]),
        ("Go home!Then rest", ["Go home!", "Then rest"]),
        ("Is it 1?Then rest", ["Is it 1?", "Then rest"]),
        ("Is it x?Then rest", ["Is it x?", "Then rest"]),
        ("Is it Dr!Then rest", ["Is it Dr!", "Then rest"]),
        ("Plan b.Then rest", ["Plan b.Then rest"]),
        ("Ask Dr.Smith now", ["Ask Dr.Smith now"]),
        ("The U.S.Army is here", ["The U.S.Army is here"]),
        ("See www.example.Then go", ["See www.example.Then go"]),
        ("It costs 5.Then go", ["It costs 5.", "Then go"]),
        ("It is 50%.Then go", ["It is 50%.", "Then go"]),
        ("Get v5.Then go", ["Get v5.Then go"]),
        ("5.Then go", ["5.Then go"]),
        ("Call System.Out.println(x) now", ["Call System.Out.println(x) now"]),
        ("Call Console.Write(x) now", ["Call Console.Write(x) now"]),
        ("Mail me@home.Then go", ["Mail me@home.Then go"]),
        ("Open home/x.Then/y now", ["Open home/x.Then/y now"]),
        ("Open it.Then/y now", ["Open it.Then/y now"]),
        ("Go home.then rest", ["Go home.then rest"]),
        ("Go home.Then", ["Go home.", "Then"]),
        ("Go to .Net now", ["Go to .Net now"]),
        ("Go to it .Then rest", ["Go to it .Then rest"]),
        ("Vitamin\u03b1;Then rest", ["Vitamin\u03b1;Then rest"]),
        ("\u03bd\u03b1\u03b9; \u039f\u03ba", ["\u03bd\u03b1\u03b9;", "\u039f\u03ba"]),
    ],
)
def test_a_forgotten_space_is_told_from_a_name(text: str, sentences: list[str]) -> None:
    """Where a space was forgotten two sentences are spoken; an address, a program and a name stay one word."""
    assert split(text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("\u5186\uff13\uff0e\uff15", ["\u5186\uff13\uff0e\uff15"]),
        ("\u5186\uff0e\u597d", ["\u5186\uff0e", "\u597d"]),
        ("\u5186\u30025", ["\u5186\u3002", "5"]),
        ("Il vint.\u00ab 5", ["Il vint.\u00ab 5"]),
        ("Il vint.\u00ab", ["Il vint.\u00ab"]),
        ("Dr.\u00abX", ["Dr.\u00abX"]),
        ("1.\u00bfQu\u00e9 tal?", ["1.\u00bfQu\u00e9 tal?"]),
        ("Plan B.\u00abThen\u00bb go.", ["Plan B.", "\u00abThen\u00bb go."]),
        ("\u03b1;\u00abX", ["\u03b1;\u00abX"]),
        ("Hola.\u00bf5", ["Hola.", "\u00bf5"]),
    ],
)
def test_wide_marks_and_quotes_that_open(text: str, sentences: list[str]) -> None:
    """A wide full stop between digits is a decimal point, and a quotation mark opens a sentence before a word."""
    assert split(text) == sentences


@pytest.mark.parametrize(
    ("fed", "sentences"),
    [
        ("x" * 39 + ", ", ["x" * 39 + ", "]),
        ("x" * 38 + ", and", []),
        ("     " + "x" * 38 + ", and", []),
        ("Hello. " + "x" * 50 + ", and", ["Hello. "]),
        ("x" * 50 + " - and", ["x" * 50 + " - "]),
        ("x" * 50 + ",", []),
        ("x" * 50 + "\uff0c5", []),
    ],
)
def test_a_first_clause_has_forty_characters(fed: str, sentences: list[str]) -> None:
    """The first sound comes after a clause of 40 characters with its mark, and not after 39; later clauses wait."""
    assert SentenceSplitter().feed(fed) == sentences


def test_a_dash_that_comes_in_pieces_ends_the_first_clause() -> None:
    """The first sound does not wait longer because a dash came apart from the space before it or behind it."""
    splitter = SentenceSplitter()
    assert splitter.feed("x" * 50) == []
    assert splitter.feed(" ") == []
    assert splitter.feed("-") == []
    assert splitter.feed(" ") == ["x" * 50 + " - "]


def test_a_space_before_a_sentence_does_not_hide_its_end() -> None:
    """A reply whose white space comes apart from its words is spoken at its first full stop."""
    splitter = SentenceSplitter()
    assert splitter.feed("   ") == []
    assert splitter.feed("Yes.") == []
    assert splitter.feed(" ") == ["   Yes. "]
    assert splitter.feed("\n") == []
    assert splitter.feed("Go.") == []
    assert splitter.feed(" ") == ["\nGo. "]


@pytest.mark.parametrize(
    ("fed", "sentences"),
    [
        ("x" * LONGEST_CHARS, []),
        ("x" * (LONGEST_CHARS + 1), ["x" * LONGEST_CHARS]),
        ("x" * 398 + ". y", ["x" * 398 + ". "]),
        ("x" * 300 + " " + "x" * 100, ["x" * 300 + " "]),
        ("x" * 200 + " " + "x" * 100 + " " + "x" * 200, ["x" * 200 + " " + "x" * 100 + " "]),
        ("x, " * 3 + "y" * 20 + " " + "x" * 375, ["x, " * 3]),
        ("x" * 400 + " y", ["x" * 400]),
    ],
)
def test_where_a_sentence_without_end_is_cut(fed: str, sentences: list[str]) -> None:
    """A sentence of 400 characters is whole; a longer one is cut behind its last clause, else a word, else anywhere."""
    splitter = SentenceSplitter()
    assert splitter.feed("Ok. ") == ["Ok. "]
    assert splitter.feed(fed) == sentences


@pytest.mark.parametrize(
    ("fed", "sentences"),
    [
        ("It costs 5. " + "X" * 62, []),
        ("It costs 5. " + "X" * 63, ["It costs 5. "]),
        ("Hello.W" + "x" * 62, []),
        ("Hello.W" + "x" * 63, ["Hello."]),
        ("Hello.World ", ["Hello."]),
        ("It costs 5.\nT", ["It costs 5.\n"]),
        ("Pens etc. " + "-" * 62, []),
        ("Pens etc. " + "-" * 63, ["Pens etc. "]),
    ],
)
def test_what_is_decided_is_not_waited_for(fed: str, sentences: list[str]) -> None:
    """The word behind a mark is waited for until it is whole or 64 characters have come, and no longer."""
    assert SentenceSplitter().feed(fed) == sentences


def test_what_is_left_comes_once() -> None:
    """What is left is given once, and a splitter that is fed again begins anew."""
    splitter = SentenceSplitter()
    assert splitter.feed("Yes. And then I said") == ["Yes. "]
    assert splitter.finish() == ["And then I said"]
    assert splitter.finish() == []
    assert splitter.feed("No. Well") == ["No. "]
    assert splitter.finish() == ["Well"]
    assert splitter.feed("? And") == ["? "]


def test_a_mark_alone_is_a_sentence_at_once() -> None:
    """A mark that comes as a piece of its own ends what it stands for, also where a sentence has just ended."""
    splitter = SentenceSplitter()
    assert splitter.feed("So. ") == ["So. "]
    assert splitter.feed("? And") == ["? "]


def test_a_space_behind_a_line_break_belongs_to_the_next_line() -> None:
    """The pieces of a reply stay as the model wrote them: a line keeps the space that it begins with."""
    assert SentenceSplitter().feed("Hello\n World. ") == ["Hello\n", " World. "]
