"""What servers say they serve."""

from collections.abc import Iterable, Mapping

from voice_gateway.session.ports import ANY_LANGUAGE

Offers = Mapping[str, tuple[str, ...]]
"""Language codes and the voices of each; a recogniser has languages without voices."""


MULTI = ANY_LANGUAGE
"""What a recogniser of many languages lists instead of them: it tells by the sound which one is spoken."""


def spelled(language_code: str, offers: Offers) -> str | None:
    """What a server calls a language, in any case and with `_` for `-`; `multi` if it has that; None: not on offer."""
    wanted = _folded(language_code)
    named = next((code for code in offers if _folded(code) == wanted), None)
    return named or next((code for code in offers if _folded(code) == MULTI), None)


def _folded(language_code: str) -> str:
    return language_code.replace("_", "-").casefold()


def hyphened(offers: Offers) -> Offers:
    """The offers under the codes that clients know, with `-` for `_` (RFC 5646)."""
    return merge_offers({code.replace("_", "-"): voices} for code, voices in offers.items())


def merge_offers(offers: Iterable[Offers]) -> Offers:
    """One listing of several: languages and their voices in order of first mention, none twice."""
    merged: dict[str, dict[str, None]] = {}
    for offer in offers:
        for language_code, voices in offer.items():
            merged.setdefault(language_code, {}).update(dict.fromkeys(voices))
    return {language_code: tuple(voices) for language_code, voices in merged.items()}
