"""What servers say they serve."""

from collections.abc import Iterable, Mapping

Offers = Mapping[str, tuple[str, ...]]
"""Language codes and the voices of each; a recogniser has languages without voices."""


def merge_offers(offers: Iterable[Offers]) -> Offers:
    """One listing of several: languages and their voices in order of first mention, none twice."""
    merged: dict[str, dict[str, None]] = {}
    for offer in offers:
        for language_code, voices in offer.items():
            merged.setdefault(language_code, {}).update(dict.fromkeys(voices))
    return {language_code: tuple(voices) for language_code, voices in merged.items()}
