"""Cuts a growing text into sentences for speech, as early as is safe.

A sentence ends at `.`, `!`, `?` or `...` before white space, at the full stops of scripts that need no space behind
them, and at a line break. It does not end after an abbreviation, an initial, a list number, or inside a number, an
address or a name ("3.14", "example.com", "Node.js"); where a space was forgotten ("Hello.World") it does. So that the
first sound comes early, the first sentence may already end at a clause mark once it is long enough; so that synthesis
stays bounded, no sentence grows without end.

Every decision needs a bounded piece of the text ahead, and waits for it. So it does not matter how the text is cut into
pieces, and each piece costs its own length and at most one window.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FIRST_CLAUSE_CHARS = 40
"""A first clause shorter than this is not cut off: spoken alone it sounds broken."""
LONGEST_CHARS = 400
"""Longest sentence handed to synthesis: Riva's offline TTS takes 20 s of audio a request, at about 15 characters/s."""
LONGEST_SPACE_CHARS = 40
"""White space before a sentence beyond this is dropped: a model that fell into writing line breaks says nothing."""

_AHEAD_CHARS = 64
"""At most this many characters behind a mark decide whether it ends a sentence: more than a word has."""
_BEHIND_CHARS = 64
"""At most this many characters before a mark decide whether it ends a sentence: more than any abbreviation, list number
or name has."""

_NEVER_LAST = frozenset(
    (  # noqa: SIM905  lines of words read better than a list of strings
        "mr mrs ms dr prof st mt rev gen col sgt capt lt hon jr sr vs nos vol fig eq ca approx dept est e.g i.e cf "
        "al jan feb mar apr jun jul aug sep sept oct nov dec bzw z.b d.h u.a usw nr sra srta ud uds p.ej ej ee mme mlle"
    ).split()
)
"""Abbreviations that do not end a sentence, without their last full stop, in small letters."""
_MAYBE_LAST = frozenset("etc inc ltd co corp ph.d uu".split())  # noqa: SIM905  as above
"""Abbreviations that may end a sentence: they do when a capital letter follows."""
_BEFORE_NUMBER = frozenset(
    "no rs pp pg p\u00e1g n\u00fam tel art abs kap cap bd ch sec".split()  # noqa: SIM905  as above
)
"""Words and abbreviations that end a sentence unless a number or a small letter follows: "no.", but "no. 5"."""
_STREET = "str"
"""Names of German streets end like this, as "Hauptstr." does."""
_MONTHS = frozenset(
    (  # noqa: SIM905  as above
        "januar j\u00e4nner februar m\u00e4rz april mai juni juli august september oktober november dezember"
    ).split()
)
"""Only German has a capital letter behind the number of a day that ends in a full stop: "Am 3. Oktober"."""
_OPENERS_OF_SENTENCES = frozenset(
    (  # noqa: SIM905  as above
        "it it's its the this that that's these those he she they we you i i'm then there but and so if when what who "
        "how why where in on at for as please yes no es er sie wir dann und aber il elle ils c'est el los las pero"
    ).split()
)
"""These are no surnames, so that a letter before them is no initial, as in "vitamin C. It"."""
_NAME_ENDS = frozenset(
    (  # noqa: SIM905  as above
        "com org net edu gov io js ts md py tsx jsx rs vue cpp rb kt php sql html css scss xml json yaml yml toml csv "
        "txt pdf exe dll ini"
    ).split()
)
"""What follows a full stop inside a name, whatever its capitals: ASP.Net, Booking.Com, Node.Js."""

_DOTTED_INITIALS = re.compile(r"(?:[^\W\d_]\.)++[^\W\d_]")
"""U.S., D.C., p.m.: they may end a sentence, too."""
_CLOSERS = "\"'\u2019\u201d\u00bb\u203a)\\]*_`\u300d\u300f\u3011\uff09\u300b"
_SPACED = ".!?\u2026\u203c\u2047-\u2049"
"""Full stops that also stand inside of numbers and names, so that white space or a capital letter must follow."""
_UNSPACED = (
    "\u3002\uff01\uff1f\uff61\uff0e"  # Chinese and Japanese
    "\u0964\u0965"  # Devanagari and its neighbours: danda, double danda
    "\u061f\u06d4"  # Arabic question mark, Urdu full stop
    "\u0589"  # Armenian; its question and exclamation marks stand inside of words, and end nothing
    "\u1362\u1367\u1368"  # Ethiopic full stop, question mark, paragraph
    "\u17d4\u17d5\u104b\u0f0d\u0f0e"  # Khmer, Myanmar, Tibetan
    "\u037e"  # Greek question mark
)
_WIDE_STOP = "\uff0e"
"""It is a decimal point between digits."""
_ALWAYS_OPENING = "\u00bf\u00a1\u201e"
_MAYBE_OPENING = "\u00ab\u2039\u201c\u2018\u00bb\u203a"
"""They open before a letter; some languages close with them."""
_END = rf"[{_SPACED}]++[{_CLOSERS}]*+|[{_UNSPACED}]++[{_CLOSERS}]*+|\n|(?<=[\u0370-\u03ff\u1f00-\u1fff]);"
"""The last is the question mark of Greek as it is typed."""
_CLAUSE = (
    "[,;:\u2013\u2014\u060c\u061b\u055d](?=\\s)|\\s[\u2013\u2014-](?=\\s)"
    "|[\uff0c\uff1b\uff1a\u1363-\u1366\u104a](?!\\d)"
)
_ENDS = re.compile(_END)
_ENDS_AND_CLAUSES = re.compile(f"{_END}|(?P<clause>{_CLAUSE})")
_CLAUSES = re.compile(_CLAUSE)
_INK = re.compile(r"\S")
_SPACE = re.compile(r"\s")
_LAST_CLAUSE = re.compile("(?<=[^\\W\\d_])[,;\u060c\u061b\u055d]\\Z")
"""A clause mark behind a letter at the very end: white space follows it nearly always, as a colon or a dash may stand
within a word."""
_WORD = re.compile(r"[^\W_]++(?:['\u2019][^\W_]++)?")
_DAY_DIGITS = 2
_NO_LETTER = re.compile(r"[\W\d_]")
_CODE = re.compile(r"\(|\.[^\W\dA-Z_]")
"""Follows a name in a program: `System.Out.println`, `Console.Write(`."""
_NO_SENTENCE = re.compile(r"[@/\\=&_]")
"""Stand in addresses, paths and code: nothing in a run with one of these ends a sentence without white space."""


@dataclass(frozen=True, slots=True)
class OpenEnd:
    """A text up to a mark of which it is open whether it ends the sentence."""

    text: str
    looks_ended: bool
    """Whether the mark stands at the very end, and would end the sentence before white space without any doubt."""


@dataclass(slots=True)
class SentenceSplitter:
    """Takes text piece by piece, gives sentences; their concatenation is the text.

    White space is left out at its end, and beyond `LONGEST_SPACE_CHARS` in a row before a sentence.
    """

    _rest: str = field(default="", init=False)
    _looked_at: int = field(default=0, init=False)
    """Nothing before this place of `_rest` ends a sentence."""
    _is_first: bool = field(default=True, init=False)

    def feed(self, text: str) -> list[str]:
        """Sentences that are complete now, each with the white space before it and one character of that after it."""
        return list(self._sentences(self._rest + text, is_all=False))

    def open_end(self) -> OpenEnd | None:
        """The sentence that is not complete, up to the mark that may end it; None: there is no such mark."""
        ink = _INK.search(self._rest)
        if ink is None:
            return None
        window = _Window(self._rest, ink.start(), is_all=False)
        return window.open_end(max(self._looked_at, ink.start()), is_first=self._is_first)

    def finish(self) -> list[str]:
        """What is left."""
        sentences = list(self._sentences(self._rest, is_all=True))
        if self._rest.strip():
            sentences.append(self._rest)
        self._rest, self._looked_at = "", 0
        return sentences

    def _sentences(self, text: str, *, is_all: bool) -> Iterator[str]:
        start, looked_at = 0, self._looked_at
        while True:
            ink = _INK.search(text, start)
            if ink is None:
                self._rest, self._looked_at = text[start : start + LONGEST_SPACE_CHARS], 0
                return
            space = text[start : min(ink.start(), start + LONGEST_SPACE_CHARS)]
            window = _Window(text, ink.start(), is_all)
            end, looked_at = window.end(max(looked_at, ink.start()), is_first=self._is_first)
            if end is None:
                self._rest = space + text[ink.start() :]
                self._looked_at = looked_at - ink.start() + len(space)
                return
            yield space + text[ink.start() : end]
            start = looked_at = end
            self._is_first = False


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of a text in which a sentence that begins at `start` must end."""

    text: str
    start: int
    is_all: bool
    """Whether no more text will come."""

    def end(self, looked_at: int, *, is_first: bool) -> tuple[int | None, int]:
        """Where the sentence ends, white space included; None while that is open. And where to go on looking."""
        text, last = self.text, self.start + LONGEST_CHARS
        pattern = _ENDS_AND_CLAUSES if is_first else _ENDS
        for match in pattern.finditer(text, looked_at, last):
            looked_at = match.start()
            is_end = self._is_end(match)
            if is_end is None:
                return None, looked_at
            if is_end:
                return self._after_space(match.end()), match.end()
            looked_at = match.end()
        if len(text) > last:
            return self._forced_end(last), last
        # a clause mark may stand at the very end, or a dash with the space before it
        return None, max(looked_at, len(text) - 2)

    def open_end(self, looked_at: int, *, is_first: bool) -> OpenEnd | None:
        """The text up to the first mark from there on, which is the one that is open; None: there is none."""
        last = self.start + LONGEST_CHARS
        match = (_ENDS_AND_CLAUSES if is_first else _ENDS).search(self.text, looked_at, last)
        if match is not None:
            return OpenEnd(self.text[: match.end()], match.end() == len(self.text) and self._looks_ended(match))
        is_long = FIRST_CLAUSE_CHARS <= len(self.text) - self.start <= LONGEST_CHARS
        is_clause = is_first and is_long and _LAST_CLAUSE.search(self.text, looked_at) is not None
        return OpenEnd(self.text, looks_ended=True) if is_clause else None

    def _looks_ended(self, match: re.Match[str]) -> bool:
        """Whether the mark at the very end would end the sentence before white space, whatever follows that.

        Marks alone are no sentence that anybody waits for.
        """
        mark, start, end = match.group(), match.start(), match.end()
        if _WORD.search(self.text, self.start, start) is None:
            return False
        is_after_digit = self.text[:start][-1:].isdecimal()
        if match.lastgroup == "clause":
            return end >= self.start + FIRST_CLAUSE_CHARS and not is_after_digit
        if mark[0] in _UNSPACED:
            return not (mark == _WIDE_STOP and is_after_digit)
        word = self._word_before(start)
        if word.startswith("www.") or _NO_SENTENCE.search(word) or mark == "..":
            return False
        if mark == "." and (is_after_digit or (len(word) == 1 and word.isalpha())):
            return False
        return self._ends_before_space(mark, start, end, word) is True

    def _is_end(self, match: re.Match[str]) -> bool | None:
        """Whether the mark ends the sentence; None while the text that decides has not come."""
        text, mark, end = self.text, match.group(), match.end()
        if mark == "\n":
            return True
        if end == len(text) and not self.is_all:
            return None
        if match.lastgroup == "clause":
            return end >= self.start + FIRST_CLAUSE_CHARS
        following = text[end : end + 1]
        if mark[0] in _UNSPACED:
            return not (mark == _WIDE_STOP and following.isdecimal())
        word = self._word_before(match.start())
        if not following or following.isspace():
            return self._ends_before_space(mark, match.start(), end, word)
        if following in _ALWAYS_OPENING or following in _MAYBE_OPENING:
            return self._ends_before_quote(mark, match.start(), end, word)
        if mark == ";" or not following.isupper():
            return False
        return self._ends_without_space(mark, match.start(), end, word)

    def _ends_before_space(self, mark: str, start: int, end: int, word: str) -> bool | None:
        if mark != ".":
            return True
        if word in _NEVER_LAST or self._is_list_number(start, word):
            return False
        if len(word) == 1 and word.isalpha():
            return self._ends_with_letter(self.text[start - 1], end)
        if word in _MAYBE_LAST or _DOTTED_INITIALS.fullmatch(word):
            following = self._next_word(end, is_whole=False)
            return None if following is None else not following or following[0].isupper()
        if word in _BEFORE_NUMBER or word.endswith(_STREET):
            following = self._next_word(end, is_whole=False)
            return None if following is None else not (following[:1].isdecimal() or following[:1].islower())
        if word.isdecimal() and len(word) <= _DAY_DIGITS:
            following = self._next_word(end, is_whole=True)
            return None if following is None else not (following[:1].islower() or following.lower() in _MONTHS)
        return True

    def _ends_with_letter(self, letter: str, end: int) -> bool | None:
        """Whether a sentence ends with a single letter: with the pronoun, and where no name goes on."""
        if letter == "I" or not letter.isupper():
            return letter == "I"
        following = self._next_word(end, is_whole=True)
        return None if following is None else following.lower() in _OPENERS_OF_SENTENCES

    def _ends_before_quote(self, mark: str, start: int, end: int, word: str) -> bool | None:
        if mark == ";":
            return False
        if self.text[end] in _MAYBE_OPENING:
            if end + 1 == len(self.text):
                return False if self.is_all else None
            if not self.text[end + 1].isalpha():
                return False
        return self._ends_before_space(mark, start, end, word)

    def _next_word(self, end: int, *, is_whole: bool) -> str | None:
        """The word that follows there, if one does in the same line; None while it may go on, or has not come.

        `is_whole`: its first character is not enough.
        """
        ahead = self.text[end : end + _AHEAD_CHARS]
        if "\n" in ahead[: len(ahead) - len(ahead.lstrip())]:
            return ""
        is_all = self.is_all or len(ahead) == _AHEAD_CHARS
        word = _WORD.search(ahead)
        if word is None:
            return "" if is_all else None
        return None if is_whole and word.end() == len(ahead) and not is_all else word[0]

    def _ends_without_space(self, mark: str, start: int, end: int, word: str) -> bool | None:
        """Whether a space was forgotten between two sentences: before a capital letter, and in no address or name."""
        ahead = self.text[end : end + _AHEAD_CHARS]
        space = _SPACE.search(ahead)
        if space is None and len(ahead) < _AHEAD_CHARS and not self.is_all:
            return None
        run = ahead[: space.start()] if space else ahead
        name = _NO_LETTER.split(run, maxsplit=1)[0]
        is_sentence = name in {"I", "A"} or (len(name) > 1 and name[1:].islower())
        is_name = name.casefold() in _NAME_ENDS or _NO_SENTENCE.search(word + run) or _CODE.match(run, len(name))
        if not is_sentence or is_name:
            return False
        if mark[0] != ".":
            return True
        is_word = len(word) > 1 and word[-1].isalpha() and word not in _NEVER_LAST
        is_last = is_word and not (_DOTTED_INITIALS.fullmatch(word) or word.startswith("www."))
        is_number = word[-1:].isdecimal() or word[-1:] == "%"
        is_amount = is_number and not any(map(str.isalpha, word))
        return is_last or (is_amount and not self._is_list_number(start, word))

    def _word_before(self, at: int) -> str:
        before = self.text[max(self.start, at - _BEHIND_CHARS) : at]
        if not before or before[-1].isspace():
            return ""
        return before.split()[-1].lstrip("(\"'*_[").lower()

    def _is_list_number(self, dot: int, word: str) -> bool:
        if not word.isdecimal():
            return False
        before = self.text[self.start : dot].removesuffix(word).rstrip()
        return not before or before.endswith(":") or self._goes_on(before, word)

    def _goes_on(self, before: str, word: str) -> bool:
        """Whether the number before this one in a list has come: "1. Ham 2. Eggs"."""
        return len(word) <= _DAY_DIGITS and f" {int(word) - 1}. " in f" {before} "

    def _after_space(self, end: int) -> int:
        return end + (self.text[end - 1] != "\n" and self.text[end : end + 1].isspace())

    def _forced_end(self, last: int) -> int:
        marks = [match.end() for match in _CLAUSES.finditer(self.text, self.start, last)]
        space = self.text.rfind(" ", self.start, last)
        return self._after_space(marks[-1]) if marks else (space + 1 or last)
