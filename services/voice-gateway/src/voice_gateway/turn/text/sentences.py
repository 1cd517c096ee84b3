"""Cuts a growing text into sentences for speech, as early as is safe.

A sentence ends at `.`, `!`, `?` or `...` before white space, at CJK full stops, and at a line break. It does not end
after an abbreviation, an initial, a list number, or inside a decimal number. So that the first sound comes early, the
first sentence may already end at a clause mark once it is long enough; so that synthesis stays bounded, no sentence
grows without end.
"""

import re
from dataclasses import dataclass, field

FIRST_CLAUSE_CHARS = 40
"""A first clause shorter than this is not cut off: spoken alone it sounds broken."""
LONGEST_CHARS = 400
"""Longest sentence handed to synthesis: Riva's offline TTS takes 20 s of audio a request, at about 15 characters/s."""

_NEVER_LAST = frozenset(
    (  # noqa: SIM905  lines of words read better than a list of strings
        "mr mrs ms dr prof st mt rev gen col sgt capt lt hon jr sr vs no nos vol fig eq ca approx dept est e.g i.e cf "
        "al jan feb mar apr jun jul aug sep sept oct nov dec bzw z.b d.h u.a usw nr str sra srta ud uds p.ej mme mlle"
    ).split()
)
"""Abbreviations that do not end a sentence, without their last full stop, in small letters."""
_MAYBE_LAST = frozenset("etc inc ltd co corp ph.d".split())  # noqa: SIM905  as above
"""Abbreviations that may end a sentence: they do when a capital letter follows."""

_DOTTED_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
"""U.S., D.C., p.m.: they may end a sentence, too."""
_END = re.compile(
    r"[.!?\u2026\u0964\u061f\u06d4]+[\"'\u2019\u201d)\]*_]*(?=\s)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]*|\n"
)
_CLAUSE = re.compile(r"[,;:\u2013\u2014](?=\s)|\s[\u2013\u2014-](?=\s)|[\uff0c\uff1b\uff1a]")
_LAST_TOKEN = re.compile(r"\S+$")
_SPACE = re.compile(r"\s*")


@dataclass(slots=True)
class SentenceSplitter:
    """Takes text piece by piece, gives sentences; their concatenation is the text."""

    _rest: str = field(default="", init=False)
    _is_first: bool = field(default=True, init=False)

    def feed(self, text: str) -> list[str]:
        """Sentences that are complete now, each with the white space that follows it."""
        self._rest += text
        sentences = []
        while (end := self._next_end()) is not None:
            sentences.append(self._cut(end))
        return sentences

    def finish(self) -> list[str]:
        """What is left, as one sentence or none."""
        return [self._cut(len(self._rest))] if self._rest else []

    def _cut(self, end: int) -> str:
        sentence, self._rest = self._rest[:end], self._rest[end:]
        self._is_first = self._is_first and not sentence.strip()
        return sentence

    def _next_end(self) -> int | None:
        for match in _END.finditer(self._rest, 0, LONGEST_CHARS):
            verdict = _ends_sentence(self._rest, match)
            if verdict is None:
                break
            if verdict:
                return _after_space(self._rest, match.end())
        return self._first_clause_end() or self._forced_end()

    def _first_clause_end(self) -> int | None:
        if not self._is_first:
            return None
        match = _CLAUSE.search(self._rest, FIRST_CLAUSE_CHARS)
        return _after_space(self._rest, match.end()) if match else None

    def _forced_end(self) -> int | None:
        if len(self._rest) <= LONGEST_CHARS:
            return None
        marks = [match.end() for match in _CLAUSE.finditer(self._rest, 0, LONGEST_CHARS)]
        space = self._rest.rfind(" ", 0, LONGEST_CHARS)
        return _after_space(self._rest, marks[-1]) if marks else (space + 1 or LONGEST_CHARS)


def _after_space(text: str, end: int) -> int:
    match = _SPACE.match(text, end)
    return match.end() if match else end


def _ends_sentence(text: str, match: re.Match[str]) -> bool | None:
    """True or False; None while the text that decides has not come."""
    if match.group() != ".":
        return bool(text[: match.end()].strip())
    token = _LAST_TOKEN.search(text[: match.start()])
    word = token.group().lstrip("(\"'*_[").lower() if token else ""
    if word in _NEVER_LAST or _is_initial(word) or _is_list_number(text, match.start(), word):
        return False
    if word not in _MAYBE_LAST and not _DOTTED_INITIALS.fullmatch(word):
        return True
    following = text[match.end() :].lstrip()
    return following[0].isupper() if following else None


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isalpha() and word != "i"


def _is_list_number(text: str, dot: int, word: str) -> bool:
    before = text[text.rfind("\n", 0, dot) + 1 : dot].removesuffix(word).rstrip()
    return word.isdigit() and (not before or before.endswith(":"))
