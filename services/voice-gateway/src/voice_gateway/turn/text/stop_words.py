"""Words that alone stop the agent, in the languages that people are likely to say them in."""

import re
import unicodedata

_STOP = frozenset(
    {
        "stop",
        "wait",
        "hold it",
        "enough",
        "cancel",
        "quiet",
        "be quiet",
        "stopp",
        "halt",
        "warte",
        "arr\u00eate",
        "attends",
        "para",
        "espera",
        "alto",
        "aspetta",
        "basta",
    }
)
_LONGEST_CHARS = 400
"""Nobody repeats a stop word for longer than this; a longer text is judged as other words are."""
_MARKS = re.compile(r"[^\w\s']+")
_ONLY_STOP = re.compile(rf"(?:(?:{'|'.join(sorted(_STOP))}) )+")


def is_stop(text: str) -> bool:
    """Whether the text is stop words and nothing else, however often they are said ("Stop, stop! Be quiet!")."""
    if len(text) > _LONGEST_CHARS:
        return False
    said = _MARKS.sub(" ", unicodedata.normalize("NFC", text)).casefold().split()
    return _ONLY_STOP.fullmatch("".join(f"{word} " for word in said)) is not None
