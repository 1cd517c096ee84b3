"""When two spellings are the same words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words
from voice_gateway.turn.text.normalised import Difference, difference, normalised, same_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("forty-two", "42"),
        ("forty two", "42"),
        ("four two", "42"),
        ("Four, two.", "4 2"),
        ("twenty one", "21"),
        ("a hundred and five", "105"),
        ("nineteen ninety nine", "1999"),
        ("nineteen oh five", "1905"),
        ("two thousand and six", "2006"),
        ("one point five", "1.5"),
        ("ten percent", "10%"),
        ("ten per cent", "10 %"),
        ("five dollars", "$5"),
        ("five dollars and fifty cents", "$5.50"),
        ("two million dollars", "$2 million"),
        ("one point five million euros", "\u20ac1.5 million"),
        ("ten pounds", "\u00a310"),
        ("first", "1st"),
        ("twenty-first", "21st"),
        ("the third of March", "the 3rd of March"),
        ("the hundred and tenth", "the hundred and 10th"),
        ("a hundredth", "100th"),
        ("a thousandth", "1000th"),
        ("one second", "1 second"),
        ("two million", "2 million"),
        ("2,000,000", "two million"),
        ("fifteen hundred", "1,500"),
        ("three thirty", "3:30"),
        ("three o'clock", "3:00"),
        ("double two five", "225"),
        ("oh five", "05"),
        ("zero", "0"),
        ("one hundred two hundred", "100 200"),
        ("one thousand two thousand", "1000 2000"),
        ("one hundred and two thousand", "102,000"),
        ("minus five degrees", "-5\u00b0"),
        ("salt and pepper", "Salt & pepper!"),
        ("you at example dot org", "you@example dot org"),
        ("two plus two equals four", "2 + 2 = 4"),
        ("don't", "don\u2019t"),
        ("some thing", "something"),
        ("Stra\u00dfe", "STRASSE"),
        ("\uff21\uff22\uff11", "ab1"),
        ("\u0664\u0662", "42"),
        ("What, now?", "what now"),
        ("", "..."),
        ("\u00bd", "1/2"),
        ("3\u00bd", "three and 1/2"),
        ("five rupees", "\u20b95"),
        ("3 times 4", "3 \u00d7 4"),
        ("\uff76\uff9e", "\u30ac"),
        ("caf\u00e9 " * 30, "cafe\u0301 " * 30),
        ("\u00a3 5", "\u00a35"),
        ("$1.50", "$1.5"),
        ("$1.05", "one dollar and five cents"),
        ("$1.00", "one dollar"),
        ("$.50", "$0.50"),
        ("$1.50 million", "1.50 million dollars"),
        ("0.5", ".5"),
        ("zero point five", ".5"),
        ("ten point five", "10.5"),
        ("minus 0.5", "-.5"),
        ("-5", "\u22125"),
        ("5 - 6", "five minus six"),
        ("5-6", "five to six"),
        ("10\u201315", "ten to fifteen"),
        ("1:1", "one to one"),
        ("16:9", "sixteen to nine"),
        ("5*6", "5 \u00d7 6"),
        ("10^2", "10\u00b2"),
        ("555-1234", "five five five one two three four"),
        ("2026-11-28", "2026 11 28"),
        ("twenty-one covid-19", "21 covid 19"),
    ],
)
def test_same_words(one: str, other: str) -> None:
    """Spellings that two passes of a recogniser give of the same sound are one text."""
    assert normalised(one) == normalised(other)
    assert difference(one, other) is Difference.SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("forty two", "forty three"),
        ("1.5", "15"),
        ("one second", "twelfth"),
        ("minus five", "5"),
        ("first", "1"),
        ("\u0915\u0940", "\u0915\u0947"),
        ("a double room", "a room"),
        ("12345678901 thousand", "12345678901000"),
        ("1/2", "12"),
        ("\u00bd", "12"),
        ("1\u00bd", "112"),
        ("5\u00b2", "52"),
        ("10\u207b\u00b3", "103"),
        (".5", "5"),
        ("5 \u00d7 3", "53"),
        ("3 < 5", "35"),
        ("#5", "5"),
        ("\u20b95", "5"),
        ("\u00a55", "$5"),
        ("\u00b15", "5"),
        ("-.5", ".5"),
        ("-$.5", "$.5"),
        ("(-5)", "5"),
        ("\u20135", "5"),
        ("x = -5", "x = 5"),
        ("5*6", "56"),
        ("(5) * (6)", "56"),
        ("5\u00b76", "56"),
        ("10^2", "102"),
        ("10**2", "102"),
        ("5-6", "56"),
        ("5\u20146", "56"),
        ("20-30", "2030"),
        ("1 - 2", "12"),
        ("1 \u2212 2", "12"),
        ("1\u22122", "12"),
        ("1:1", "11"),
        ("4:3", "43"),
        ("1:1000", "11000"),
        ("$1.05", "$1.5"),
        ("$1.5 million", "$1.50"),
        ("20.5", "2.5"),
        ("20.5", "2 .5"),
    ],
)
def test_other_words(one: str, other: str) -> None:
    """What sounds different stays different."""
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(
    ("speculated", "said", "expected"),
    [
        ("what is", "What is it?", Difference.MORE_WORDS),
        ("my code is four", "my code is 42", Difference.CHANGED_WORD),
        ("my code is four", "my code is four two", Difference.MORE_WORDS),
        ("forty", "forty two", Difference.MORE_WORDS),
        ("ice cream", "icecream please", Difference.MORE_WORDS),
        ("", "hello", Difference.MORE_WORDS),
        ("half past nine", "9:30", Difference.FORMATTING),
        ("at 9:30 sharp", "at half past nine sharp", Difference.FORMATTING),
        ("the grey colour", "the gray color", Difference.FORMATTING),
        ("over there", "over their", Difference.FORMATTING),
        ("I want to go", "I want two go", Difference.FORMATTING),
        ("42", "forty three", Difference.CHANGED_WORD),
        ("big", "bag", Difference.CHANGED_WORD),
        ("call Paul", "call Anna", Difference.CHANGED_WORD),
        ("hello there", "hello", Difference.CHANGED_WORD),
        ("nine", "half", Difference.CHANGED_WORD),
    ],
)
def test_differences(speculated: str, said: str, expected: Difference) -> None:
    """The report says whether a guess was lost to formatting, to more words or to another word."""
    assert difference(speculated, said) is expected


@given(st.integers(0, 10**15 - 1))
def test_any_number_in_words(number: int) -> None:
    """A number in words and in digits are one, however large."""
    assert normalised(num2words(number)) == normalised(str(number)) == normalised(f"{number:,}")


@given(st.integers(1, 10**6))
def test_any_ordinal_in_words(number: int) -> None:
    """An ordinal in words and in digits are one, too: a guess is not lost to "21st"."""
    assert normalised(num2words(number, to="ordinal")) == normalised(num2words(number, to="ordinal_num"))


@given(st.integers(1000, 2099))
def test_any_year_in_words(year: int) -> None:
    """A year read in pairs and its digits are one: a guess is not lost to "1984"."""
    assert normalised(num2words(year, to="year")) == normalised(str(year))


@given(st.text("0123456789", min_size=1, max_size=16))
def test_any_digits_one_by_one(digits: str) -> None:
    """Digits read one by one and written in a row are one: a guess is not lost to a telephone number."""
    assert normalised(" ".join(num2words(int(digit)) for digit in digits)) == digits


@given(st.text())
def test_marks_case_and_spaces_do_not_count(text: str) -> None:
    """Any text is accepted, and equals itself with other spaces, marks and case."""
    assert difference(text, text) is Difference.SAME
    letters = "".join(char for char in text if char.isascii() and char.isalpha() and char not in "aA")
    assert normalised(letters.upper()) == normalised(f"  {letters.lower()}?! ")


@given(st.text(), st.text())
def test_any_two_texts_differ_somehow(one: str, other: str) -> None:
    """The difference is the same text exactly when the normal forms are equal."""
    assert (difference(one, other) is Difference.SAME) == (normalised(one) == normalised(other))


COUNTED = st.sampled_from(
    [
        "one",
        "two",
        "ten",
        "twenty",
        "hundred",
        "thousand",
        "and",
        "a",
        "oh",
        "double",
        "dollars",
        "first",
        "5",
        "$7",
        "so",
    ]
)


@given(st.lists(COUNTED, max_size=60), st.lists(COUNTED, max_size=8), st.lists(COUNTED, max_size=8))
def test_only_what_differs_is_compared(begin: list[str], one: list[str], other: list[str]) -> None:
    """To leave out what two texts begin with changes no verdict, wherever a number is cut."""
    first, second = " ".join([*begin, *one]), " ".join([*begin, *other])
    assert same_words(first, second) == (normalised(first) == normalised(second))


@pytest.mark.parametrize(
    ("speculated", "said", "expected"),
    [
        ("so " * 2_000, "so " * 2_000, Difference.SAME),
        ("so " * 2_000, "so " * 2_001, Difference.MORE_WORDS),
        ("so " * 2_000, "no " * 2_000, Difference.CHANGED_WORD),
        ("to " * 60, "fro " * 60, Difference.CHANGED_WORD),
        ("& " * 560, "and " * 560, Difference.SAME),
        ("& " * 560, "or " * 560, Difference.CHANGED_WORD),
    ],
)
def test_long_texts_are_told_apart_without_looking_at_each_word(
    speculated: str, said: str, expected: Difference
) -> None:
    """What nobody says in one breath is not compared by its sound."""
    assert difference(speculated, said) is expected


def test_long_texts_with_the_same_beginning_are_the_same_words() -> None:
    """A long turn costs what its last words cost, and what differs too far back is another text."""
    begin = "we went there " * 1_000
    assert same_words(f"{begin}at five", f"{begin}at 5.")
    assert not same_words(f"{begin}at five", f"{begin}at six")
    assert not same_words(f"x {begin}", f"y {begin}")
    assert same_words("& " * 560, "and " * 560)
    assert not same_words("1 " * 560, "2 " * 560)


def test_a_ligature_of_a_sentence_does_not_grow_without_end() -> None:
    """One character may stand for 18; a text of them is taken as it is, and short ones as what they mean."""
    assert normalised("\ufdfa") == normalised(
        "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645"
    )
    assert normalised("\ufdfa " * 1_000) == "\ufdfa" * 1_000
