"""Where an utterance reads as if more were to come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.turn.text.announced import awaits_digits
from voice_gateway.turn.text.unfinished import reads_unfinished

COMPLETE = (
    "To whom am I speaking?",
    "In which city are you in?",
    "What are you looking for?",
    "Where is it from?",
    "Who are you?",
    "Yes I am",
    "I think so",
    "Can you turn it on",
    "What is it made of",
    "Come in",
    "Is it",
    "How are you?",
    "What is a pod in Kubernetes?",
    "What is twelve times seven?",
    "Thank you. Goodbye.",
    "Yes.",
    "No, I don't.",
    "I don't know where it is.",
    "Tell me what it was.",
    "What time is it?",
    "How tall is he?",
    "What do you have?",
    "Where have you been?",
    "What should I do?",
    "How long will it be?",
    "Please turn the light on.",
    "How do I log in?",
    "I'll be there at 9 am.",
    "That is what I asked for.",
    "I don't want to.",
    "Yes, I'd love to.",
    "As soon as I can.",
    "Of course you can.",
    "So do I.",
    "Who is she with?",
    "What is the song about?",
    "Which hotel are you staying in?",
    "Who should I talk to?",
    "Hold on.",
    "What's going on?",
    "I have nothing to talk about.",
    "Where are you from?",
    "No, it wasn't.",
    "What is this button for?",
    "You like it, don't you?",
    "Is there anyone I can talk to?",
    "In May.",
    "The way it is.",
    "What for?",
    "How long for?",
    "My zip code is 94107.",
    "My phone number is 415 555 1234",
    "I have been waiting for a while.",
    "Tell me about the capital of France.",
    "My name is Alice.",
    "How much does it cost?",
    "I want to know what you are talking about.",
    "What is the weather like?",
    "I'd like some tea please.",
    "Do you know who he is?",
    "The answer is forty two.",
    "I hope it is.",
    "That's all I need.",
    "What can you do?",
    "What is your name?",
    "Okay then.",
    "Sure, why not?",
    "I live in Hamburg.",
    "Could you say that again?",
    "What's it like?",
    "Who was it?",
    "Where am I?",
    "What else is there?",
    "Let me in.",
    "What's on?",
    "Who is it for?",
    "Wait for me.",
    "Please put it on.",
    "Yes, kind of.",
    "What did you say?",
    "What was the last number you said?",
    "What was that?",
    "Not that I know of",
    "Where do you come from?",
    "What kind of music are you into?",
    "Is it on?",
    "Never mind.",
    "And you?",
    "How about you?",
    "I guess you are.",
)
FRAGMENTS = (
    "I want to",
    "My name is",
    "I would like to book a flight to",
    "Can you tell me the",
    "What is the capital of",
    "I was wondering if",
    "My phone number is",
    "My phone number is 415",
    "My phone number is 415 555",
    "So I went to the store and",
    "Because",
    "Um",
    "I think that we should",
    "Can you",
    "What do you",
    "Tell me about the",
    "I'd like a",
    "I'm looking for",
    "It was the",
    "The problem is",
    "I need to talk to someone about my",
    "Please call me at",
    "We could",
    "I have",
    "Let's",
    "I'm",
    "What's",
    "How do I",
    "Where can I",
    "Who is the president of",
    "What time does the train leave for",
    "How far is it from",
    "My credit card number is four one one one",
    "The code is 12",
    "I bought apples, oranges and",
    "What do you know about",
    "My order was sent to the wrong address and I",
    "And then",
    "I called because",
    "I don't know if",
    "Is there a",
    "What is the best way to",
    "Do you have any information on",
    "I live in",
    "It's",
    "Yes, but",
    "No, because",
    "When I",
    "If you",
    "I wanted to ask you about",
    "I am a",
    "She told me that I was",
    "There are",
    "You know, um",
    "My account number is 1234",
    "Could you please",
    "Give me the name of",
    "How many people live in",
    "What is the difference between",
    "What about",
    "Well, the",
    "I would like",
    "Where is",
    "How old is",
    "What if",
    "Set a timer for",
    "Remind me to",
    "Send it to my",
    "The meeting is on",
    "Play something by",
    "What kind of",
)
OTHER_LANGUAGES = (
    "Ich bin an",
    "Mach das Licht an",
    "Was ist das",
    "Wo ist er in",
    "Ja, ich will",
    "Was machst du so",
    "Machst du mit",
    "Wie alt bist du",
    "Je suis d'accord",
    "Comment on",
    "Il est au bureau",
    "C'est bon comme",
    "Quiero ir a casa",
    "No me",
    "Donde esta",
    "Che cosa",
    "Va bene cosi in",
    "Tudo bem",
    "Hvor er det at",
    "Hva er det for",
    "Jag bor i",
    "Vad har du for",
    "Hoe laat is het in",
    "Ik ben op",
    "Waar kom je van",
    "Wat wil je",
    "Eu vou para",
    "Ne as",
    "On to",
    "Das war",
    "Es war so",
    "Ich habe es",
    "Sie hat es",
    "Komm her",
    "Danke sch\u00f6n",
    "Guten Morgen",
    "\u00bfQu\u00e9 hora es",
    "O\u00f9 est-il",
    "\u041a\u0430\u043a \u0434\u0435\u043b\u0430",
    "\u4f60\u597d\u5417",
    "\u5143\u6c17\u3067\u3059\u304b",
    "\u092e\u0948\u0902 \u0920\u0940\u0915 \u0939\u0942\u0901",
    "To jest dom na",
    "Ja to mam",
)
MORE_COMPLETE = (
    "What should I be careful of?",
    "Where did this come from?",
    "What are they waiting for?",
    "Who did you go with?",
    "Which one is it in?",
    "I know where it comes from.",
    "Yes it is.",
    "No we haven't.",
    "Can you switch the radio off?",
    "Turn the heating on please",
    "What is it about?",
    "Whose turn is it?",
    "How is she?",
    "What were you up to?",
    "Do I have to?",
    "I used to.",
    "She said she would.",
    "I wish I could.",
    "If you can.",
    "I'm sure you will.",
    "When was that?",
    "How much do I owe you?",
    "What else do you have?",
    "How many are there?",
    "What's the matter with you?",
    "Is anybody in?",
    "What street do you live on?",
    "What does it consist of?",
    "Go on.",
    "Carry on.",
    "It depends.",
    "That's what I was afraid of.",
    "What are you afraid of?",
    "Who does it belong to?",
    "What year was it built in?",
    "Who are they?",
    "What's the weather like today?",
    "Can I come in?",
    "Is the shop open?",
    "What do you suggest?",
    "Nothing I can think of.",
    "Let's move on.",
    "What day is it?",
    "Are you there?",
    "I don't know who you are.",
    "He is taller than I am.",
    "Just a second.",
    "You can count me in.",
    "What did he die of?",
    "I have no idea what it is.",
    "The one I told you about.",
    "What country is it in?",
    "Where should I send it to?",
    "What time do you close?",
    "What time are you open until?",
    "That's it.",
    "I do.",
    "We did.",
    "And what are you doing?",
    "What am I looking at?",
    "No thanks, I'm fine.",
    "Ten a.m.",
    "The password is swordfish.",
    "My order number is 4711.",
    "What is that for?",
    "What do you use it for?",
    "I don't know where that is from",
    "Kind of",
    "Open the can.",
    "It is in the can",
    "It is ten am.",
    "Do you like it, do you",
    "Which of them are you in?",
    "Ask them where they are going to",
)
MORE_FRAGMENTS = (
    "Could you tell me what the",
    "I'd like to order a pizza with",
    "The thing is",
    "My address is",
    "I'm calling about",
    "Please send it to",
    "What is the population of",
    "My name is John and",
    "I think it's because",
    "Book a table for",
    "It starts at",
    "Yesterday we went to the",
    "Do you know if",
    "Do you know where the",
    "I was going to",
    "I have a question about",
    "Can I get a",
    "I need",
    "Would you",
    "How do you",
    "The first one is",
    "You said that the",
    "Is it possible to",
    "When does the",
    "Well, I",
    "My birthday is on",
    "My phone number is 555",
    "My zip code is 94",
    "I lost my card and",
    "Remind me at",
    "I don't think that the",
    "Transfer fifty dollars from",
    "Tell her that I",
    "What happens when",
    "We should",
    "If it rains",
    "He told me he was",
    "So the",
    "Can you book me a flight from",
    "I'm trying to",
    "He has been",
    "They could have",
    "What's the name of",
    "Are there any",
    "I work for",
    "I would like to know how",
    "Either you or",
    "Show me all the",
    "I prefer tea over coffee but",
    "How about",
    "I want some kind of",
    "What is the problem with",
    "Which kind of",
    "Who is a friend of",
)
"""Written after the rules and not used to make them: what share of them is misjudged is what to expect."""
MOST_HELD_SHARE, MOST_MISSED_SHARE = 0.08, 0.10
ENDINGS = ("", ".", "...", "!", " -", "\u2026", '."', ".)")
"""They say nothing."""
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


@pytest.mark.parametrize("text", COMPLETE)
def test_complete_reads_finished(text: str) -> None:
    """A question or an answer does not wait, whichever word it ends in, and without a mark as well."""
    assert not reads_unfinished(text)
    assert not reads_unfinished(text.rstrip("?"))


@pytest.mark.parametrize("text", FRAGMENTS)
def test_fragments_read_unfinished(text: str) -> None:
    """Whoever stops to think in the middle of a sentence is waited for."""
    assert reads_unfinished(text)


@pytest.mark.parametrize("text", OTHER_LANGUAGES)
def test_other_languages_read_finished(text: str) -> None:
    """English endings are also words of other languages, where they hold nothing back."""
    assert not reads_unfinished(text)


def test_new_sentences_are_seldom_misjudged() -> None:
    """Few questions wait, and few fragments are answered, among sentences that the rules were not made from; without
    marks, as small recognisers write.
    """
    held = sum(reads_unfinished(text.rstrip("?")) for text in MORE_COMPLETE)
    assert held <= MOST_HELD_SHARE * len(MORE_COMPLETE)
    missed = sum(not reads_unfinished(text) for text in MORE_FRAGMENTS)
    assert missed <= MOST_MISSED_SHARE * len(MORE_FRAGMENTS)


@given(st.sampled_from((*COMPLETE, *FRAGMENTS)), st.sampled_from(ENDINGS), st.booleans())
def test_full_stops_and_case_do_not_count(text: str, ending: str, is_loud: bool) -> None:  # noqa: FBT001  drawn
    """Small recognisers end every fragment with a full stop or three dots."""
    other = text.rstrip(".?") + ending
    assert reads_unfinished(other.upper() if is_loud else other) == (text in FRAGMENTS)


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


@given(st.text())
def test_any_text_has_a_verdict(text: str) -> None:
    """No text breaks the judgement, and marks alone are complete."""
    assert reads_unfinished(text) in {True, False}
    assert not reads_unfinished("".join(char for char in text if not char.isalnum()))


@given(
    st.lists(st.sampled_from(sorted({word for text in (*COMPLETE, *FRAGMENTS) for word in text.split()})), max_size=9)
)
def test_any_english_words_have_a_verdict(words: list[str]) -> None:
    """However words are strung together, a verdict comes, and "and" after them waits."""
    assert reads_unfinished(" ".join([*words, "and"]))
    assert reads_unfinished(" ".join(words)) in {True, False}


@pytest.mark.parametrize(
    ("text", "is_awaited"),
    [
        ("my phone number is four one five", True),
        ("my phone number is 415 555 123", True),
        ("my phone number is 415 555 1234", False),
        ("my number is um 415 dash", True),
        ("the area code is 41", True),
        ("the area code is 415", False),
        ("my zip code is 941", True),
        ("it's a card number 4111 1111 1111", True),
        ("my card number is 4111 1111 1111 1111", False),
        ("my account number is 1234567", True),
        ("my account number is 12345678", False),
        ("the code is 123", True),
        ("the code is 1234", False),
        ("the answer is 42", False),
        ("415", False),
        ("my phone number", False),
        ("my phone cost 415", False),
        ("", False),
    ],
)
def test_announced_digits(text: str, is_awaited: bool) -> None:  # noqa: FBT001  one of the pair
    """A number whose kind was announced is waited for until it has that kind's fewest digits."""
    assert awaits_digits(text.split()) is is_awaited
