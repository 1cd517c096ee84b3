"""Whether a sentence asks something, in any script."""

_QUESTION_MARKS = frozenset(
    "?\u037e\u055e\u061f\u1367\u1945\u203d\u2047\u2048\u2049\u2cfa\u2cfb\u2e2e\ua60f\ua6f7\ufe16\ufe56\uff1f"
)
"""Latin, Greek, Armenian, Arabic, Ethiopic, Limbu, the interrobang, double marks, Nubian, the one that is turned round,
Vai, Bamum, vertical, small, and full width."""
_ARMENIAN = "\u055e"
"""Stands in the word that is asked about."""


def is_question(sentence: str) -> bool:
    """Whether the sentence ends in a question mark; quotation marks and brackets may follow it."""
    end = len(sentence)
    while end and not sentence[end - 1].isalnum():
        if sentence[end - 1] in _QUESTION_MARKS:
            return True
        end -= 1
    return _ARMENIAN in sentence
