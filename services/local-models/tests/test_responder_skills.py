"""What the responder does without facts: one table row per thing a user may say."""

from datetime import datetime

import pytest
from local_models.openai_http.chat import ChatRequest, Message, Role
from local_models.responder.model import Responder
from local_models.responder.skills import ABILITIES, IDENTITY, NOT_HEARD, TOO_LONG, UNKNOWN
from local_models.responder.words import plain, spoken_number

AFTERNOON = datetime(2026, 11, 21, 15, 45)  # noqa: DTZ001 - the wall clock that a user reads has no zone


def answer(*user_lines: str, now: datetime = AFTERNOON) -> str:
    """Hold a conversation of these user lines and give the last reply."""
    responder = Responder(now=lambda: now)
    messages: list[Message] = []
    reply = ""
    for line in user_lines:
        messages.append(Message(Role.USER, line))
        said = responder.answer(ChatRequest("local-responder", tuple(messages)))
        assert isinstance(said, str)
        reply = said
        messages.append(Message(Role.ASSISTANT, reply))
    return reply


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is twelve times seven?", "Twelve times seven is eighty four."),
        ("what is 12 times 7", "Twelve times seven is eighty four."),
        ("What's 12x7?", "Twelve times seven is eighty four."),
        ("Twelve multiplied by seven.", "Twelve times seven is eighty four."),
        (
            "five hundred and three minus twenty one",
            "Five hundred and three minus twenty one is four hundred and eighty two.",
        ),
        ("What is two plus three times four?", "Two plus three times four is fourteen."),
        ("What is 007 plus 1.05?", "Seven plus one point zero five is eight point zero five."),
        ("What is " + "999999999 times " * 60 + "2?", TOO_LONG),
        ("What is ٣ + ٣?", UNKNOWN),
        ("one " * 250_000, TOO_LONG),
        ("what is the sum of six and seven", "Six plus seven is thirteen."),
        ("Subtract five from nine", "Nine minus five is four."),
        ("multiply six by seven", "Six times seven is forty two."),
        ("what is ten divided by three", "Ten divided by three is about three point three three."),
        ("what is three point five plus two", "Three point five plus two is five point five."),
        ("What is minus five plus two?", "Minus five plus two is minus three."),
        ("what is 1,000 plus 1", "One thousand plus one is one thousand and one."),
        ("what is fifteen percent of eighty", "Fifteen percent of eighty is twelve."),
        ("divide ten by zero", "Nothing can be divided by zero."),
        ("what is 99999999999 times 2", "Those numbers are too large for me."),
    ],
)
def test_arithmetic_in_words_or_digits(text: str, expected: str) -> None:
    """A recogniser may write a number either way; the answer is spoken in words."""
    assert answer(text) == expected


def test_code_is_not_evaluated() -> None:
    """Arithmetic reads digits and operators only, whatever the user dictates."""
    assert answer("__import__('os').getcwd() plus 9 ** 9 ** 9") == UNKNOWN


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [
        (15, 45, "It is three forty five in the afternoon."),
        (0, 5, "It is twelve oh five in the morning."),
        (12, 0, "It is twelve o'clock in the afternoon."),
        (21, 30, "It is nine thirty in the evening."),
    ],
)
def test_the_time_comes_from_the_clock_it_was_given(hour: int, minute: int, expected: str) -> None:
    """Said as people say it, without digits or a.m."""
    assert answer("What time is it?", now=AFTERNOON.replace(hour=hour, minute=minute)) == expected


def test_the_date() -> None:
    """The day of the week first, since that is what most who ask want."""
    assert answer("what day is it today") == "Today is Saturday, November twenty first."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Count to three slowly.", "One. Two. Three."),
        ("Please count slowly from 3 to 5", "Three. Four. Five."),
        ("count slowly down from three", "Three. Two. One."),
        ("count to three", "One, two, three."),
        ("Count to one thousand slowly.", "I can count up to one hundred."),
    ],
)
def test_counting(text: str, expected: str) -> None:
    """Slowly means a sentence for each number, so that a demo can interrupt between them."""
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Repeat after me: the quick brown fox.", "The quick brown fox."),
        ("Repeat after me, the quick brown fox", "The quick brown fox."),
        ("repeat after me the quick brown fox!", "The quick brown fox!"),
        ("Please repeat: hello world", "Hello world."),
        ("Repeat after me.", "Please say, repeat after me, and then the words."),
    ],
)
def test_repeating_gives_the_words_and_nothing_else(text: str, expected: str) -> None:
    """Whatever punctuation the recogniser put after "me"."""
    assert answer(text) == expected


def test_a_name_is_remembered_from_the_messages() -> None:
    """Memory is the conversation itself: the responder keeps no state between requests."""
    assert answer("Hello, my name is Alice.", "What is two plus two?", "What is my name?") == "Your name is Alice."
    assert answer("my name's bob", "call me Robert", "what's my name") == "Your name is Robert."


def test_a_name_that_was_never_said_is_not_invented() -> None:
    """Asking for the name does not itself count as telling one."""
    assert answer("Do you know my name?") == "You have not told me your name yet."
    assert answer("What is my name?", "Who am I?") == "You have not told me your name yet."


def test_telling_a_name_is_met_with_it() -> None:
    """So that the user hears whether it was understood."""
    assert answer("Hello, my name is Alice.") == "Nice to meet you, Alice. I will remember your name while we talk."


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Who are you?",), IDENTITY),
        (("are you a language model",), IDENTITY),
        (("Who am I talking to?",), IDENTITY),
        (("What can you do?",), ABILITIES),
        (("Hello!",), "Hello. What would you like to know?"),
        (("My name is Alice.", "good morning"), "Hello, Alice. What would you like to know?"),
        (("How are you today?",), "I am running well, thank you. What would you like to know?"),
        (("Thank you, goodbye.",), "You are welcome. Goodbye."),
        (("I am called Alice", "bye"), "Goodbye, Alice."),
        (("Thanks!",), "You are welcome."),
        (("Stop.",), "All right."),
        (("What is two plus two?", "Say that again."), "Two plus two is four."),
        (("Can you repeat that?",), "I have not said anything yet."),
        (("   ",), NOT_HEARD),
        (("How do I bake bread?",), UNKNOWN),
    ],
)
def test_manners_and_honesty(lines: tuple[str, ...], expected: str) -> None:
    """It greets, says what it is, and admits what it does not know."""
    assert answer(*lines) == expected


def test_thanks_before_a_question_do_not_swallow_it() -> None:
    """Politeness is only answered when nothing else was said."""
    assert answer("Thank you. What is a pod in Kubernetes?").startswith("A pod is")


def test_numbers_are_spoken_without_hyphens_or_commas() -> None:
    """Both trip voices and recognisers, and a round trip through them is how the demo is judged."""
    assert spoken_number(1234567) == "one million two hundred and thirty four thousand five hundred and sixty seven"
    assert spoken_number(-2.5) == "minus two point five"


def test_plain_text_is_the_same_for_every_spelling() -> None:
    """Case, punctuation and typographic apostrophes differ between recognisers."""
    assert plain("What\N{RIGHT SINGLE QUOTATION MARK}s  THIS?!") == plain("what's this")


@pytest.mark.parametrize(
    ("heard", "asked", "expected"),
    [
        ("One. Two. Three.", "Stop. What was the last number you said?", "The last number I said was three."),
        ("One. Two. Twenty one", "tell me the last number that you said", "The last number I said was twenty one."),
        ("Seven, eight", "What was the last word you said?", "The last word I said was eight."),
        ("A pod is the smallest", "where did you stop", "The last word I said was smallest."),
        ("A pod is the", "What is the last number you just said?", "The last word I said was the."),
        ("", "What was the last number you said?", "I have not said anything yet."),
    ],
)
def test_it_knows_where_it_was_cut(heard: str, asked: str, expected: str) -> None:
    """Asked where it stopped, it says the end of its last reply as the caller's history has it."""
    history = (Message(Role.USER, "go on"), Message(Role.ASSISTANT, heard), Message(Role.USER, asked))
    assert Responder(now=lambda: AFTERNOON).answer(ChatRequest("local-responder", history)) == expected
