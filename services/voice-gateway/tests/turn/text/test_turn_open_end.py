"""Which unfinished sentence looks ended: white space behind its mark would end it without any doubt."""

import pytest
from voice_gateway.turn.text.sentences import FIRST_CLAUSE_CHARS, LONGEST_CHARS, OpenEnd, SentenceSplitter


def open_end(*pieces: str) -> OpenEnd | None:
    """What is open once these were written."""
    splitter = SentenceSplitter()
    for piece in pieces:
        splitter.feed(piece)
    return splitter.open_end()


@pytest.mark.parametrize(
    "text",
    [
        "It is noon.",
        "Is it?",
        "No!",
        "Wait...",
        "Wait\u2026",
        "What?!",
        'He said "Go."',
        "(It is.)",
        "**Now.**",
        "Now.**",
        "It costs 5 %.",
        "It is 5!",
        "So it goes etc!",
        "Mail Jane?",
        "Use Node.js.",
        "See example.com.",
        "\u4f60\u597d\u3002",
        "\u6211\u67093\u3002",
        "\u597d\uff0e",
        "\u03bd\u03b1\u03b9;",
        "  \n It is.",
        "x" * (LONGEST_CHARS - 1) + ".",
        "x" * (FIRST_CLAUSE_CHARS - 1) + ",",
        "x" * (FIRST_CLAUSE_CHARS - 1) + ";",
        "x" * (FIRST_CLAUSE_CHARS - 1) + "\u060c",
        "\u8fd9" * (FIRST_CLAUSE_CHARS - 1) + "\uff0c",
        "x" * (LONGEST_CHARS - 1) + ",",
    ],
)
def test_what_looks_ended(text: str) -> None:
    """The sentence ends before white space, whatever follows that: synthesis may begin."""
    assert open_end(text) == OpenEnd(text, looks_ended=True)
    assert "".join(SentenceSplitter().feed(f"{text} ")).rstrip() == text.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "It is 3.",
        "It was 1984.",
        "Get v2.",
        "Do this: 1.",
        "1.",
        "Mr.",
        "So it goes etc.",
        "At 5 p.m.",
        "Plan B.",
        "So am I.",
        "Say no.",
        "Hauptstr.",
        "Wait..",
        "...",
        "\u3002",
        "- !",
        "See www.example.",
        "See a.b/c.",
        "See https://a.b/c?",
        "Mail me@example.",
        "Use snake_case.",
        "\u5186\uff13\uff0e",
        "\u8fd9" * (FIRST_CLAUSE_CHARS - 2) + "\uff0c",
        "\u8fd9" * FIRST_CLAUSE_CHARS + "3\uff0c",
    ],
)
def test_what_may_go_on(text: str) -> None:
    """A number, an abbreviation, a letter, an address and half of three dots need more than the space behind them."""
    assert open_end(text) == OpenEnd(text, looks_ended=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "It is",
        "It is. ",
        "Mr. Smith",
        "x" * (FIRST_CLAUSE_CHARS - 2) + ",",
        "x" * FIRST_CLAUSE_CHARS + "1,",
        "x" * FIRST_CLAUSE_CHARS + " ,",
        "x" * FIRST_CLAUSE_CHARS + ":",
        "x" * FIRST_CLAUSE_CHARS + "\u2014",
        "x" * LONGEST_CHARS + ",",
        "Yes. " + "x" * FIRST_CLAUSE_CHARS + ",",
    ],
)
def test_what_has_no_mark_that_is_open(text: str) -> None:
    """Where nothing is written, or no mark decides, nothing looks ended; a later sentence ends at no comma."""
    assert open_end(text) is None


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("Hello.", "Wor"), "Hello."),
        (("It is 5.", " "), "It is 5."),
        (("Il vint.", "\u00ab"), "Il vint."),
        (("In the U.S.",), "In the U."),
        (("x" * LONGEST_CHARS + ".",), "."),
        (("So etc.", " T", "he"), None),
        (("Use Node.", "j"), None),
        (("See example.", "com", "."), "See example.com."),
        (("x" * FIRST_CLAUSE_CHARS + ",", '"'), None),
    ],
)
def test_a_mark_stays_open_while_what_follows_does_not_decide(pieces: tuple[str, ...], text: str | None) -> None:
    """The sentence may still end there, though it does not look so any more; or it is known that it does not."""
    end = open_end(*pieces)
    assert (end and end.text) == text
