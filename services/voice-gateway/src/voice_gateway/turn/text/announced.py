"""Whether a long number that was announced ("my phone number is 415") has all its digits yet."""

from collections.abc import Sequence

from voice_gateway.turn.text.number_words import as_digits

_LENGTHS = {
    "area code": 3,
    "zip": 5,
    "card": 15,
    "account": 8,
    "phone": 10,
    "telephone": 10,
    "mobile": 10,
    "cell": 10,
    "my number": 10,
    "code": 4,
    "pin": 4,
}
"""The fewest digits, in the order in which the kinds are looked for: North American telephone numbers have 10, US ZIP
codes 5, payment cards 15 or 16; bank accounts and codes differ, and with this many digits they count as complete."""
_BEFORE_DIGITS = frozenset({"is", "was", "are", "number", "code", "zip", "pin", "it's", "starts", "begins", "with"})
_PASSED_OVER = frozenset({"dash", "hyphen", "space", "plus", "um", "uh"})
_LOOKED_AT_WORDS = 40
_ANNOUNCEMENT_WORDS = 8
"""An announcement begins at most this many words before its first digit."""


def awaits_digits(words: Sequence[str]) -> bool:
    """Whether the words end with the first digits of a long number that they announce.

    Args:
        words: small letters and digits, without punctuation.
    """
    items = as_digits([word for word in words[-_LOOKED_AT_WORDS:] if word not in _PASSED_OVER])
    digits = 0
    while items and items[-1].isdecimal():
        digits += len(items.pop())
    if not digits or not items or items[-1] not in _BEFORE_DIGITS:
        return False
    announcement = " ".join(items[-_ANNOUNCEMENT_WORDS:])
    return digits < next((length for kind, length in _LENGTHS.items() if kind in announcement), 0)
