"""One form for all spellings of the same words. It tells whether two passes of a recogniser differ, and how."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import Enum

from voice_gateway.turn.text.number_words import ORDINAL, as_digits, is_number_word

_FIGURES = re.compile(r"[\d*^\u00b7\u2212\u2013-]")
"""Without any of these a text has nothing that `_figures_named` changes."""
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_POINT = re.compile(r"(?:(?<=\d)|(?<![\w.]))\.(?=\d)")
_OVER = re.compile(r"(?<=\d)[/\u2044](?=\d)")
_FRACTION = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215f\u2189])")
_POWER = re.compile(r"(?<=\w)(?=[\u00b2\u00b3\u00b9\u2070\u2074-\u2079])(?<![\u00b2\u00b3\u00b9\u2070\u2074-\u2079])")
"""Compatibility forms would make one number of these: "1\u00bd" is not 112, nor 5\u00b2 52."""
_FULL_HOUR = re.compile(r"(?<=\d):00(?!\d)")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_SIGN = re.compile(r"(?<![\w.%)\]\u2013-])[-\u2212\u2013](?=[$\u00a3\u20ac\u20b9\u00a5]?\.?\d)")
_MINUS = re.compile(r"(?<=[\d)])(?:\s{1,8}[-\u2212\u2013]\s{0,8}|\u2212)(?=[\d(])")
_HYPHENED = re.compile(r"(?<!\d)\d++(?:[-\u2010\u2013\u2014]{1,2}+\d++)++")
_HYPHEN = re.compile(r"[-\u2010\u2013\u2014]{1,2}+")
_SUBSCRIBER_DIGITS = [3, 4]
"""Digits in the groups of a North American telephone number without its area code."""
_TIMES = re.compile(r"(?<=[\d)])\s{0,8}[*\u00b7]\s{0,8}(?=[\d(])")
_TO_THE_POWER = re.compile(r"(?<=[\w)])\s{0,8}(?:\^|\*\*)\s{0,8}(?=[\w(-])")
_RATIO = re.compile(r"(?<=\d):(?=\d)(?!\d\d(?!\d))")
"""A colon before two digits is that of a time, which is read without it."""
_SCALED = r"\s++(?:thousand|million|billion|trillion)\b"
_MONEY = re.compile(
    rf"([$\u00a3\u20ac\u20b9\u00a5])\s?(?=\.?\d)(\d*+)(?:\.(\d\d?)(?!\d|{_SCALED}))?((?:\.\d++)?(?:{_SCALED})?)"
)
_MONEY_NAMES = {"$": "dollar", "\u00a3": "pound", "\u20ac": "euro", "\u20b9": "rupee", "\u00a5": "yen"}
_SYMBOLS = {
    "%": " percent ",
    "&": " and ",
    "+": " plus ",
    "=": " equals ",
    "@": " at ",
    "\u00b0": " degree ",
    "$": " dollar ",
    "\u00a3": " pound ",
    "\u20ac": " euro ",
    "\u20b9": " rupee ",
    "\u00a5": " yen ",
    "\u00d7": " times ",
    "#": " number ",
}
"""Other signs of mathematics and currencies stand for themselves."""
_JOINING = "'\u2019\u02bc"
"""Marks inside a word: "don't" is one word."""
_NOUGHT = frozenset(("0", "zero"))
"""May be left out before a point."""
_UNITS = {
    "dollars": "dollar",
    "pounds": "pound",
    "euros": "euro",
    "degrees": "degree",
    "cents": "cent",
    "rupees": "rupee",
}
_SAME_SOUND = {
    **dict.fromkeys(("theyre", "there"), "their"),
    **dict.fromkeys(("to", "too", "two", "2"), "to"),
    **dict.fromkeys(("for", "four", "4"), "for"),
    **dict.fromkeys(("youre",), "your"),
    **dict.fromkeys(("ok",), "okay"),
    **dict.fromkeys(("know",), "no"),
    **dict.fromkeys(("hear",), "here"),
    **dict.fromkeys(("by", "bye"), "buy"),
    **dict.fromkeys(("write",), "right"),
    **dict.fromkeys(("won",), "one"),
    **dict.fromkeys(("doctor",), "dr"),
    **dict.fromkeys(("mister",), "mr"),
    **dict.fromkeys(("versus",), "vs"),
}
_SPELLINGS = (
    (re.compile(r"(?<=[a-z]{2})our(?=s?$|e|i|it)"), "or"),
    (re.compile(r"is(?=e[ds]?$|ing$|ation)"), "iz"),
    (re.compile(r"(?<=[tb])re$"), "er"),
    (re.compile(r"(.)\1"), r"\1"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"grey"), "gray"),
)
"""Enough to tell a British from an American spelling, and a double letter."""


_MOST_CHARS, _MOST_WORDS = 2_400, 480
"""Texts up to this are compared word by word: 160 s of speech in one piece, at 15 characters/s."""
_MOST_GROWN_CHARS = 2 * _MOST_CHARS
_CONTEXT_CHARS = 200
"""At least this many characters before the first difference are compared, too: no number is longer in words."""
_RUN_CHARS = 64
_RUN = re.compile(rf"\S{{1,{_RUN_CHARS}}}|\s+")
_MOST_SOUNDS = 48
"""If more words lie between the first and the last difference, their sounds are not compared: the cost is quadratic."""


class Difference(Enum):
    """How the text that was said differs from the one that was guessed."""

    SAME = "the same words"
    FORMATTING = "numbers, symbols or words of the same sound, written another way"
    MORE_WORDS = "the guess, and words after it"
    CHANGED_WORD = "other words"


def normalised(text: str) -> str:
    """The text without what two passes over the same speech may write differently.

    That is case, punctuation, spacing, compatibility forms (NFKC), and how numbers are written: all become digits, and
    how the digits are grouped is lost ("forty-two", "four two" and "42" are equal). English; letters of any script.
    """
    return _joined(as_digits(_words(text)))


def difference(speculated: str, said: str) -> Difference:
    """How `said`, the committed text, differs from `speculated`, the text that was answered before it was final."""
    if speculated == said:
        return Difference.SAME
    if max(len(speculated), len(said)) > _MOST_CHARS:
        return _long_difference(speculated, said)
    guess, truth = _words(speculated), _words(said)
    if max(len(guess), len(truth)) > _MOST_WORDS:
        return Difference.SAME if guess == truth else _long_difference(speculated, said)
    guess_items, truth_items = as_digits(guess), as_digits(truth)
    joined = _joined(guess_items)
    if joined == _joined(truth_items):
        return Difference.SAME
    if truth[: len(guess)] == guess or _begin_with(truth_items, joined):
        return Difference.MORE_WORDS
    return Difference.FORMATTING if _sound_alike(guess, truth) else Difference.CHANGED_WORD


def _long_difference(speculated: str, said: str) -> Difference:
    return Difference.MORE_WORDS if said.startswith(speculated) else Difference.CHANGED_WORD


def same_words(one: str, other: str) -> bool:
    """Whether the texts have the same normal form.

    Their common beginning is not compared. Texts that differ farther from their ends than `_MOST_CHARS` are different:
    no recogniser revises more than that at once.
    """
    if one == other:
        return True
    begin = _common_begin(one, other)
    one, other = one[begin:], other[begin:]
    if max(len(one), len(other)) > _MOST_CHARS:
        return False
    words, others = _words(one), _words(other)
    if max(len(words), len(others)) > _MOST_WORDS:
        return words == others
    return _joined(as_digits(words)) == _joined(as_digits(others))


def _common_begin(one: str, other: str) -> int:
    """A place well before the first difference, behind white space, up to which the texts are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return one.rfind(" ", 0, max(0, low - _CONTEXT_CHARS)) + 1


def _begin_with(items: Sequence[str], joined: str) -> bool:
    """Whether some first items make that normal form."""
    at = 0
    for item in items:
        piece = _joined([item])
        if not joined.startswith(piece, at):
            return False
        at += len(piece)
        if at == len(joined):
            return True
    return False


def _joined(items: Sequence[str]) -> str:
    """Ordinals stand apart, so that "one second" is not the twelfth."""
    return "".join(f" {item}" if item.endswith(ORDINAL) and item[0].isdecimal() else item for item in items)


def _words(text: str) -> list[str]:
    """Letters and digits in small letters; symbols as their names."""
    is_ascii = text.isascii()
    if is_ascii:
        text = text.lower()
    else:
        text = _compatible(_compatible(_POWER.sub(" power ", _FRACTION.sub(" and ", text))).casefold())
        text = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in text)
    if _FIGURES.search(text) is not None:
        text = _figures_named(text)
    words = (text.translate(_ASCII) if is_ascii else "".join(map(_kept, text))).split()
    return _named_alike([_UNITS.get(word, word) for word in words])


def _figures_named(text: str) -> str:
    """With what is written in figures and signs as it is said."""
    text = _FULL_HOUR.sub("", _ORDINAL.sub(ORDINAL, _GROUPED.sub("", text)))
    text = _SIGN.sub(" minus ", _HYPHENED.sub(_hyphened_named, _MINUS.sub(" minus ", text)))
    text = _TIMES.sub(" times ", _TO_THE_POWER.sub(" power ", _RATIO.sub(" to ", text)))
    return _OVER.sub(" over ", _POINT.sub(" point ", _MONEY.sub(_money_named, text)))


def _compatible(text: str) -> str:
    """Compatibility forms, piece by piece: to sort marks that follow one another takes quadratic time.

    A text that would grow much, as Arabic ligatures of whole sentences do, stays as it is.
    """
    if len(text) <= _RUN_CHARS:
        return unicodedata.normalize("NFKC", text)
    pieces, grown_chars = list[str](), 0
    for piece in _RUN.findall(text):
        pieces.append(unicodedata.normalize("NFKC", piece))
        grown_chars += len(pieces[-1])
        if grown_chars > _MOST_GROWN_CHARS + len(text):
            return text
    return "".join(pieces)


def _money_named(match: re.Match[str]) -> str:
    symbol, whole, hundredths, more = match.groups()
    cents = int((hundredths or "0").ljust(2, "0"))
    return f" {whole or 0}{more} {_MONEY_NAMES[symbol]} {cents or ''}"


def _hyphened_named(match: re.Match[str]) -> str:
    """Telephone numbers and dates are read without their hyphens, other numbers as a range."""
    numbers = _HYPHEN.split(match[0])
    digits = [len(number) for number in numbers]
    is_range = len(digits) == len(_SUBSCRIBER_DIGITS) and digits != _SUBSCRIBER_DIGITS
    return (" to " if is_range else " ").join(numbers)


def _kept(char: str) -> str:
    if char in _SYMBOLS:
        return _SYMBOLS[char]
    if char in _JOINING:
        return ""
    category = unicodedata.category(char)
    if category in {"Sm", "Sc"}:
        return f" {char} "
    return char if category[0] in "LMN" else " "


_ASCII = {code: _kept(chr(code)) for code in range(128)}


def _named_alike(words: Sequence[str]) -> list[str]:
    """Without the words that an amount does not have when it is written in figures."""
    kept: list[str] = []
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        before = kept[-1] if kept else ""
        is_and_cents = word == "and" and before in _MONEY_NAMES.values() and is_number_word(following)
        is_cents = word == "cent" and any(each in _MONEY_NAMES.values() for each in kept[-3:-1])
        if is_and_cents or is_cents or (word == "oclock" and is_number_word(before)):
            continue
        if word == "point" and before in _NOUGHT and not (len(kept) > 1 and is_number_word(kept[-2])):
            kept.pop()
        if word == "cent" and before == "per":
            kept[-1] = "percent"
            continue
        kept.append(word)
    return kept


def _sound_alike(guess: Sequence[str], truth: Sequence[str]) -> bool:
    spelt, said = [_sound(word) for word in guess], [_sound(word) for word in truth]
    shorter = min(len(spelt), len(said))
    begin = next((at for at in range(shorter) if spelt[at] != said[at]), shorter)
    end = next((at for at in range(shorter - begin) if spelt[-1 - at] != said[-1 - at]), shorter - begin)
    guess, spelt = guess[begin : len(guess) - end], spelt[begin : len(spelt) - end]
    truth, said = truth[begin : len(truth) - end], said[begin : len(said) - end]
    if max(len(spelt), len(said)) > _MOST_SOUNDS:
        return False
    matcher = SequenceMatcher(None, spelt, said, autojunk=False)
    return all(
        _is_formatting(guess[i1:i2], truth[j1:j2]) for kind, i1, i2, j1, j2 in matcher.get_opcodes() if kind != "equal"
    )


def _is_formatting(guess: Sequence[str], truth: Sequence[str]) -> bool:
    """A number written on one side and spoken on the other, in words that do not tell which number."""
    is_written = [any(word[0].isdecimal() for word in side) for side in (guess, truth)]
    is_spoken = [any(is_number_word(word) and not word.isdecimal() for word in side) for side in (guess, truth)]
    is_known = all(is_number_word(word) for word in (*guess, *truth))
    is_one_each = (is_written[0] and is_spoken[1]) or (is_written[1] and is_spoken[0])
    return is_one_each and not is_known


def _sound(word: str) -> str:
    for spelling, common in _SPELLINGS:
        word = spelling.sub(common, word)
    return _SAME_SOUND.get(word, word)
