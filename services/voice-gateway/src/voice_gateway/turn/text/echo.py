"""What of a transcript is the agent's own voice coming back, and what the user said.

Recognisers garble echo: they mishear words, invent what was cut off at the edges, and write numbers in figures. So the
words that the transcript shares with what was spoken, or nearly shares, are joined into chains: runs in the same order
with few words between. What is said before the first chain or behind the last is the user's, unless it is too short for
that. What stands between two chains is taken for echo that was garbled beyond likeness, but for a word that the user
calls out ("stop", "no"), and what follows it.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from voice_gateway.turn.text.number_words import as_digits, is_number_word
from voice_gateway.turn.text.stop_words import is_stop

_RECENT_WORDS = 6
"""A single word is compared with this many of the last words spoken: about two seconds of speech."""
_REACH = 4
"""Fewer words than this may stand between two links of a chain, on either side: what a recogniser garbles at once."""
_WEIGHT, _SHORT_WEIGHT, _SHORT_CHARS = 1.0, 0.5, 3
"""Short words are in every sentence, so they prove less."""
_HEARD_COST, _SPOKEN_COST = 0.25, 0.15
"""Per word between two links: near links win, and two short words do not bridge what the user said between them."""
_GAPS = tuple(
    (heard, spoken, _HEARD_COST * heard + _SPOKEN_COST * spoken) for heard in range(_REACH) for spoken in range(_REACH)
)
_LEAST_WEIGHT = 1.5
"""A chain has at least this weight: one longer word with a short one beside it, or three short ones."""
_ALIKE, _ALIKE_FROM_CHARS = 0.6, 4
"""Pairs of letters in common (Dice's coefficient) from which on longer words count as one word, misheard."""
_MISHEARD_SHARE = 0.75
"""What a misheard word weighs against the same word."""
_ECHO_SHARE = 0.5
"""Least echo in a transcript, by weight. With less it is the user's, who may well use the agent's words."""
_SHORT_TEXT_WORDS = 4
"""Up to this many words, a transcript is echo only as a whole: "take the second one" is not one of "the second one"."""
_MOST_GARBLED_WORDS = 2
_CALLS = frozenset({"yes", "no", "yeah", "okay", "ok", "sorry", "hello", "hey", "thanks", "thank", "please", "excuse"})
"""What users call into the agent's speech, besides the stop words; no recogniser invents it. No chain crosses it."""
_SOUNDS_LIKE = {
    "ok": ("okay",),
    "okay": ("ok",),
    "yes": ("yeah", "yet"),
    "yeah": ("yes", "yea"),
    "no": ("know", "now", "not", "nor", "note"),
    "wait": ("weight", "way"),
    "stop": ("top", "shop"),
    "hey": ("they", "hay"),
    "thanks": ("things", "thinks"),
    "thank": ("think",),
}
"""Spoken words that a recogniser may hear as such a call."""
_MOST_WORDS, _MOST_SPOKEN_WORDS = 120, 400
_MOST_CHARS, _MOST_SPOKEN_CHARS = 2_400, 6_000
_MOST_LINKS, _MOST_ALIKE = 600, 12
"""At most this many of the last words, in this many characters, are compared. At most this many links of each kind are
tried, an equal share for each word heard, the places nearest to the end; and for each pair of letters of a misheard
word at most this many spoken words that have it. That bounds the cost of any text (`make bench SECTION=text`)."""
_LONGEST_KEY_CHARS = 40
"""Only the first letters of a misheard word are compared: without spaces, whole sentences count as words."""
_WORD = re.compile(r"[^\W_]++(?:['\u2019][^\W_]++)*+")
_SPACE = re.compile(r"\s")
_SCALES = frozenset({"hundred", "thousand", "million", "billion"})


@dataclass(frozen=True, slots=True)
class _Word:
    """A word, or a whole number, as it is compared, and its place in the text."""

    key: str
    start: int
    end: int

    @property
    def weight(self) -> float:
        return _SHORT_WEIGHT if len(self.key) <= _SHORT_CHARS and not self.key.isdecimal() else _WEIGHT


@dataclass(frozen=True, slots=True)
class _Link:
    """`heard_words` words from `heard_at` on are the `spoken_words` words spoken from `spoken_at` on."""

    heard_at: int
    spoken_at: int
    heard_words: int
    spoken_words: int
    likeness: float


@dataclass(frozen=True, slots=True)
class _Chain:
    """The words `first` to `end` (not included) of the transcript, of which `links` are echo, with their weight."""

    first: int
    end: int
    links: int
    weight: float


def beyond_echo(text: str, spoken: str) -> str:
    """The words of the transcript that are not the agent's own; "" when all of it is echo.

    If less than half is echo, the text comes back whole. So does a single word that is not among the last words
    spoken. A word or two at an edge are taken for a cut-off piece of echo, unless they are what users call out.

    Args:
        text: a transcript, interim or final.
        spoken: what the agent has been saying, up to and with the sentence that is being played.
    """
    heard = _words(text, _MOST_WORDS, _MOST_CHARS)
    said = _words(spoken, _MOST_SPOKEN_WORDS, _MOST_SPOKEN_CHARS)
    if len(heard) == 1:
        is_recent = any(_alike(heard[0].key, word.key) for word in said[-_RECENT_WORDS:])
        return "" if is_recent else text
    called = list(accumulate(map(_is_called_out, heard), initial=0))
    chains = _chains(heard, said, called)
    whole = sum(word.weight for word in heard)
    if not chains or sum(chain.weight for chain in chains) < _ECHO_SHARE * whole:
        return text
    first, last = chains[0].first, _end(chains, called)
    if len(heard) <= _SHORT_TEXT_WORDS and last - first < len(heard):
        return text
    before = text[: heard[first].start].strip() if _is_users(heard[:first]) else ""
    after = text[heard[last - 1].end :].lstrip(" ,.;:!?\u2026-") if _is_users(heard[last:]) else ""
    return " ".join(part for part in (before, after) if part)


def _words(text: str, most: int, most_chars: int) -> list[_Word]:
    """The last words of the text."""
    first = max(0, len(text) - most_chars)
    if first and not text[first - 1].isspace() and (space := _SPACE.search(text, first)):
        first = space.end()
    matches = deque(_WORD.finditer(text, first), most)
    words = [_Word(match[0].casefold().replace("\u2019", "'"), *match.span()) for match in matches]
    found: list[_Word] = []
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and (is_number_word(words[end].key) or words[end].key in _SCALES):
            end += 1
        if end > at:
            found += _numbers(words[at:end])
        else:
            end = at + 1
            found.append(words[at])
        at = end
    return found


def _numbers(words: Sequence[_Word]) -> list[_Word]:
    """A number as one word; somebody who counts says one word for each, and any of these may come back."""
    digits = "".join(as_digits([word.key for word in words]))
    if len(digits) == len(words) and not any(word.key.isdecimal() for word in words):
        return [_Word(digit, word.start, word.end) for digit, word in zip(digits, words, strict=True)]
    return [_Word(digits, words[0].start, words[-1].end)]


def _is_users(words: Sequence[_Word]) -> bool:
    """Whether the words beside a piece of echo are more than a garbled edge of it.

    Measured (`tests/turn/text/echo_heard.json`): where Moonshine's audio is cut, it invents up to two words or an
    amount.
    """
    telling = [word for word in words if len(word.key) > 1 and not word.key[0].isdecimal()]
    return len(telling) > _MOST_GARBLED_WORDS or any(map(_is_called_out, words))


def _is_called_out(word: _Word) -> bool:
    return word.key in _CALLS or is_stop(word.key)


def _end(chains: Sequence[_Chain], called: Sequence[int]) -> int:
    """Where the echo ends: at a word that the user calls out. What follows may be the agent's in parts, but no
    word of the user may be lost, and users often take up the agent's words ("no, the table for four").
    """
    end = chains[0].end
    for chain in chains[1:]:
        if called[chain.first] > called[end]:
            break
        end = chain.end
    return end


def _chains(heard: Sequence[_Word], said: Sequence[_Word], called: Sequence[int]) -> list[_Chain]:
    """The stretches of the transcript that are echo, in order; of two that overlap, the heavier.

    `called` tells how many of the words before each place are what users call out.
    """
    weights = list(accumulate((word.weight for word in heard), initial=0.0))
    found: list[_Chain] = []
    for chain in sorted(_candidates(_links(heard, said), weights, called), key=lambda chain: -chain.weight):
        if all(chain.end <= other.first or other.end <= chain.first for other in found):
            found.append(chain)
    return sorted(found, key=lambda chain: chain.first)


def _candidates(links: Iterable[_Link], weights: Sequence[float], called: Sequence[int]) -> Iterator[_Chain]:
    """For each place where a link ends, the heaviest chain that ends there, if it is heavy enough.

    No chain goes across what users call out.
    """
    ending: dict[tuple[int, int], _Chain] = {}
    for link in sorted(links, key=lambda link: (link.heard_at, link.spoken_at)):
        end, after = link.heard_at + link.heard_words, link.spoken_at + link.spoken_words
        own = (weights[end] - weights[link.heard_at]) * link.likeness
        chain = _Chain(link.heard_at, end, 1, own)
        for heard_gap, spoken_gap, cost in _GAPS:
            longer = ending.get((link.heard_at - heard_gap, link.spoken_at - spoken_gap))
            if longer is None or called[link.heard_at] > called[longer.end]:
                continue
            if longer.weight + own - cost > chain.weight:
                chain = _Chain(longer.first, end, longer.links + 1, longer.weight + own - cost)
        if (end, after) not in ending or ending[end, after].weight < chain.weight:
            ending[end, after] = chain
    return (chain for chain in ending.values() if chain.links > 1 and chain.weight >= _LEAST_WEIGHT)


def _links(heard: Sequence[_Word], said: Sequence[_Word]) -> Iterator[_Link]:
    """The words heard with the places where they were spoken; also two words that one side has joined to one."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    joined: defaultdict[str, list[int]] = defaultdict(list)
    for at, word in enumerate(said):
        places[word.key].append(at)
        if at + 1 < len(said):
            joined[word.key + said[at + 1].key].append(at)
    pairs = _by_letters(places)
    most = max(1, _MOST_LINKS // max(1, len(heard)))
    for at, word in enumerate(heard):
        if word.key in places:
            found = [_Link(at, place, 1, 1, 1.0) for place in places[word.key][-most:]]
        else:
            alike = sorted(place for key in _misheard(word.key, pairs) for place in places[key])
            found = [_Link(at, place, 1, 1, _MISHEARD_SHARE) for place in alike[-most:]]
        called = sorted(place for key in _SOUNDS_LIKE.get(word.key, ()) for place in places.get(key, ()))
        found += [_Link(at, place, 1, 1, _MISHEARD_SHARE) for place in called[-most:]]
        found += [_Link(at, place, 1, 2, 1.0) for place in joined.get(word.key, ())[-most:]]
        if at + 1 < len(heard):
            both = word.key + heard[at + 1].key
            found += [_Link(at, place, 2, 1, 1.0) for place in places.get(both, ())[-most:]]
        yield from found


def _by_letters(keys: Iterable[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
    """For each pair of letters the newest longer words that have it, each with the number of its pairs."""
    found: defaultdict[str, deque[tuple[str, int]]] = defaultdict(lambda: deque(maxlen=_MOST_ALIKE))
    for key in keys:
        if len(key) >= _ALIKE_FROM_CHARS and not key.isdecimal():
            own = _letter_pairs(key)
            for pair in own:
                found[pair].append((key, len(own)))
    return found


def _misheard(key: str, pairs: Mapping[str, Sequence[tuple[str, int]]]) -> list[str]:
    """The spoken words that this one may have been."""
    if len(key) < _ALIKE_FROM_CHARS or key.isdecimal():
        return []
    own = _letter_pairs(key)
    common = Counter(other for pair in own for other in pairs.get(pair, ()))
    return [other for (other, size), count in common.items() if 2 * count >= _ALIKE * (len(own) + size)]


def _alike(one: str, other: str) -> bool:
    return one == other or other in _misheard(one, _by_letters([other]))


def _letter_pairs(key: str) -> frozenset[str]:
    edged = f"^{key[:_LONGEST_KEY_CHARS]}$"
    return frozenset(edged[at : at + 2] for at in range(len(edged) - 1))
