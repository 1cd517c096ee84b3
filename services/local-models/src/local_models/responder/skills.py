"""What the responder can do without knowing anything: one small function each, tried in the order of `SKILLS`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from simpleeval import InvalidExpression, SimpleEval  # type: ignore[import-untyped]  # no type information is shipped

from local_models.responder.words import plain, spoken_number, spoken_ordinal, with_digits

MAX_COUNT = 100
"""Counting further takes minutes and shows nothing new."""
MAX_OPERAND = 10**9
"""Larger numbers cannot be said or heard reliably; it also bounds the work."""
MAX_OPERANDS = 20
"""Nobody says a longer sum; it keeps every result within what a float can hold."""
NOON_HOUR, EVENING_HOUR, HOURS_ON_A_CLOCK = 12, 18, 12

IDENTITY = (
    "I am a small local responder, not a language model. I answer from a short list of facts and a few simple skills."
)
ABILITIES = (
    "I can tell the time, do arithmetic, count, repeat after you, and remember your name."
    " I also know a little about containers, speech, and a few books."
)
UNKNOWN = "I do not know that. I am a small local responder, and I only know a few facts."
TOO_LONG = "That was too long for me. Please say it in fewer words."
NOTHING_SAID = "I have not said anything yet."
NOT_HEARD = "I did not hear any words. Please say that again."


@dataclass(frozen=True, slots=True)
class Ask:
    """What a skill sees: the user's words now, and the conversation before them."""

    text: str
    now: datetime
    earlier_user: tuple[str, ...] = ()
    """The user's earlier messages, oldest first."""
    earlier_replies: tuple[str, ...] = ()
    """The assistant's earlier messages, oldest first."""

    @property
    def words(self) -> str:
        return plain(self.text)


Skill = Callable[[Ask], str | None]
"""Gives the reply, or None when the ask is not for it."""

# ---- names -----------------------------------------------------------------------------------------------------------

_NAME = re.compile(
    r"\b(?:my name is|my name's|call me|i am called|i'm called)\s+(?!not\b|what\b)([^\W\d_][\w'-]*)", re.IGNORECASE
)
_ASK_NAME = re.compile(
    r"\b(?:what(?:'s| is| was)|know|remember|say|tell me) my name\b|\bwho am i\b(?! talking| speaking)"
)


def _name_in(text: str) -> str | None:
    found = (
        None if _ASK_NAME.search(plain(text)) else _NAME.search(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    )
    return found.group(1).removesuffix("'s").capitalize() if found else None


def _known_name(ask: Ask) -> str | None:
    return next((name for text in reversed(ask.earlier_user) if (name := _name_in(text))), None)


def recall_name(ask: Ask) -> str | None:
    if not _ASK_NAME.search(ask.words):
        return None
    name = _known_name(ask)
    return f"Your name is {name}." if name else "You have not told me your name yet."


def learn_name(ask: Ask) -> str | None:
    name = _name_in(ask.text)
    return f"Nice to meet you, {name}. I will remember your name while we talk." if name else None


# ---- saying things again ---------------------------------------------------------------------------------------------

_REPEAT = re.compile(
    r"(?:\brepeat (?:this )?after me\b|\bsay after me\b|\brepeat the (?:words|sentence|following)\b"
    r"|^\W*(?:please )?repeat\b(?! (?:that|it|yourself)\b))[\s,:;.\-]*(?P<words>.*)",
    re.IGNORECASE | re.DOTALL,
)
_AGAIN = re.compile(
    r"\b(?:say|repeat) (?:that|it)(?: again)?\b|\brepeat yourself\b|\bwhat did you (?:just )?say\b"
    r"|\bpardon\b|\bcome again\b"
)

_LAST_SAID = re.compile(
    r"\b(?:what (?:was|is)|tell me|say) the last (?P<what>number|word) (?:that )?you (?:just )?(?:said|say|spoke)\b"
    r"|\bwhere (?:did you stop|were you)\b"
)


def repeat_after_me(ask: Ask) -> str | None:
    found = _REPEAT.search(ask.text)
    if found is None:
        return None
    words = found["words"].strip(" \"'\n")
    if not words:
        return "Please say, repeat after me, and then the words."
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


def say_again(ask: Ask) -> str | None:
    if not _AGAIN.search(ask.words):
        return None
    return ask.earlier_replies[-1] if ask.earlier_replies else NOTHING_SAID


def recall_last(ask: Ask) -> str | None:
    """Say where the last reply ended: all that the user heard of it, when the caller keeps its history truthful."""
    found = _LAST_SAID.search(ask.words)
    if found is None:
        return None
    said = ask.earlier_replies[-1] if ask.earlier_replies else ""
    numbers = _NUMBERS.findall(with_digits(said))
    if found["what"] == "number" and numbers:
        return f"The last number I said was {spoken_number(int(numbers[-1]))}."
    words = plain(said).split()
    return f"The last word I said was {words[-1]}." if words else NOTHING_SAID


# ---- numbers ---------------------------------------------------------------------------------------------------------

_COUNT = re.compile(r"\bcount\b(?P<rest>.*)")
_NUMBERS = re.compile(r"\d+")


def count(ask: Ask) -> str | None:
    """Count aloud; "slowly" gives one sentence to each number, so that there is time to interrupt."""
    found = _COUNT.search(with_digits(ask.words))
    if found is None:
        return None
    numbers = [int(each) for each in _NUMBERS.findall(found["rest"])]
    if not numbers:
        return None
    start, end = (numbers[0], numbers[1]) if len(numbers) > 1 else (1, numbers[0])
    if " down" in found["rest"] and start < end:
        start, end = end, start
    if max(start, end) > MAX_COUNT:
        return f"I can count up to {spoken_number(MAX_COUNT)}."
    step = 1 if start <= end else -1
    said = [spoken_number(each) for each in range(start, end + step, step)]
    if "slow" in ask.words:
        return " ".join(f"{each.capitalize()}." for each in said)
    return ", ".join(said).capitalize() + "."


# Each rewrites a way of asking into operators; a comma-free expression of digits and operators is left.
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:sum of|add) (-?[\d.]+) (?:and|to) (-?[\d.]+)", r"\1 + \2"),
        (r"\b(?:product of|multiply) (-?[\d.]+) (?:and|by|with) (-?[\d.]+)", r"\1 * \2"),
        (r"\bdivide (-?[\d.]+) by (-?[\d.]+)", r"\1 / \2"),
        (r"\bsubtract (-?[\d.]+) from (-?[\d.]+)", r"\2 - \1"),
        (r"(?<=\d) ?(?:percent|%) of (?=-?\d)", " / 100 * "),
        (r"(?<=\d) ?(?:plus|added to) ?(?=-?\d|minus \d|negative \d)", " + "),
        (r"(?<=\d) ?(?:minus|take away|less) ?(?=-?\d|minus \d|negative \d)", " - "),
        (r"(?<=\d) ?(?:times|multiplied by|multiplied with|x|\N{MULTIPLICATION SIGN}) ?(?=-?\d|minus \d)", " * "),
        (r"(?<=\d) ?(?:divided by|over|\N{DIVISION SIGN}) ?(?=-?\d|minus \d|negative \d)", " / "),
        (r"\b(?:minus|negative) (?=\d)", "-"),
    )
)
_EXPRESSION = re.compile(r"-?\d+(?:\.\d+)?(?:\s*[-+*/]\s*-?\d+(?:\.\d+)?)+", re.ASCII)
_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_OPERAND = re.compile(r"\d+(?:\.\d+)?")
_SAID = MappingProxyType({"+": "plus", "-": "minus", "*": "times", "/": "divided by"})


def arithmetic(ask: Ask) -> str | None:
    text = with_digits(ask.text.casefold().replace("?", " "))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    found = _EXPRESSION.search(text)
    if found is None:
        return None
    expression = _LEADING_ZEROS.sub("", found.group())
    operands = _OPERAND.findall(expression)
    if len(operands) > MAX_OPERANDS:
        return TOO_LONG
    if any(float(number) > MAX_OPERAND for number in operands):
        return "Those numbers are too large for me."
    try:
        value = float(SimpleEval(functions={}, names={}).eval(expression))
    except ZeroDivisionError:
        return "Nothing can be divided by zero."
    except InvalidExpression:
        return None
    return _say_sum(expression, value)


def _say_sum(expression: str, value: float) -> str:
    if "/ 100 *" in expression:
        question = f"{spoken_number(float(expression.split(maxsplit=1)[0]))} percent of"
        question += f" {spoken_number(float(expression.rsplit(maxsplit=1)[-1]))}"
    else:
        question = _OPERAND.sub(lambda each: spoken_number(float(each.group())), expression)
        question = re.sub(r"(^|[-+*/]\s)-\s?", r"\1minus ", question)
        question = re.sub(r"\s*([-+*/])\s*", lambda each: f" {_SAID[each.group(1)]} ", question)
    is_about = "about " if round(value, 2) != value else ""
    return f"{question.strip().capitalize()} is {is_about}{spoken_number(value)}."


# ---- clock -----------------------------------------------------------------------------------------------------------

_ASK_TIME = re.compile(
    r"\bwhat time is it\b|\bwhat(?:'s| is) the time\b|\bthe time (?:now|please|is it)\b|\btell me the time\b"
)
_ASK_DATE = re.compile(
    r"\bwhat (?:day|date) is (?:it|today)\b|\bwhat(?:'s| is) (?:the|today's) (?:date|day)\b|\bwhat day of the week\b"
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def tell_time(ask: Ask) -> str | None:
    if not _ASK_TIME.search(ask.words):
        return None
    hour, minute = ask.now.hour, ask.now.minute
    said = spoken_number((hour - 1) % HOURS_ON_A_CLOCK + 1)
    if minute == 0:
        said += " o'clock"
    else:
        said += f" {'oh ' if minute < 10 else ''}{spoken_number(minute)}"  # noqa: PLR2004 - two digits on a clock
    part = "morning" if hour < NOON_HOUR else "afternoon" if hour < EVENING_HOUR else "evening"
    return f"It is {said} in the {part}."


def tell_date(ask: Ask) -> str | None:
    if not _ASK_DATE.search(ask.words):
        return None
    day = spoken_ordinal(ask.now.day)
    return f"Today is {_WEEKDAYS[ask.now.weekday()]}, {_MONTHS[ask.now.month - 1]} {day}."


# ---- manners ---------------------------------------------------------------------------------------------------------

_IDENTITY = re.compile(
    r"\bwho are you\b|\bwhat are you\b|\bwhat(?:'s| is) your name\b|"
    r"\bwho (?:am i|i'm|i am) (?:talking|speaking) (?:to|with)\b|"
    r"\bare you (?:a |an )?(?:real|human|person|robot|machine|computer|large|language model|ai\b|artificial|chat)|"
    r"\bintroduce yourself\b|\btell me about yourself\b"
)
_ABILITIES = re.compile(
    r"\bwhat (?:can|do) you (?:do|know|answer)\b|\bhow can you help\b|\bcan you help me\b|^help(?: me)?$"
)
_WELFARE = re.compile(r"\bhow are you\b|\bhow do you do\b|\bhow's it going\b")
_FAREWELL = re.compile(r"\b(?:good ?bye|bye|see you|farewell|good night|talk to you later)\b")
_THANKS = re.compile(r"\b(?:thanks|thank you|thank)\b")
_GREETING = re.compile(
    r"(?:(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings|there|again|everyone)\b\s*)+"
)
_DROP_IT = re.compile(
    r"(?:(?:please |okay |ok )?(?:stop|wait|never ?mind|be quiet|hold on|cancel)(?: it| that| please)?)"
)


def identify(ask: Ask) -> str | None:
    return IDENTITY if _IDENTITY.search(ask.words) else None


def list_abilities(ask: Ask) -> str | None:
    return ABILITIES if _ABILITIES.search(ask.words) else None


def say_how_it_is(ask: Ask) -> str | None:
    return "I am running well, thank you. What would you like to know?" if _WELFARE.search(ask.words) else None


def stop_talking(ask: Ask) -> str | None:
    return "All right." if _DROP_IT.fullmatch(ask.words) else None


def farewell(ask: Ask) -> str | None:
    if not _FAREWELL.search(ask.words):
        return None
    name = _known_name(ask)
    goodbye = f"Goodbye, {name}." if name else "Goodbye."
    return f"You are welcome. {goodbye}" if _THANKS.search(ask.words) else goodbye


def welcome(ask: Ask) -> str | None:
    return "You are welcome." if _THANKS.search(ask.words) else None


def greet(ask: Ask) -> str | None:
    if not _GREETING.fullmatch(ask.words):
        return None
    name = _known_name(ask)
    return f"Hello{f', {name}' if name else ''}. What would you like to know?"


SKILLS: tuple[Skill, ...] = (
    stop_talking,
    repeat_after_me,
    recall_last,
    say_again,
    recall_name,
    learn_name,
    count,
    arithmetic,
    tell_time,
    tell_date,
    identify,
    list_abilities,
    say_how_it_is,
    greet,
)
"""Tried before the facts: each is sure of what it hears."""

MANNERS: tuple[Skill, ...] = (farewell, welcome)
"""Tried after the facts: "thank you, and what is a pod" is a question."""
