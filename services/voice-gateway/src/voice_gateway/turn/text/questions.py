"""Whether a sentence asks something, in any script."""

import re

QUESTION_MARKS = frozenset(
    "?\u037e\u055e\u061f\u1367\u1945\u203d\u2047\u2048\u2049\u2cfa\u2cfb\u2e2e\u2e54\ua60f\ua6f7\ufe16\ufe56\uff1f"
    "\U00011143"
)
"""The question mark of every script that has one at the end (Unicode 16, names with "QUESTION MARK", and the
interrobang). A Greek one is more often written as a semicolon, and an Armenian one stands within a word: `is_question`
knows both."""
_ARMENIAN = "\u055e"
"""Stands in the word that is asked about."""
_GREEK = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")


def is_question(sentence: str) -> bool:
    """Whether the sentence ends in a question mark; quotation marks and brackets may follow it."""
    end = len(sentence)
    while end and not sentence[end - 1].isalnum():
        if sentence[end - 1] in QUESTION_MARKS:
            return True
        end -= 1
    return _ARMENIAN in sentence or (";" in sentence[end:] and _GREEK.search(sentence) is not None)
