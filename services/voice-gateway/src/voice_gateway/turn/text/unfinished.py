"""Whether the words so far read as if more were to come.

The verdict holds an answer back for `unfinished_hold_ms`, so a complete question must not be taken for a fragment; a
fragment that is taken for complete only costs a reply that is dropped when the speaker goes on.

In English the words decide, and marks only where words leave it open: a question mark finishes what ends in a verb
("What time it is?"), and a comma holds what is no whole question. In other languages a comma reads unfinished, and
everything else finished. A full stop says nothing: small recognisers end every fragment with one, and one that begins
like a question with a question mark (ADR 0046).
"""

import re
from collections.abc import Sequence

from voice_gateway.turn.text.announced import awaits_digits
from voice_gateway.turn.text.number_words import is_number_word
from voice_gateway.turn.text.questions import QUESTION_MARKS
from voice_gateway.turn.text.unfinished_words import (
    ANSWERING,
    ARTICLES,
    ASKING,
    AUXILIARIES,
    BEFORE_INFINITIVE,
    CLAUSE_ENDERS,
    COPULAS,
    DO_WORDS,
    ENGLISH,
    FINITE,
    INDEFINITE,
    JOINING,
    LEADS,
    MODALS,
    NEVER_LAST,
    NOMINATIVES,
    OBJECT_TAKERS,
    ONLY_ENGLISH,
    PARTICLES,
    PREPOSITIONS,
    QUESTION_WORDS,
    SEPARABLE,
    SHORT_OBJECTS,
    SO_ENDERS,
    SUBJECTS,
    THINKING,
)

_WORD = re.compile(r"[^\W_]++(?:'[^\W_]++)*+")
_CONTRACTION = re.compile(r"(i|you|he|she|it|we|they|there|that|this|here|what|who|where|how|when)'(s|re|m|ll|ve|d)")
_LONG_FORMS = {"s": "is", "re": "are", "m": "am", "ll": "will", "ve": "have", "d": "would"}
COMMAS = frozenset(
    ",\u055d\u060c\u07f8\u1363\u1802\u1808\u2e32\u2e34\u2e41\u2e49\u2e4c\u3001\ua4fe\ua60d\ua6f5\ufe10\ufe11\ufe50\ufe51\uff0c\uff64"
    "\U0001144d\U0001145a\U00016e97"
)
"""Of every script that has one (Unicode 16, names with "COMMA"), without letters, symbols and quotation marks."""
_ENOUGH_WORDS = 60
_ENOUGH_CHARS = 1_200
"""At most this many of the last words and characters are read: that bounds the cost, and sentences are shorter."""


def reads_unfinished(text: str) -> bool:
    """Whether the text ends at a comma, where an English sentence cannot stop, or within an announced number."""
    end = _end_of(text)
    said = _words_of(end)
    mark = _last_mark(end)
    if not said or not _is_english(said):
        return bool(said) and mark in COMMAS
    words = _long_forms(said)
    if awaits_digits(said):
        return True
    if mark in QUESTION_MARKS:
        return _is_begun_question(words)
    if _CONTRACTION.fullmatch(said[-1]) or any(rule(words) for rule in _RULES):
        return True
    return mark in COMMAS and not _is_whole_question(_long_forms(_words_of(_last_sentence(end))))


def _end_of(text: str) -> str:
    """The last words; of writing without spaces, the last characters."""
    if len(text) <= _ENOUGH_CHARS:
        return text
    end = text[-_ENOUGH_CHARS:]
    words = end.partition(" ")[2]
    return words if any(map(str.isalnum, words)) else end


def _words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold().replace("\u2019", "'"))[-_ENOUGH_WORDS:]


def _last_sentence(text: str) -> str:
    """What follows the last mark that ends a sentence before the last word."""
    end = next((at for at in range(len(text), 0, -1) if text[at - 1].isalnum()), 0)
    return text[max(text.rfind(mark, 0, end) for mark in (*QUESTION_MARKS, ".", "!", "\u2026")) + 1 : end]


def _last_mark(text: str) -> str:
    """The last comma or question mark behind the last word, before closing quotes, brackets and full stops; or ""."""
    for char in reversed(text):
        if char.isalnum():
            break
        if char in QUESTION_MARKS or char in COMMAS:
            return char
    return ""


def _is_english(said: Sequence[str]) -> bool:
    is_contracted = any(_CONTRACTION.fullmatch(word) for word in said)
    return is_contracted or said[-1] in ONLY_ENGLISH or any(word in ENGLISH for word in said[:-1])


def _long_forms(said: Sequence[str]) -> list[str]:
    """Contractions taken apart; a "please" at the end is said to anything."""
    words = [part for word in said for part in _long_form(word)]
    return words[:-1] if words[-1:] == ["please"] and len(words) > 1 else words


def _long_form(word: str) -> tuple[str, ...]:
    match = _CONTRACTION.fullmatch(word)
    return (match[1], _LONG_FORMS[match[2]]) if match else (word,)


def _ends_amid_phrase(words: Sequence[str]) -> bool:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in NEVER_LAST:
        return True
    if last == "so":
        return bool(before) and before not in SO_ENDERS
    if last == "while":
        return before != "a"
    if last in {"then", "also"}:
        return before in {"and", "but"}
    if last in {"want", "need"}:
        return before in {"i", "we"} and not _may_end_with_verb(words)
    return last in {"when", "where", "who", "which"} and bool(before) and before not in ASKING | LEADS | PREPOSITIONS


def _ends_with_subject(words: Sequence[str]) -> bool:
    """`because I`, `can you`, `what do they`; but not `who are they`, `so do I`, `you like it, do you`."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last not in SUBJECTS - {"this", "that", "there"} or not before:
        return False
    if before in MODALS | DO_WORDS or before in {"have", "has", "had"}:
        asked = _without_lead(words[:-2])
        return not asked or asked[-1] in QUESTION_WORDS
    if before in COPULAS:
        return False
    return before in JOINING - {"as", "than", "and", "before", "after", "so"} or (
        last in NOMINATIVES and before not in {"than", "as", "not"}
    )


def _ends_with_auxiliary(words: Sequence[str]) -> bool:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in DO_WORDS:
        return before in QUESTION_WORDS
    if last not in AUXILIARIES or not before:
        return False
    if (last == "am" and is_number_word(before)) or (last == "may" and before in {"in", "of", "last", "next", "until"}):
        return False
    if last in {"can", "will"} and before in ARTICLES:
        return False
    if last in {"be", "have", "been", "had", "has"} and _is_question(words):
        return False
    return not _may_end_with_verb(words)


def _may_end_with_verb(words: Sequence[str]) -> bool:
    """Whether a clause may end with the verb that is last, as in `yes I am`, `I think it is`, `tell me what it was`."""
    lead = words[:-2]
    if words[-2] in SUBJECTS and (set(lead[-1:]) & (ANSWERING | THINKING | CLAUSE_ENDERS | INDEFINITE)):
        return lead[-1] not in QUESTION_WORDS or len(lead) > 1
    asked = _indirect_question(words)
    return len(asked) > 2 and asked[1] not in COPULAS | DO_WORDS  # noqa: PLR2004  the question word, a subject, the verb


def _ends_with_preposition(words: Sequence[str]) -> bool:
    last = words[-1]
    if last not in PREPOSITIONS:
        return False
    return not (_is_stranded(words) or _is_particle(words) or _is_answer(words))


def _is_particle(words: Sequence[str]) -> bool:
    """`come in`, `turn the light on`, `put it on`, `is it on`."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if before in PARTICLES.get(last, ()) or SEPARABLE.get(last, frozenset()) & {*words[:-1]}:
        return True
    if before in SHORT_OBJECTS and "put" in words:
        return True
    return last in {"on", "in"} and len(words) > 2 and {words[-3], before} <= COPULAS | SUBJECTS  # noqa: PLR2004  both


def _is_answer(words: Sequence[str]) -> bool:
    """`kind of`, `yes I'd like to`, `no I don't want to`, `I have nothing to talk about`."""
    if words[-2:] in (["kind", "of"], ["sort", "of"]):
        return not _without_lead(words[:-2])
    if words[-2:] == ["have", "to"] and words[0] in DO_WORDS:
        return True
    is_infinitive = words[-1] == "to" and set(words[-2:-1]) & BEFORE_INFINITIVE
    if is_infinitive:
        return words[0] in ANSWERING or any(word.endswith("n't") or word == "not" for word in words)
    is_clause = words[0] == "not" or bool(INDEFINITE & {*words[:-3]})
    return is_clause and len(words) > 3 and words[-3] in {"to"} | MODALS | SUBJECTS  # noqa: PLR2004  what and two more


def _is_stranded(words: Sequence[str]) -> bool:
    """Whether the question word belongs behind the preposition that is last: `what are you looking for`."""
    asked = _question(words) or _indirect_question(words)
    if not asked:
        return False
    word, last, before = asked[0], asked[-1], asked[-2]
    if len(asked) == 2:  # noqa: PLR2004  the question word and the preposition: "what for", "where to"
        return last not in {"about", "as", "like", "than"}
    if last == "like":
        return before not in {"would", "looks", "look"} or word == "what"
    if word in {"how", "when", "why"}:
        return word == "how" and asked[1] == "long" and last == "for"
    if (asked[1] == "time" and last != "until") or (last == "to" and before in BEFORE_INFINITIVE):
        return False
    return before not in OBJECT_TAKERS and not _follows_noun(asked)


def _follows_noun(asked: Sequence[str]) -> bool:
    """Whether the preposition belongs to a noun with an article: `the capital of`; but `what is the book about`."""
    last = asked[-1]
    for distance, word in enumerate(reversed(asked[:-1])):
        if word in SUBJECTS or word == "made" or word.endswith(("ing", "ed")):
            return False
        if word in ARTICLES and distance:
            is_of_person = last == "from" and asked[0] in {"who", "where"}
            return not ((last == "about" or is_of_person) and asked[1] in COPULAS)
        if word in {"kind", "sort", "many", "some", "which"}:
            return True
    return False


def _is_begun_question(words: Sequence[str]) -> bool:
    """Whether words cannot end where they do, although a question mark follows: `how far is it from`, `what is`.

    Not `is the manager in`, `do I have to`, `can you`, and whatever ends in a verb.
    """
    first, last = words[0], words[-1]
    if not ENGLISH & {*words[:2]}:  # one English word in the midst of another language
        return False
    if last in NEVER_LAST:
        return True
    if first in FINITE and (last == "to" or (last in {"in", "on"} and first in COPULAS)):
        return False
    if len(words) == 2:  # noqa: PLR2004  the question word and its verb
        return first in QUESTION_WORDS - {"who"} and last in FINITE
    return _ends_with_preposition(words) or _ends_with_subject(words)


def _is_whole_question(words: Sequence[str]) -> bool:
    """`who wrote it`, `what is a pod`; but not `when Anna is home`, `how many people`: no verb of a question."""
    asked = _question(words)
    if len(asked) < 3:  # noqa: PLR2004  the question word, its verb, and what is asked
        return False
    if asked[0] == "who":
        return asked[1] not in SUBJECTS | ARTICLES
    return bool(FINITE & {*asked[1 : 4 if asked[0] == "how" else 2]})


def _is_question(words: Sequence[str]) -> bool:
    return bool(_question(words))


def _question(words: Sequence[str]) -> Sequence[str]:
    """The question without what was said before its question word; empty when no question word begins it."""
    rest = _without_lead(words)
    while rest and rest[0] in PREPOSITIONS:
        rest = rest[1:]
    return rest if rest and rest[0] in QUESTION_WORDS and len(rest) > 1 else ()


def _indirect_question(words: Sequence[str]) -> Sequence[str]:
    """What follows `tell me`, `I know`, `that is`, from the question word on."""
    for at in range(len(words) - 2, 0, -1):
        if words[at] in QUESTION_WORDS and words[at - 1] in ASKING:
            return words[at:]
    return ()


def _without_lead(words: Sequence[str]) -> Sequence[str]:
    at = 0
    while at < len(words) and words[at] in LEADS:
        at += 1
    return words[at:]


_RULES = (_ends_amid_phrase, _ends_with_subject, _ends_with_auxiliary, _ends_with_preposition)
