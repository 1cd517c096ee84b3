"""What a comma and a question mark say of words that may be unfinished (ADR 0046)."""

import pytest
from gateway_kit.sentences import COMPLETE, ENDINGS, FRAGMENTS, OTHER_LANGUAGES
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.text.unfinished import reads_unfinished

AT_A_COMMA = (
    "Yes,",
    "If it rains tomorrow,",
    "Well, if it rains tomorrow,.",
    'He said "no,"',
    "(by the way,)",
    "Is it raining? If so,",
    "Wenn es morgen regnet,",
    "S'il pleut demain,",
    "\u0415\u0441\u043b\u0438 \u0431\u0443\u0434\u0435\u0442 \u0434\u043e\u0436\u0434\u044c,",
    "\u5982\u679c\u660e\u5929\u4e0b\u96e8\uff0c",
    "\u300c\u3048\u3063\u3068\u3001\u300d",
    "\u0625\u0630\u0627 \u0643\u0627\u0646 \u0627\u0644\u062c\u0648\u060c",
    "\u12dd\u1293\u1265 \u12a8\u1206\u1290\u1363",
    "\u0535\u0569\u0565 \u0561\u0576\u0571\u0580\u0587\u055d",
)
AT_A_QUESTION_MARK = (
    "What time it is?",
    "You know when it's?",
    "It is the what?!",
    "The what ?",
    "Can you?",
    "Should we?",
    "Do I need to?",
    "Do you want me to?",
    "Is the manager in?",
    "Is the heating on?",
    "What documents do I need?",
    "I'm sorry, who?",
    "You need it when?",
    "Wie ist Ihr Name und wann kommen Sie an?",
    "Wann f\u00e4ngt die Live-Show an?",
    "Vul ik het hier of daar in?",
    "What time it is\uff1f",
    "What time it is\u2047",
    "\u00bfQu\u00e9 hora es y?",
    "\u4f55\u6642\u3067\u3059\u304b\uff1f",
    "\u0643\u0645 \u0627\u0644\u0633\u0627\u0639\u0629\u061f",
    "\u03a4\u03b9 \u03ce\u03c1\u03b1 \u03b5\u03af\u03bd\u03b1\u03b9\u037e",
    "\u03a4\u03b9 \u03ce\u03c1\u03b1 \u03b5\u03af\u03bd\u03b1\u03b9;",
    "\u053b\u0576\u0579 \u0567 \u057d\u0561\u055e",
    "\u1235\u1295\u1275 \u1230\u12d3\u1275 \u1290\u12cd\u1367",
)
AT_NO_END = (
    "Do you know where the?",
    "How far is it from?",
    "Can you tell me about?",
    "What is a pot in?",
    "What is the difference between?",
    "Could you explain to me why my?",
    "How much is twelve times seven, and?",
    "What is?",
    "Where's?",
    "Can you, um?",
    "Is it the?.",
    "(Where is the?)",
)
"""The first seven are what Moonshine made of sentences that were cut off there (2026-11-30)."""
WHOLE_AT_A_COMMA = (
    "Who wrote Romeo and Juliet,",
    "Who was Charles Dickens,",
    "What is a pod,",
    "Well, how much does it cost,",
    "Where can I park,",
)
"""The first two are Moonshine's, of questions that were asked whole."""
CUT_AT_A_COMMA = (
    "When I come home,",
    "When Anna is home,",
    "What if it is raining,",
    "What happened was bad,",
    "In which case it is better,",
    "Who are you? My name is John,",
    "Hello, how are you? My flight to Boston,",
    "Where is my order? I ordered it on Monday,",
    "When the train stops,",
    "What I want,",
    "How many people,",
    "Which hotel,",
    "What is the,",
    "Is it far,",
)
MARKED_AND_WHOLE = (
    "F\u00e4ngt das live an?",
    "You are?",
    "Who is?",
    "Who can?",
    "Who wrote it,",
    "What is it,",
    "Who was the director,",
    "Who wrote it,.",
    "Who am I,",
    "Who wrote it.,",
    "Hello. I see. Who wrote it,",
    "I see. Who wrote it,",
    "Great! Who wrote it,",
    "I see\u2026 Who wrote it,",
    ",",
    "?",
    "...",
)
MARKED_AND_CUT = (
    "What are you going to?",
    "Is it from?",
    "Do you live in?",
    "What do they?",
    "Where can I?",
    "Who you are,",
    "Who you know,",
    "How many people we have,",
)


@pytest.mark.parametrize("text", AT_A_COMMA)
def test_a_comma_reads_unfinished_in_every_language(text: str) -> None:
    """Nobody ends at a comma, whatever the word before it and what closes behind it."""
    assert reads_unfinished(text)


@pytest.mark.parametrize("text", AT_A_QUESTION_MARK)
def test_a_question_mark_finishes_what_may_be_a_question(text: str) -> None:
    """A question is not kept waiting for its last word: "What time it is?" was held for "is"."""
    assert not reads_unfinished(text)


@pytest.mark.parametrize("text", AT_NO_END)
def test_a_question_mark_finishes_no_fragment(text: str) -> None:
    """A recogniser ends what begins like a question with such a mark, wherever the speaker pauses."""
    assert reads_unfinished(text)


@pytest.mark.parametrize("text", WHOLE_AT_A_COMMA)
def test_a_whole_question_does_not_wait_at_a_comma(text: str) -> None:
    """A recogniser's comma keeps no question waiting that has its verb and ends where it may."""
    assert not reads_unfinished(text)


@pytest.mark.parametrize("text", CUT_AT_A_COMMA)
def test_other_words_wait_at_a_comma(text: str) -> None:
    """A clause that only begins like a question, and one whose verb is still to come, are held."""
    assert reads_unfinished(text)


@given(st.sampled_from(OTHER_LANGUAGES), st.sampled_from(ENDINGS), st.sampled_from(",?"))
def test_elsewhere_the_last_mark_decides(text: str, ending: str, mark: str) -> None:
    """Where no words are known, a comma holds whatever was said before, and what says nothing may stand behind it."""
    assert reads_unfinished(f"{text}{mark}{ending}") == (mark == ",")


@given(st.sampled_from(FRAGMENTS), st.sampled_from(ENDINGS))
def test_an_english_fragment_waits_at_a_comma(text: str, ending: str) -> None:
    """What the words hold, a comma does not finish."""
    assert reads_unfinished(f"{text},{ending}")


@given(st.sampled_from(COMPLETE), st.sampled_from(ENDINGS))
def test_a_complete_question_has_its_mark(text: str, ending: str) -> None:
    """What the words let go, a question mark does not hold."""
    assert not reads_unfinished(f"{text}?{ending}")


@pytest.mark.parametrize("text", MARKED_AND_WHOLE)
def test_a_mark_behind_a_whole_question_ends_it(text: str) -> None:
    """A question of few words is answered, whatever stands before it and behind it; marks alone do not wait."""
    assert not reads_unfinished(text)


@pytest.mark.parametrize("text", MARKED_AND_CUT)
def test_a_mark_behind_a_cut_question_does_not_end_it(text: str) -> None:
    """A recogniser's mark does not end what has a subject or a preposition last, or no verb of a question."""
    assert reads_unfinished(text)
