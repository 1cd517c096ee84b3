"""Words that acknowledge and take no floor, in the languages that people are likely to say them in."""

import unicodedata

_BACKCHANNELS = frozenset(
    (  # noqa: SIM905  lines of words read better than a list of strings
        "yes yeah yep yup ya okay ok right sure alright true indeed exactly great good nice cool fine wow really "
        "thanks uh um er ah oh eh hm hmm mm mmm mhm mmhm mhmm uhhuh uhuh aha huh i a the and "
        "ja jo genau gut klar stimmt doch achso oui ouais voil\u00e0 d'accord bien s\u00ed si claro vale bueno certo "
        "sim \u0434\u0430 \u0443\u0433\u0443 \u0430\u0433\u0430 "
        "\u55ef \u5bf9 \u597d \u662f \u554a \u54e6 \u306f\u3044 \u3046\u3093 \u3048\u3048 \ub124 \uc608 \uc751 "
        "\u0939\u093e\u0901 \u0939\u093e\u0902 \u0646\u0639\u0645"
    ).split()
)
"""Also sounds of hesitation, and what recognisers make of a cough."""
_LONGEST_CHARS = 20
"""Longer text is none of them."""


def is_backchannel(text: str) -> bool:
    """Whether the text is one word that only acknowledges, as "Mm-hm." does, or none. "No" is an answer."""
    if len(text) > _LONGEST_CHARS:
        return False
    plain = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")
    kept = "".join(char for char in plain if char == "'" or unicodedata.category(char)[0] in "LMN")
    return not kept or kept in _BACKCHANNELS
